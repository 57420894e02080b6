"""Image files, sheets, GIF and provenance of synthetic faces, and the command that writes them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from emotion.cli.main import main
from emotion.errors import EmotionError
from emotion.expressions import FER2013_LABELS
from emotion.generation.images import (
    build_files,
    encode_face_png,
    encode_gif,
    load_sample_sheets,
    make_provenance,
    make_row,
    make_sheet,
    write_files,
)
from emotion.generation.sampler import Sampler
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.jobs.result_manifest import MANIFEST_FILE
from emotion.model_store.store import open_model
from tests.generation.making import add_file, write_generator


def decode_png(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image


def test_a_png_file_contains_the_face(sampler: Sampler) -> None:
    (face,) = sampler.sample([7], "happy")
    np.testing.assert_array_equal(decode_png(encode_face_png(face)), face)


def test_the_files_of_one_expression_are_repeatable(sampler: Sampler) -> None:
    files = build_files(sampler, [7, 8], ["happy"])
    assert list(files) == ["happy-7.png", "happy-8.png", "sheet.png", "faces.json"]
    for seed in (7, 8):
        assert files[f"happy-{seed}.png"] == encode_face_png(sampler.sample([seed], "happy")[0])
    provenance = json.loads(files["faces.json"])
    assert provenance == make_provenance(sampler, [7, 8], ["happy"], 0.75)
    assert provenance["sha256"] == sampler.bundle.sha256
    assert provenance["faces"][1] == {"file": "happy-8.png", "expression": "happy", "seed": 8}
    assert files == build_files(sampler, [7, 8], ["happy"])


def test_an_upscaler_enlarges_the_files_of_faces_but_not_the_sheet(sampler: Sampler, upscaler: Upscaler) -> None:
    small, large = (build_files(sampler, [7, 8], ["happy"], upscaler=network) for network in (None, upscaler))
    face = sampler.sample([8], "happy")[0]
    np.testing.assert_array_equal(decode_png(large["happy-8.png"]), face.repeat(4, 0).repeat(4, 1))
    assert large["sheet.png"] == small["sheet.png"]
    assert json.loads(small["faces.json"])["upscaler"] is None
    assert json.loads(large["faces.json"])["upscaler"] == upscaler.bundle.sha256


@pytest.mark.parametrize(
    ("seeds", "expressions", "size_wh"),
    [
        (range(3), FER2013_LABELS, (3, 7)),
        (range(8), FER2013_LABELS, (8, 7)),
        (range(9), ["sad"], (8, 2)),
        (range(1), ["sad"], (1, 1)),
        (range(9), ["sad", "fear"], (8, 3)),
    ],
)
def test_the_sheet_has_room_for_every_face(
    sampler: Sampler, seeds: range, expressions: list[str], size_wh: tuple[int, int]
) -> None:
    files = build_files(sampler, seeds, expressions, 1.0)
    assert len(files) == len(seeds) * len(expressions) + 2
    height, width, channels = decode_png(files["sheet.png"]).shape
    assert (width / 96, height / 111, channels) == (*size_wh, 3)


def test_a_sheet_has_faces_and_captions(sampler: Sampler) -> None:
    faces = sampler.sample(range(3), "happy")
    sheet = make_sheet(faces, ["happy 0", "", "happy 2"], num_columns=2, scale=1)
    assert sheet.shape == (2 * 63, 2 * 48, 3)
    for i, (x, y) in enumerate([(0, 0), (48, 0), (0, 63)]):
        np.testing.assert_array_equal(sheet[y : y + 48, x : x + 48], np.repeat(faces[i][..., None], 3, 2))
        has_caption = (sheet[y + 48 : y + 63, x : x + 48] < 128).any()
        assert has_caption == (i != 1)
    assert (sheet[63:, 48:] == 255).all()
    assert not np.array_equal(sheet, make_sheet(faces, ["happy 0", "", "happy 3"], num_columns=2, scale=1))


def test_an_empty_sheet_is_refused(sampler: Sampler) -> None:
    with pytest.raises(EmotionError, match="at least one face"):
        make_sheet(sampler.sample([], "happy"), [])


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmotionError, match=r"cannot be written to .*; choose another folder"):
        write_files({"a.png": b"x"}, tmp_path / "file")


# --- the command -------------------------------------------------------------------------------------------


def test_the_command_writes_the_same_files(
    generator_folder: Path, sampler: Sampler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "faces"
    arguments = [
        "generator",
        "sample",
        "--model",
        str(generator_folder),
        "--expression",
        "happy",
        "--seed",
        "7",
        "--count",
        "3",
    ]
    arguments += ["--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    expected = build_files(sampler, [7, 8, 9], ["happy"])
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.name != MANIFEST_FILE} == expected
    assert json.loads(capsys.readouterr().out) == json.loads(expected["faces.json"])
    assert main(arguments) == 1
    assert "replace it with --overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    assert capsys.readouterr().out == f"3 faces are in {out}.\n"


def test_the_command_draws_all_expressions_by_default(generator_folder: Path, tmp_path: Path) -> None:
    assert (
        main(
            [
                "generator",
                "sample",
                "--model",
                str(generator_folder),
                "--count",
                "2",
                "--truncation",
                "1",
                "--out",
                str(tmp_path),
            ]
        )
        == 0
    )
    assert len(list(tmp_path.glob("*-[01].png"))) == 14
    assert json.loads((tmp_path / "faces.json").read_text())["truncation"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "seven"], "The seed is 'seven'"),
        (["--count", "0"], "0 faces were requested"),
        (["--count", "100000"], "100000 faces were requested"),
        (["--expression", "glad"], "has no label 'glad'"),
        (["--model", "nowhere"], "There is no card.json in nowhere"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(
    generator_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert (
        main(["generator", "sample", "--model", str(generator_folder), "--out", str(tmp_path / "out"), *arguments]) == 1
    )
    error = capsys.readouterr().err
    assert error.startswith("emotion: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("truncation", ["2", "-1", "nan", "much"])
def test_a_truncation_out_of_range_is_a_wrong_argument(generator_folder: Path, tmp_path: Path, truncation: str) -> None:
    assert (
        main(
            [
                "generator",
                "sample",
                "--model",
                str(generator_folder),
                "--out",
                str(tmp_path),
                "--truncation",
                truncation,
            ]
        )
        == 2
    )


def test_a_row_is_as_wide_as_its_faces(sampler: Sampler) -> None:
    faces = sampler.sample([1, 2, 3], "sad")
    row = make_row(faces, 1)
    np.testing.assert_array_equal(row[:, 48:96], faces[1])
    assert make_row(faces).shape == (96, 3 * 96)


def test_a_gif_plays_forward_and_backward(sampler: Sampler) -> None:
    faces = sampler.sample([1, 2, 3], "sad")
    with Image.open(io.BytesIO(encode_gif(faces, scale=1, frame_ms=50))) as gif:
        frames = []
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("L")).astype(int))
        assert gif.info["loop"] == 0
        assert gif.info["duration"] == 50
    assert [int(np.abs(frame - faces.astype(int)).mean(axis=(1, 2)).argmin()) for frame in frames] == [0, 1, 2, 1]
    assert encode_gif(faces) == encode_gif(faces)
    with pytest.raises(EmotionError, match="at least one face"):
        encode_gif(faces[:0])


def test_sample_sheets_are_loaded_only_if_file_and_card_match(generator_folder: Path, tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "one", lambda card: card.update(sheet_epochs=[1, 4, 9]))
    assert load_sample_sheets(open_model(folder)) == {}, "the file is missing"
    sheets = np.repeat(np.array([20, 120, 220], np.uint8), 7 * 48)[:, None].repeat(8 * 48, axis=1)
    add_file(folder, "samples.webp", cv2.imencode(".webp", sheets)[1].tobytes())
    loaded = load_sample_sheets(open_model(folder))
    assert {epoch: (sheet.shape, round(float(sheet.mean()), -1)) for epoch, sheet in loaded.items()} == {
        1: ((336, 384), 20),
        4: ((336, 384), 120),
        9: ((336, 384), 220),
    }
    add_file(folder, "samples.webp", cv2.imencode(".webp", sheets[:-1])[1].tobytes())
    assert load_sample_sheets(open_model(folder)) == {}, "a sheet is incomplete"
    assert load_sample_sheets(open_model(generator_folder)) == {}
