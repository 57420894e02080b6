"""FER-2013 as CSV and npz, the FER+ votes, and damaged files of each."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.datasets.dataset import Dataset
from emotion.datasets.readers.fer2013_files import with_votes
from emotion.datasets.readers.loaders import load_dataset
from tests.datasets.conftest import REAL
from tests.datasets.helpers import assert_equal, get_error, load_or_none
from tests.training.making import (
    VOTE_COLUMNS,
    csv_lines,
    dataset,
    format_pixels,
    random_images,
    to_arrays,
    write_fer2013,
    write_ferplus,
    write_npz,
)


@pytest.mark.parametrize("rows", [(2, 2, 2), (6, 0, 0), (20, 20, 20), (0, 1, 0)])
def test_csv_is_read(tmp_path: Path, rows: tuple[int, int, int]) -> None:
    data = dataset(*rows, votes=False)
    assert_equal(load_dataset(write_fer2013(tmp_path / "fer2013.csv", data)), data)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_of_other_programs_is_read(tmp_path: Path, ending: str, encoding: str) -> None:
    data = dataset(3, 2, 1, votes=False)
    usages = (" training", "Training", "TRAINING", "publictest", "PublicTest ", "PrivateTest")
    rows = [
        f'"{usage}", {label} ,"{format_pixels(image)}"'
        for usage, label, image in zip(usages, data.labels, data.images, strict=True)
    ]
    path = tmp_path / "FER.CSV"
    path.write_bytes(ending.join(["Usage , EMOTION,Pixels", *rows, "", ""]).encode(encoding))
    assert_equal(load_dataset(path), data)


def test_npz_is_read(tmp_path: Path) -> None:
    data = dataset(4, 3, 2)
    assert_equal(load_dataset(write_npz(tmp_path / "a.npz", to_arrays(data))), data)
    wide = {name: array.astype(np.int64) for name, array in to_arrays(data).items() if name != "images"}
    assert_equal(load_dataset(write_npz(tmp_path / "b.NPZ.npz", wide | {"images": data.images})), data)
    unnamed = {name: array for name, array in to_arrays(data).items() if name != "ferplus_named"}
    assert_equal(load_dataset(write_npz(tmp_path / "c.npz", unnamed)), replace(data, has_votes=np.ones(9, bool)))
    without = replace(data, votes=None, has_votes=None)
    assert_equal(load_dataset(write_npz(tmp_path / "d.npz", to_arrays(without))), without)


VALID_PIXELS = format_pixels(random_images(1)[0])

HEAD = "emotion,pixels,Usage"

BAD_CSV = {
    "empty": ("", ["line 1", "emotion,pixels"]),
    "no rows": (f"{HEAD}\n", ["no rows"]),
    "only blank rows": (f"{HEAD}\n\n\n", ["no rows"]),
    "no heading": (f"0,{VALID_PIXELS},Training", ["line 1", "emotion,pixels"]),
    "other heading": (f"label,pixels,Usage\n0,{VALID_PIXELS},Training", ["line 1"]),
    "short row": (f"{HEAD}\n0,{VALID_PIXELS},Training\n0,{VALID_PIXELS}", ["line 3", "2 columns", "expected 3"]),
    "label 7": (f"{HEAD}\n7,{VALID_PIXELS},Training", ["line 2", "label", "'7'", "0 to 6"]),
    "label -1": (f"{HEAD}\n-1,{VALID_PIXELS},Training", ["line 2", "'-1'", "0 to 6"]),
    "label as text": (f"{HEAD}\nhappy,{VALID_PIXELS},Training", ["line 2", "'happy'"]),
    "label half": (f"{HEAD}\n1.5,{VALID_PIXELS},Training", ["line 2", "'1.5'"]),
    "label empty": (f"{HEAD}\n,{VALID_PIXELS},Training", ["line 2", "''"]),
    "label superscript": (f"{HEAD}\n²,{VALID_PIXELS},Training", ["line 2", "'²'"]),
    "label huge": (f"{HEAD}\n{'9' * 5000},{VALID_PIXELS},Training", ["line 2", "0 to 6"]),
    "usage unknown": (f"{HEAD}\n0,{VALID_PIXELS},Training\n1,{VALID_PIXELS},Test", ["line 3", "'Test'", "PublicTest"]),
    "usage empty": (f"{HEAD}\n0,{VALID_PIXELS},", ["line 2", "''", "PublicTest"]),
    "usage long": (f"{HEAD}\n0,{VALID_PIXELS},{'x' * 9000}", ["line 2", "PublicTest"]),
    "no pixels": (f"{HEAD}\n0,,Training", ["line 2", "0 pixels", "2304"]),
    "one pixel less": (f"{HEAD}\n0,{VALID_PIXELS.partition(' ')[2]},Training", ["line 2", "2303 pixels", "2304"]),
    "one pixel more": (f"{HEAD}\n0,{VALID_PIXELS} 0,Training", ["line 2", "2305 pixels", "2304"]),
    "letters": (f"{HEAD}\n0,{VALID_PIXELS}\n0,{VALID_PIXELS.replace(' ', ' x', 1)},Training", ["line 2", "2 columns"]),
    "letters among pixels": (f"{HEAD}\n0,{VALID_PIXELS.replace(' ', ' x', 1)},Training", ["line 2", "whole numbers"]),
    "half pixels": (f"{HEAD}\n0,{VALID_PIXELS.replace(' ', '.5 ', 1)},Training", ["line 2", "whole numbers"]),
    "pixel 256": (f"{HEAD}\n0,{'256 ' * 2304},Training", ["line 2", "0 to 255"]),
    "pixel -1": (f"{HEAD}\n0,{'-1 ' * 2304},Training", ["line 2", "0 to 255"]),
    "huge pixel": (f"{HEAD}\n0,{'9' * 30}{' 0' * 2303},Training", ["line 2", "whole numbers"]),
    "gigantic pixel": (f"{HEAD}\n0,{'9' * 9000}{' 0' * 2303},Training", ["line 2", "whole numbers"]),
    "oversized field": (f"{HEAD}\n0,{'7 ' * 90_000},Training", ["line 2"]),
    "quote without end": (f'{HEAD}\n0,"{VALID_PIXELS},Training\n' + f"0,{VALID_PIXELS},Training\n" * 20, ["line "]),
    "zero byte": (f"{HEAD}\n0,{VALID_PIXELS},Trai\0ning", ["line 2"]),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_error_of_an_invalid_csv_names_the_line(tmp_path: Path, case: str) -> None:
    content, texts = BAD_CSV[case]
    (tmp_path / "fer2013.csv").write_text(content, encoding="utf-8")
    message = get_error(lambda: load_dataset(tmp_path / "fer2013.csv"))
    assert "fer2013.csv" in message
    for text in texts:
        assert text in message


def test_other_files_named_csv_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    for data in (b"PK\x03\x04" + bytes(range(256)) * 20, "emotion,pixels,Usage\n0,1,Training".encode("utf-16")):
        path.write_bytes(data)
        assert "line 1" in get_error(lambda: load_dataset(path))


@pytest.mark.slow
@given(position=st.integers(0, 20_000), inserted=st.text(max_size=6), num_removed=st.integers(0, 3000))
def test_damaged_csv_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, inserted: str, num_removed: int
) -> None:
    text = "\n".join(csv_lines(dataset(2, votes=False)))
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    text = text[:position] + inserted + text[position + num_removed :]
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    data = load_or_none(path)
    assert data is None or (data.images.shape[1:] == (48, 48) and set(data.labels) <= set(range(7)))


def npz_arrays() -> dict[str, Any]:
    return to_arrays(dataset(3, 2, 1))


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
    "labels as text": ({"label": np.full(6, "happy")}, ["label", "<U5"]),
    "usage 3": ({"usage": np.array([0, 0, 0, 0, 0, 3])}, ["usage", "row 5", "0 to 2"]),
    "two columns of usage": ({"usage": np.zeros((6, 2), np.int8)}, ["usage", "(6, 2)"]),
    "votes of five rows": ({"ferplus": np.zeros((5, 10), np.int8)}, ["ferplus", "(5, 10)"]),
    "votes for eight": ({"ferplus": np.zeros((6, 8), np.int8)}, ["ferplus", "(6, 8)"]),
    "half votes": ({"ferplus": np.full((6, 10), 0.5)}, ["ferplus", "float64"]),
    "negative votes": ({"ferplus": np.full((6, 10), -1)}, ["votes", "row 0", "-1"]),
    "huge votes": ({"ferplus": np.full((6, 10), 300)}, ["votes", "row 0", "300"]),
    "names of two rows": ({"ferplus_named": np.ones(2, bool)}, ["ferplus_named", "(2,)"]),
    "names as text": ({"ferplus_named": np.full(6, "fer.png")}, ["ferplus_named"]),
}


@pytest.mark.parametrize("case", BAD_NPZ)
def test_error_of_an_invalid_npz_names_the_array(tmp_path: Path, case: str) -> None:
    change, texts = BAD_NPZ[case]
    arrays = {name: array for name, array in (npz_arrays() | change).items() if array is not None}
    message = get_error(lambda: load_dataset(write_npz(tmp_path / "faces.npz", arrays)))
    for text in ("faces.npz", *texts):
        assert text in message


def test_other_files_named_npz_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    np.save(tmp_path / "one.npy", random_images(2))
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("images.txt", "hello")
    for data in (b"", b"text", (tmp_path / "one.npy").read_bytes(), (tmp_path / "notes.zip").read_bytes()):
        path.write_bytes(data)
        assert "faces.npz" in get_error(lambda: load_dataset(path))


def test_damaged_npz_is_read_or_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "intact.npz", **npz_arrays())
    intact = (tmp_path / "intact.npz").read_bytes()
    for _ in range(150):
        data = np.frombuffer(intact, np.uint8)[: rng.integers(1, 2 * len(intact))].copy()
        positions = rng.integers(0, len(data), rng.integers(1, 5))
        data[positions] ^= rng.integers(1, 256, len(positions)).astype(np.uint8)
        (tmp_path / "damaged.npz").write_bytes(data.tobytes())
        load_or_none(tmp_path / "damaged.npz")


def test_votes_are_read(tmp_path: Path) -> None:
    data = dataset(30, 10, 10)
    assert data.has_votes is not None
    assert not data.has_votes.all()
    without_votes = replace(data, votes=None, has_votes=None)
    assert_equal(with_votes(without_votes, write_ferplus(tmp_path / "fer2013new.csv", data)), data)
    fer2013 = write_fer2013(tmp_path / "fer2013.csv", data)
    assert_equal(load_dataset(fer2013, tmp_path / "fer2013new.csv"), data)
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
    "oversized field": (line(2, "fer0", "f" * 140_000), ["line 2"]),
}


@pytest.mark.parametrize("case", BAD_VOTES)
def test_error_of_invalid_votes_names_the_line(tmp_path: Path, case: str) -> None:
    change, texts = BAD_VOTES[case]
    path = tmp_path / "fer2013new.csv"
    path.write_text("\n".join(ferplus_lines()))
    assert with_votes(dataset(2, 1, votes=False), path).votes is not None
    path.write_text("\n".join(change(ferplus_lines())))
    message = get_error(lambda: with_votes(dataset(2, 1, votes=False), path))
    for text in ("fer2013new.csv", *texts):
        assert text in message


def test_incomplete_last_line_of_votes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("\n".join([*ferplus_lines()[:2], "Training"]))
    assert "line 3" in get_error(lambda: with_votes(dataset(2, votes=False), tmp_path / "v.csv"))


@pytest.mark.slow
def test_published_votes_equal_those_of_the_npz(real: Dataset) -> None:
    assert_equal(with_votes(replace(real, votes=None, has_votes=None), REAL / "fer2013new.csv"), real)


@pytest.mark.slow
def test_votes_for_rows_in_another_order_are_refused(real: Dataset) -> None:
    """Folder trees of other publishers have as many images, in another order."""
    reordered = real.take(np.argsort(-real.split, kind="stable"))
    assert "order" in get_error(lambda: with_votes(reordered, REAL / "fer2013new.csv"))
