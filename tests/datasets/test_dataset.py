"""Every form in which people have FER-2013, every way in which it can be wrong, and counts against slow oracles."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotion.datasets import dataset as datasets_dataset
from emotion.datasets.dataset import Dataset, clean_votes, is_non_face, majority_vote, vote_distribution
from emotion.datasets.duplicates import duplicate_report, group_duplicates, group_near_duplicates, is_train_duplicate
from emotion.datasets.fer2013_files import with_votes
from emotion.datasets.hard_negatives import mine_hard_negatives
from emotion.datasets.loaders import load_dataset
from emotion.errors import DataError
from emotion.expressions import FER2013_LABELS
from tests.datasets.conftest import REAL
from tests.training.making import (
    USAGES,
    VOTE_COLUMNS,
    arrays_of,
    csv_lines,
    dataset,
    pictures,
    pixels_text,
    write_fer2013,
    write_ferplus,
    write_npz,
    write_picture,
)

FOLDERS = ("train", "validation", "test")


def equal(one: Dataset, other: Dataset) -> None:
    """All arrays, their types and the labels' names."""
    for name in ("images", "labels", "split", "votes", "has_votes"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert one.label_names == other.label_names


def refusal(read: Callable[[], object]) -> str:
    """The sentence of a DataError: one line, no stack, no array."""
    with pytest.raises(DataError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 400
    return message


def read_or_refused(path: Path) -> Dataset | None:
    try:
        return load_dataset(path)
    except DataError as error:
        if path.name not in str(error):
            raise
        return None


# --- the forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [(2, 2, 2), (6, 0, 0), (20, 20, 20), (0, 1, 0)])
def test_fer2013_csv(tmp_path: Path, rows: tuple[int, int, int]) -> None:
    data = dataset(*rows, votes=False)
    equal(load_dataset(write_fer2013(tmp_path / "fer2013.csv", data)), data)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_fer2013_csv_as_other_programs_write_it(tmp_path: Path, ending: str, encoding: str) -> None:
    data = dataset(3, 2, 1, votes=False)
    usages = (" training", "Training", "TRAINING", "publictest", "PublicTest ", "PrivateTest")
    rows = [
        f'"{usage}", {label} ,"{pixels_text(image)}"'
        for usage, label, image in zip(usages, data.labels, data.images, strict=True)
    ]
    path = tmp_path / "FER.CSV"
    path.write_bytes(ending.join(["Usage , EMOTION,Pixels", *rows, "", ""]).encode(encoding))
    equal(load_dataset(path), data)


def test_a_csv_without_usage_is_shared_out_with_near_duplicates_together(tmp_path: Path) -> None:
    data = dataset(140, votes=False)
    data.images[7] = np.clip(data.images[0].astype(int) + 2, 0, 255)  # of the same label, nearly the same
    (tmp_path / "train.csv").write_text("\n".join(line.rpartition(",")[0] for line in csv_lines(data)))
    got = load_dataset(tmp_path / "train.csv")
    equal(replace(got, split=data.split), data)
    equal(load_dataset(tmp_path / "train.csv"), got)
    counts = Counter(zip(got.labels.tolist(), got.split.tolist(), strict=True))
    assert counts == {(label, split): (16, 2, 2)[split] for label in range(7) for split in range(3)}
    assert got.split[7] == got.split[0]


def test_npz(tmp_path: Path) -> None:
    data = dataset(4, 3, 2)
    equal(load_dataset(write_npz(tmp_path / "a.npz", arrays_of(data))), data)
    wide = {name: array.astype(np.int64) for name, array in arrays_of(data).items() if name != "images"}
    equal(load_dataset(write_npz(tmp_path / "b.NPZ.npz", wide | {"images": data.images})), data)
    unnamed = {name: array for name, array in arrays_of(data).items() if name != "ferplus_named"}
    equal(load_dataset(write_npz(tmp_path / "c.npz", unnamed)), replace(data, has_votes=np.ones(9, bool)))
    without = replace(data, votes=None, has_votes=None)
    equal(load_dataset(write_npz(tmp_path / "d.npz", arrays_of(without))), without)


def test_a_tree_with_the_names_of_the_rows_has_the_order_of_fer2013(tmp_path: Path) -> None:
    data = dataset(20, 15, 10)
    for row, (image, label, split) in enumerate(zip(data.images, data.labels, data.split, strict=True)):
        folder = tmp_path / "faces" / ("train" if split == 0 else "test") / FER2013_LABELS[label]
        write_picture(folder / f"{USAGES[split]}_{row:05d}.png", image)
    equal(load_dataset(tmp_path / "faces"), replace(data, votes=None, has_votes=None))
    votes = write_ferplus(tmp_path / "fer2013new.csv", data)
    equal(load_dataset(tmp_path / "faces", votes), data)


def write_tree(root: Path, data: Dataset, *, words: tuple[str, ...] = FER2013_LABELS, splits: bool) -> None:
    for row, (image, label, split) in enumerate(zip(data.images, data.labels, data.split, strict=True)):
        write_picture(root / (FOLDERS[split] if splits else "") / words[label] / f"{row}.png", image)


def by_picture(data: Dataset) -> Counter[tuple[bytes, str, int]]:
    rows = zip(data.images, data.labels, data.split, strict=True)
    return Counter((image.tobytes(), data.label_names[label], int(split)) for image, label, split in rows)


@pytest.mark.parametrize(
    "words", [FER2013_LABELS, ("Anger", "disgusted", "FEARFUL", "Happiness", "sadness", "surprised", "normal")]
)
def test_a_tree_of_train_valid_test(tmp_path: Path, words: tuple[str, ...]) -> None:
    data = dataset(30, 14, 14, votes=False)
    write_tree(tmp_path, data, words=words, splits=True)
    assert by_picture(load_dataset(tmp_path)) == by_picture(data)


def test_only_the_labels_that_are_there_in_the_order_of_fer2013_and_contempt_last(tmp_path: Path) -> None:
    for name in ("surprise", "contempt", "angry"):
        write_picture(tmp_path / name / "a.png", pictures(1)[0])
    assert load_dataset(tmp_path).label_names == ("angry", "surprise", "contempt")


@pytest.mark.parametrize("given_splits", [(0,), (0, 1), (0, 2)])
def test_splits_that_a_tree_lacks_are_held_out_of_training_only(tmp_path: Path, given_splits: tuple[int, ...]) -> None:
    data = dataset(*(140 if split in given_splits else 0 for split in range(3)), votes=False)
    write_tree(tmp_path, data, splits=True)
    got = load_dataset(tmp_path)
    before, after = ({image: (label, split) for image, label, split in by_picture(one)} for one in (data, got))
    assert before.keys() == after.keys()
    moved = {image for image in before if before[image] != after[image]}
    assert {(before[image][0], after[image][0]) for image in moved} == {(n, n) for n in FER2013_LABELS}
    assert {before[image][1] for image in moved} == {0}
    assert {after[image][1] for image in moved} == {0, 1, 2} - set(given_splits)
    missing = {1, 2} - set(given_splits)
    assert Counter(after[image] for image in moved) == {(name, s): 2 for name in FER2013_LABELS for s in missing}


@settings(max_examples=15, deadline=None)
@given(
    twins=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=40),
    labels=st.lists(st.sampled_from((0, 3)), min_size=60, max_size=60),
)
def test_held_out_rows_share_no_picture_with_any_other_split(
    tmp_path_factory: pytest.TempPathFactory, twins: list[tuple[int, int]], labels: list[int]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    images = pictures(60)
    for one, other in twins:
        images[one] = images[other]
    write_tree(root, Dataset(images, np.array(labels, np.int8), np.zeros(60, np.int8)), splits=False)
    data = load_dataset(root)
    assert len(data) == 60
    homes: dict[bytes, set[int]] = {}
    for image, split in zip(data.images, data.split, strict=True):
        homes.setdefault(image.tobytes(), set()).add(int(split))
    assert all(len(splits) == 1 for splits in homes.values())
    equal(load_dataset(root), data)


def test_a_plain_tree_holds_out_a_tenth_of_every_label(tmp_path: Path) -> None:
    sizes = {0: 40, 3: 100, 6: 9}
    labels = np.repeat(list(sizes), list(sizes.values())).astype(np.int8)
    write_tree(tmp_path, Dataset(pictures(149), labels, np.zeros(149, np.int8)), splits=False)
    data = load_dataset(tmp_path)
    assert data.label_names == ("angry", "happy", "neutral")
    counts = Counter(zip(data.labels.tolist(), data.split.tolist(), strict=True))
    assert counts == {
        (0, 0): 32,
        (0, 1): 4,
        (0, 2): 4,
        (1, 0): 80,
        (1, 1): 10,
        (1, 2): 10,
        (2, 0): 7,
        (2, 1): 1,
        (2, 2): 1,
    }


def test_what_is_held_out_has_no_near_twin_in_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name in ("happy", "sad"):
        for number in range(30):
            face = cv2.resize(rng.integers(0, 256, (6, 6)).astype(np.uint8), (48, 48))
            write_picture(tmp_path / name / f"{number}.png", face)
            write_picture(tmp_path / name / f"{number}b.png", np.clip(face.astype(int) + 9, 0, 255).astype(np.uint8))
    data = load_dataset(tmp_path)
    assert set(data.split) == {0, 1, 2}
    groups = group_near_duplicates(data.images)
    assert len(set(groups)) < len(groups)
    for group in set(groups):
        assert len(set(data.split[groups == group])) == 1


def frames(folder: Path, seed: int, count: int) -> None:
    """Pictures that a camera might take of one person within seconds, none the same."""
    rng = np.random.default_rng(seed)
    face = cv2.resize(rng.integers(0, 256, (6, 6)).astype(np.uint8), (48, 48)).astype(int)
    for number in range(count):
        write_picture(folder / f"{seed}-{number}.png", np.clip(face + rng.integers(-4, 5, (48, 48)), 0, 255))


def test_who_was_taken_many_times_in_a_row_is_in_one_split_and_each_split_has_somebody(tmp_path: Path) -> None:
    for place, name in enumerate(("happy", "sad")):
        for person in range(4):
            frames(tmp_path / name, 10 * place + person, 20)
    data = load_dataset(tmp_path)
    counts = Counter(zip(data.labels.tolist(), data.split.tolist(), strict=True))
    assert counts == {(label, split): 40 if split == 0 else 20 for label in (0, 1) for split in (0, 1, 2)}


def test_a_label_of_a_single_person_can_be_learned_and_measured(tmp_path: Path) -> None:
    frames(tmp_path / "happy", 1, 30)
    frames(tmp_path / "sad", 2, 20)
    data = load_dataset(tmp_path)
    counts = Counter(zip(data.labels.tolist(), data.split.tolist(), strict=True))
    assert counts == {(0, 0): 24, (0, 1): 3, (0, 2): 3, (1, 0): 16, (1, 1): 2, (1, 2): 2}


def test_other_shapes_and_colours_become_grey_squares_of_48(tmp_path: Path) -> None:
    grey = pictures(1)[0]
    write_picture(tmp_path / "happy" / "a.png", np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(load_dataset(tmp_path).images, [grey])
    wide = np.full((96, 200, 3), 255, np.uint8)  # the middle is 52 to 148
    wide[:, 52:148] = 40
    write_picture(tmp_path / "happy" / "a.png", wide)
    np.testing.assert_array_equal(load_dataset(tmp_path).images, np.full((1, 48, 48), 40))
    small = np.zeros((20, 10), np.uint8)
    small[5:15] = 200
    write_picture(tmp_path / "happy" / "a.png", small)
    np.testing.assert_array_equal(load_dataset(tmp_path).images, np.full((1, 48, 48), 200))


def test_an_unreadable_picture_is_a_note_and_the_others_go_on(tmp_path: Path) -> None:
    data = dataset(7, 7, 7, votes=False)
    write_tree(tmp_path, data, splits=True)
    (tmp_path / "train" / "happy" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (tmp_path / "train" / "happy" / "empty.png").touch()
    (tmp_path / "train" / "happy" / "read me.txt").write_text("no picture, and nobody says it is")
    got = load_dataset(tmp_path)
    assert by_picture(got) == by_picture(data)
    assert [note.partition(": ")[0] for note in got.notes] == ["train/happy/broken.jpg", "train/happy/empty.png"]


def test_a_folder_that_is_not_understood_is_a_note_and_nothing_hidden_is_read(tmp_path: Path) -> None:
    data = dataset(14, 7, 7, votes=False)
    write_tree(tmp_path, data, splits=True)
    for hidden in ("train/happy/.ipynb_checkpoints/a.png", "train/.cache/happy/a.png", "__MACOSX/train/happy/a.png"):
        write_picture(tmp_path / hidden, pictures(1)[0])
    (tmp_path / "train" / "happy" / "._a.png").write_bytes(b"\0\5\x16\7")
    write_picture(tmp_path / "extra" / "yawn" / "a.png", pictures(1)[0])
    write_picture(tmp_path / "test" / "cover.png", pictures(1)[0])
    (tmp_path / "test" / "sad" / "phone.heic").write_bytes(b"\0\0\0 ftypheic")
    got = load_dataset(tmp_path)
    assert by_picture(got) == by_picture(data)
    assert [note.partition(": ")[0] for note in got.notes] == ["extra", "test", "test/sad/phone.heic"]
    shutil.rmtree(tmp_path / "train")
    shutil.rmtree(tmp_path / "validation")
    shutil.rmtree(tmp_path / "test")
    write_picture(tmp_path / "test" / "cover.png", pictures(1)[0])
    shutil.rmtree(tmp_path / "extra")
    assert "test: 1 image is left out" in refusal(lambda: load_dataset(tmp_path))


def test_links_among_folders_are_followed_once(tmp_path: Path) -> None:
    write_tree(tmp_path / "else", dataset(14, 7, 7, votes=False), splits=True)
    (tmp_path / "mine").mkdir()
    for split in FOLDERS:
        (tmp_path / "mine" / split).symlink_to(tmp_path / "else" / split)
    (tmp_path / "else" / "train" / "happy" / "again").symlink_to(tmp_path / "else" / "train")
    assert len(load_dataset(tmp_path / "mine")) == 28


def test_rows_and_take() -> None:
    data = dataset(4, 3, 2)
    assert [data.rows_in(split).tolist() for split in datasets_dataset.SPLITS] == [[0, 1, 2, 3], [4, 5, 6], [7, 8]]
    part = data.take(np.array([8, 0]))
    assert len(part) == 2
    for name in ("images", "labels", "split", "votes", "has_votes"):
        np.testing.assert_array_equal(getattr(part, name), getattr(data, name)[[8, 0]])
    assert replace(data, votes=None, has_votes=None).take(np.array([1])).votes is None
    assert len(data.take(np.array([], np.intp))) == 0


# --- what is wrong with a file -----------------------------------------------------------------------------

GOOD = pixels_text(pictures(1)[0])
HEAD = "emotion,pixels,Usage"

BAD_CSV = {
    "empty": ("", ["line 1", "emotion,pixels"]),
    "no rows": (f"{HEAD}\n", ["no rows"]),
    "only blank rows": (f"{HEAD}\n\n\n", ["no rows"]),
    "no heading": (f"0,{GOOD},Training", ["line 1", "emotion,pixels"]),
    "other heading": (f"label,pixels,Usage\n0,{GOOD},Training", ["line 1"]),
    "short row": (f"{HEAD}\n0,{GOOD},Training\n0,{GOOD}", ["line 3", "2 columns", "expected 3"]),
    "label 7": (f"{HEAD}\n7,{GOOD},Training", ["line 2", "label", "'7'", "0 to 6"]),
    "label -1": (f"{HEAD}\n-1,{GOOD},Training", ["line 2", "'-1'", "0 to 6"]),
    "label in words": (f"{HEAD}\nhappy,{GOOD},Training", ["line 2", "'happy'"]),
    "label half": (f"{HEAD}\n1.5,{GOOD},Training", ["line 2", "'1.5'"]),
    "label empty": (f"{HEAD}\n,{GOOD},Training", ["line 2", "''"]),
    "label superscript": (f"{HEAD}\n²,{GOOD},Training", ["line 2", "'²'"]),
    "label huge": (f"{HEAD}\n{'9' * 5000},{GOOD},Training", ["line 2", "0 to 6"]),
    "usage unknown": (f"{HEAD}\n0,{GOOD},Training\n1,{GOOD},Test", ["line 3", "'Test'", "PublicTest"]),
    "usage empty": (f"{HEAD}\n0,{GOOD},", ["line 2", "''", "PublicTest"]),
    "usage long": (f"{HEAD}\n0,{GOOD},{'x' * 9000}", ["line 2", "PublicTest"]),
    "no pixels": (f"{HEAD}\n0,,Training", ["line 2", "0 pixels", "2304"]),
    "one pixel less": (f"{HEAD}\n0,{GOOD.partition(' ')[2]},Training", ["line 2", "2303 pixels", "2304"]),
    "one pixel more": (f"{HEAD}\n0,{GOOD} 0,Training", ["line 2", "2305 pixels", "2304"]),
    "letters": (f"{HEAD}\n0,{GOOD}\n0,{GOOD.replace(' ', ' x', 1)},Training", ["line 2", "2 columns"]),
    "letters among pixels": (f"{HEAD}\n0,{GOOD.replace(' ', ' x', 1)},Training", ["line 2", "whole numbers"]),
    "half pixels": (f"{HEAD}\n0,{GOOD.replace(' ', '.5 ', 1)},Training", ["line 2", "whole numbers"]),
    "pixel 256": (f"{HEAD}\n0,{'256 ' * 2304},Training", ["line 2", "0 to 255"]),
    "pixel -1": (f"{HEAD}\n0,{'-1 ' * 2304},Training", ["line 2", "0 to 255"]),
    "huge pixel": (f"{HEAD}\n0,{'9' * 30}{' 0' * 2303},Training", ["line 2", "whole numbers"]),
    "gigantic pixel": (f"{HEAD}\n0,{'9' * 9000}{' 0' * 2303},Training", ["line 2", "whole numbers"]),
    "endless field": (f"{HEAD}\n0,{'7 ' * 90_000},Training", ["line 2"]),
    "quote without end": (f'{HEAD}\n0,"{GOOD},Training\n' + f"0,{GOOD},Training\n" * 20, ["line "]),
    "zero byte": (f"{HEAD}\n0,{GOOD},Trai\0ning", ["line 2"]),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_a_bad_csv_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    text, words = BAD_CSV[case]
    (tmp_path / "fer2013.csv").write_text(text, encoding="utf-8")
    message = refusal(lambda: load_dataset(tmp_path / "fer2013.csv"))
    assert "fer2013.csv" in message
    for word in words:
        assert word in message


def test_a_csv_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    for data in (b"PK\x03\x04" + bytes(range(256)) * 20, "emotion,pixels,Usage\n0,1,Training".encode("utf-16")):
        path.write_bytes(data)
        assert "line 1" in refusal(lambda: load_dataset(path))


@settings(max_examples=60, deadline=None)
@given(where=st.integers(0, 20_000), what=st.text(max_size=6), remove=st.integers(0, 3000))
def test_a_damaged_csv_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, where: int, what: str, remove: int
) -> None:
    text = "\n".join(csv_lines(dataset(2, votes=False)))
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    text = text[:where] + what + text[where + remove :]
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    data = read_or_refused(path)
    assert data is None or (data.images.shape[1:] == (48, 48) and set(data.labels) <= set(range(7)))


def npz_arrays() -> dict[str, Any]:
    return arrays_of(dataset(3, 2, 1))


BAD_NPZ: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no images": ({"images": None}, ["lacks images"]),
    "no labels nor usage": ({"label": None, "usage": None}, ["lacks label, usage"]),
    "float images": ({"images": np.zeros((6, 48, 48))}, ["images", "float64", "uint8"]),
    "small images": ({"images": np.zeros((6, 32, 32), np.uint8)}, ["images", "(6, 32, 32)"]),
    "flat images": ({"images": np.zeros((6, 2304), np.uint8)}, ["images", "(6, 2304)"]),
    "one number": ({"images": np.uint8(3)}, ["images", "()"]),
    "nothing": ({k: v[:0] for k, v in npz_arrays().items()}, ["no images"]),
    "object images": ({"images": np.array([None] * 6)}, []),
    "object labels": ({"label": np.array([0, 1, 2, 3, 4, "5"], object)}, []),
    "fewer labels": ({"label": np.zeros(5, np.int8)}, ["label", "(5,)", "6"]),
    "label 7": ({"label": np.array([0, 1, 7, 0, 0, 0])}, ["label", "row 2", "7", "0 to 6"]),
    "label -1": ({"label": np.array([0, 1, 2, -1, 0, 0])}, ["label", "row 3", "-1"]),
    "half labels": ({"label": np.full(6, 0.5)}, ["label", "float64"]),
    "labels NaN": ({"label": np.full(6, np.nan)}, ["label", "float64"]),
    "labels in words": ({"label": np.full(6, "happy")}, ["label", "<U5"]),
    "usage 3": ({"usage": np.array([0, 0, 0, 0, 0, 3])}, ["usage", "row 5", "0 to 2"]),
    "two columns of usage": ({"usage": np.zeros((6, 2), np.int8)}, ["usage", "(6, 2)"]),
    "votes of five rows": ({"ferplus": np.zeros((5, 10), np.int8)}, ["ferplus", "(5, 10)"]),
    "votes for eight": ({"ferplus": np.zeros((6, 8), np.int8)}, ["ferplus", "(6, 8)"]),
    "half votes": ({"ferplus": np.full((6, 10), 0.5)}, ["ferplus", "float64"]),
    "negative votes": ({"ferplus": np.full((6, 10), -1)}, ["votes", "row 0", "-1"]),
    "huge votes": ({"ferplus": np.full((6, 10), 300)}, ["votes", "row 0", "300"]),
    "names of two rows": ({"ferplus_named": np.ones(2, bool)}, ["ferplus_named", "(2,)"]),
    "names in words": ({"ferplus_named": np.full(6, "fer.png")}, ["ferplus_named"]),
}


@pytest.mark.parametrize("case", BAD_NPZ)
def test_a_bad_npz_is_refused(tmp_path: Path, case: str) -> None:
    change, words = BAD_NPZ[case]
    arrays = {name: array for name, array in (npz_arrays() | change).items() if array is not None}
    message = refusal(lambda: load_dataset(write_npz(tmp_path / "faces.npz", arrays)))
    for word in ("faces.npz", *words):
        assert word in message


def test_an_npz_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    np.save(tmp_path / "one.npy", pictures(2))
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("images.txt", "hello")
    for data in (b"", b"text", (tmp_path / "one.npy").read_bytes(), (tmp_path / "notes.zip").read_bytes()):
        path.write_bytes(data)
        assert "faces.npz" in refusal(lambda: load_dataset(path))


def test_a_damaged_npz_is_read_or_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "whole.npz", **npz_arrays())
    whole = (tmp_path / "whole.npz").read_bytes()
    for _ in range(150):
        data = np.frombuffer(whole, np.uint8)[: rng.integers(1, 2 * len(whole))].copy()
        places = rng.integers(0, len(data), rng.integers(1, 5))
        data[places] ^= rng.integers(1, 256, len(places)).astype(np.uint8)
        (tmp_path / "damaged.npz").write_bytes(data.tobytes())
        read_or_refused(tmp_path / "damaged.npz")


def test_a_wrong_path_is_refused(tmp_path: Path) -> None:
    assert "nowhere.csv" in refusal(lambda: load_dataset(tmp_path / "nowhere.csv"))
    (tmp_path / "faces.tar").touch()
    assert "faces.tar" in refusal(lambda: load_dataset(tmp_path / "faces.tar"))
    assert "votes.csv" in refusal(lambda: with_votes(dataset(1), tmp_path / "votes.csv"))


def test_a_bad_tree_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in refusal(lambda: load_dataset(tmp_path / "empty"))
    (tmp_path / "pictureless" / "train" / "happy").mkdir(parents=True)
    assert str(tmp_path / "pictureless") in refusal(lambda: load_dataset(tmp_path / "pictureless"))
    write_picture(tmp_path / "odd" / "train" / "happy" / "a.png", pictures(1)[0])
    write_picture(tmp_path / "odd" / "train" / "2019" / "happy" / "a.png", pictures(1)[0])
    message = refusal(lambda: load_dataset(tmp_path / "odd"))
    assert str(tmp_path / "odd" / "train" / "2019") in message
    for number in range(128):
        write_picture(tmp_path / "many" / f"label {number}" / "a.png", pictures(1)[0])
    assert "128 labels" in refusal(lambda: load_dataset(tmp_path / "many"))


def test_a_label_is_whatever_its_folder_is_called(tmp_path: Path) -> None:
    for number, name in enumerate(("Yawn", "contempt", "Anger", " a  smirk ", "yawn")):
        write_picture(tmp_path / "train" / name / f"{number}.png", pictures(1, number)[0])
    write_picture(tmp_path / "train" / "__MACOSX" / "a.png", pictures(1)[0])
    write_picture(tmp_path / "train" / ".hidden" / "a.png", pictures(1)[0])
    data = load_dataset(tmp_path)
    assert data.label_names == ("angry", "contempt", "a smirk", "yawn")
    assert np.bincount(data.labels).tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize("wrapped", ["", "faces", "archive/faces"])
def test_folders_around_a_tree_do_not_count(tmp_path: Path, wrapped: str) -> None:
    data = dataset(30, 14, 14, votes=False)
    write_tree(tmp_path / wrapped, data, splits=True)
    assert by_picture(load_dataset(tmp_path)) == by_picture(data)
    for name in ("happy", "yawn"):
        write_picture(tmp_path / "other" / wrapped / name / "2019" / "a.png", pictures(1)[0])
        write_picture(tmp_path / "other" / wrapped / name / "a.png", pictures(1)[0])
    assert load_dataset(tmp_path / "other").label_names == ("happy", "yawn")


def test_pictures_of_a_folder_come_in_the_size_that_was_asked_for(tmp_path: Path) -> None:
    wide = np.full((96, 200, 3), 255, np.uint8)
    wide[:, 52:148] = 40
    write_picture(tmp_path / "happy" / "a.png", wide)
    np.testing.assert_array_equal(load_dataset(tmp_path, size=80).images, np.full((1, 80, 80), 40))


# --- the votes of FER+ -------------------------------------------------------------------------------------


def test_the_votes_of_ferplus(tmp_path: Path) -> None:
    data = dataset(30, 10, 10)
    assert data.has_votes is not None
    assert not data.has_votes.all()
    bare = replace(data, votes=None, has_votes=None)
    equal(with_votes(bare, write_ferplus(tmp_path / "fer2013new.csv", data)), data)
    fer2013 = write_fer2013(tmp_path / "fer2013.csv", data)
    equal(load_dataset(fer2013, tmp_path / "fer2013new.csv"), data)
    assert load_dataset(fer2013).votes is None


def ferplus_lines() -> list[str]:
    head = f"Usage,Image name,{','.join(VOTE_COLUMNS)}"
    return [head, *(f"Training,fer{i}.png,4,0,0,1,3,2,0,0,0,0" for i in range(2)), "PublicTest,,0,0,0,0,0,0,0,0,0,10"]


def line(number: int, old: str, new: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [*lines[: number - 1], lines[number - 1].replace(old, new, 1), *lines[number:]]


BAD_VOTES: dict[str, tuple[Callable[[list[str]], list[str]], list[str]]] = {
    "empty": (lambda lines: [], ["line 1", "contempt"]),
    "no contempt": (line(1, "contempt", "joy"), ["line 1", "contempt"]),
    "no names": (line(1, "Image name", "file"), ["line 1", "Image name"]),
    "one row less": (lambda lines: lines[:-1], ["2 rows", "3"]),
    "one row more": (lambda lines: [*lines, lines[-1]], ["4 rows", "3"]),
    "no rows": (lambda lines: lines[:1], ["0 rows", "3"]),
    "short row": (line(3, ",2,0,0,0,0", ""), ["line 3", "disgust"]),
    "only a usage": (line(3, ",fer1.png,4,0,0,1,3,2,0,0,0,0", ",x"), ["line 3", "neutral"]),
    "letters": (line(3, "4", "four"), ["line 3", "neutral", "'four'"]),
    "negative": (line(2, "3", "-3"), ["line 2", "anger", "'-3'"]),
    "too many": (line(2, "3", "128"), ["line 2", "anger", "0 to 127"]),
    "huge": (line(2, "3", "9" * 6000), ["line 2", "anger", "0 to 127"]),
    "another order": (lambda lines: [lines[0], lines[3], lines[1], lines[2]], ["line 2", "validation"]),
    "endless field": (line(2, "fer0", "f" * 140_000), ["line 2"]),
}


@pytest.mark.parametrize("case", BAD_VOTES)
def test_bad_votes_are_refused_with_their_line(tmp_path: Path, case: str) -> None:
    change, words = BAD_VOTES[case]
    path = tmp_path / "fer2013new.csv"
    path.write_text("\n".join(ferplus_lines()))
    assert with_votes(dataset(2, 1, votes=False), path).votes is not None
    path.write_text("\n".join(change(ferplus_lines())))
    message = refusal(lambda: with_votes(dataset(2, 1, votes=False), path))
    for word in ("fer2013new.csv", *words):
        assert word in message


def test_the_last_row_of_a_short_line_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("\n".join([*ferplus_lines()[:2], "Training"]))
    assert "line 3" in refusal(lambda: with_votes(dataset(2, votes=False), tmp_path / "v.csv"))


VOTES = hnp.arrays(
    np.int8,
    st.tuples(st.integers(1, 12), st.just(10)),
    elements=st.one_of(
        st.integers(0, 10),
        st.sampled_from((0, 0, 0, 1, 2, 5)),
        st.integers(0, 127),
    ),
)


@settings(max_examples=200, deadline=None)
@given(votes=VOTES, data=st.data())
def test_votes_against_a_slow_oracle(votes: np.ndarray, data: st.DataObject) -> None:
    named = np.array(data.draw(st.lists(st.booleans(), min_size=len(votes), max_size=len(votes))))
    faces = Dataset(
        pictures(len(votes)), np.zeros(len(votes), np.int8), np.zeros(len(votes), np.int8), votes=votes, has_votes=named
    )
    before = votes.copy()
    cleaned, majority, faceless = clean_votes(votes), majority_vote(faces), is_non_face(faces)
    for row, counts in enumerate(votes.tolist()):
        kept = [0 if c == 1 else c for c in counts]
        assert cleaned[row].tolist() == kept
        winners = [i for i in range(8) if sum(kept) and Fraction(kept[i], sum(kept)) > Fraction(1, 2)]
        assert majority[row] == (winners[0] if winners and named[row] else -1)
        assert faceless[row] == (sum(counts) > 0 and Fraction(counts[9], sum(counts)) > Fraction(1, 2))
    np.testing.assert_array_equal(votes, before)
    assert majority.dtype == cleaned.dtype == np.int8


def test_shares_are_of_the_votes_for_an_expression() -> None:
    data = dataset(6)
    assert data.votes is not None
    assert data.has_votes is not None
    data.votes[:] = [
        [5, 3, 0, 0, 0, 0, 0, 0, 2, 0],  # two could not name it
        [9, 1, 0, 0, 0, 0, 0, 0, 0, 0],  # a single vote does not count
        [4, 0, 0, 0, 0, 0, 0, 0, 3, 3],  # most could not name it
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [0, 10, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    data.has_votes[:] = [True] * 5 + [False]
    expected = np.zeros((6, 8))
    expected[0, :2], expected[1, 0] = (5 / 8, 3 / 8), 1
    np.testing.assert_allclose(vote_distribution(data), expected, rtol=1e-6)
    assert vote_distribution(dataset(4, votes=False)).tolist() == [[0] * 8] * 4
    assert vote_distribution(data.take(np.array([], np.intp))).shape == (0, 8)


def test_without_votes_there_is_no_majority_and_only_blank_pictures_are_no_faces() -> None:
    data = dataset(4, votes=False)
    data.images[1], data.images[2] = 0, 255
    data.images[3] = 7
    data.images[3, 0, 0] = 9  # a speck of dust on a blank picture
    assert majority_vote(data).tolist() == [-1] * 4
    assert is_non_face(data).tolist() == [False, True, True, True]
    empty = data.take(np.array([], np.intp))
    assert len(majority_vote(empty)) == len(is_non_face(empty)) == 0


# --- duplicates --------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 2)), max_size=25))
def test_duplicates_against_a_slow_oracle(rows: list[tuple[int, int, int]]) -> None:
    pool = pictures(6)
    pool[5] = 128
    which, labels, split = (np.array([row[i] for row in rows], np.int8) for i in range(3))
    data = Dataset(pool[which], labels, split)
    same = [[bool((a == b).all()) for b in data.images] for a in data.images]
    n = range(len(rows))
    assert group_duplicates(data.images).tolist() == [next(j for j in n if same[i][j]) for i in n]
    seen = [split[i] != 0 and any(same[i][j] and split[j] == 0 for j in n) for i in n]
    assert is_train_duplicate(data).tolist() == seen
    twins = [(i, j) for i, j in combinations(n, 2) if same[i][j]]
    assert duplicate_report(data) == {
        "duplicate_groups": len({which[i] for i, _ in twins}),
        "groups_with_conflicting_labels": len({which[i] for i, j in twins if labels[i] != labels[j]}),
        "validation_rows_in_train": sum(s and split[i] == 1 for i, s in enumerate(seen)),
        "test_rows_in_train": sum(s and split[i] == 2 for i, s in enumerate(seen)),
        "test_rows_in_validation": sum(split[i] == 2 and any(same[i][j] and split[j] == 1 for j in n) for i in n),
        "blank_images": int((which == 5).sum()),
    }


# --- what is not a face ------------------------------------------------------------------------------------


def test_mistakes_of_the_cascades(tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / "deep" / f"{number}.png", np.kron(pictures(1, number)[0], np.ones((3, 3), np.uint8)))
    crops = mine_hard_negatives(tmp_path)
    assert crops.dtype == np.uint8
    assert crops.shape[1:] == (48, 48)
    assert 3 <= len(crops) <= 3 * (12 + 4)
    np.testing.assert_array_equal(mine_hard_negatives(tmp_path), crops)
    assert mine_hard_negatives(tmp_path, seed=1).tobytes() != crops.tobytes()
    assert 3 <= len(mine_hard_negatives(tmp_path, max_per_image=1)) <= 6


def test_mistakes_need_photos(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert str(folder) in refusal(lambda folder=folder: mine_hard_negatives(folder))


# --- the real thing ----------------------------------------------------------------------------------------


def test_fer2013_has_the_rows_that_are_known(real: Dataset) -> None:
    assert len(real) == 35_887
    assert [len(real.rows_in(split)) for split in datasets_dataset.SPLITS] == [28_709, 3_589, 3_589]
    assert np.bincount(real.labels).tolist() == [4953, 547, 5121, 8989, 6077, 4002, 6198]
    assert (majority_vote(real)[real.rows_in("test")] >= 0).sum() == 3_153


def test_fer2013_has_the_duplicates_that_are_known(real: Dataset) -> None:
    assert duplicate_report(real) == {
        "duplicate_groups": 1_516,
        "groups_with_conflicting_labels": 57,
        "validation_rows_in_train": 280,
        "test_rows_in_train": 288,
        "test_rows_in_validation": 44,
        "blank_images": 13,
    }


def test_the_published_votes_are_those_of_the_npz(real: Dataset) -> None:
    equal(with_votes(replace(real, votes=None, has_votes=None), REAL / "fer2013new.csv"), real)


def test_votes_for_pictures_in_another_order_are_refused(real: Dataset) -> None:
    """Folder trees from elsewhere have as many pictures, but not in the order of the rows."""
    mixed = real.take(np.argsort(-real.split, kind="stable"))
    assert "order" in refusal(lambda: with_votes(mixed, REAL / "fer2013new.csv"))
