"""The public names and functions of the package."""

from __future__ import annotations

import gc
import io
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import emotion
from emotion import AnalyzerSettings, EmotionError, ImageError, ModelError, ResultFolderError, SettingsError, VideoError
from emotion.demo.sample_image import SAMPLE_IMAGE
from tests.conftest import ROOT

PUBLIC_NAMES = [
    "Analyzer",
    "AnalyzerSettings",
    "Box",
    "DataError",
    "DivergenceError",
    "EmotionError",
    "ExpressionClassifier",
    "Face",
    "FaceDetector",
    "FaceFeatures",
    "FrameResult",
    "HeadPose",
    "ImageError",
    "ImageResult",
    "JobError",
    "Landmarks",
    "ModelBundle",
    "ModelError",
    "Progress",
    "ResultFolderError",
    "Scores",
    "SettingsError",
    "Stream",
    "StreamSettings",
    "TimeRange",
    "Tracker",
    "VideoError",
    "VideoInfo",
    "VideoReader",
    "VideoResult",
    "VideoWriter",
    "__version__",
    "analyze_image",
    "analyze_images",
    "analyze_video",
    "annotate",
    "as_rgb",
    "list_models",
    "load_analyzer",
    "load_model",
    "read_image",
]
IMAGE = emotion.read_image(SAMPLE_IMAGE)


def test_the_public_names_are_these_and_documented() -> None:
    assert emotion.__all__ == PUBLIC_NAMES == sorted(PUBLIC_NAMES)
    assert all(getattr(emotion, name).__doc__ for name in PUBLIC_NAMES)
    others = {
        name for name, value in vars(emotion).items() if name[0] != "_" and not isinstance(value, ModuleType)
    } - set(PUBLIC_NAMES)
    assert others <= {"TYPE_CHECKING", "import_module"}
    with pytest.raises(AttributeError, match="no attribute 'analyse_image'"):
        emotion.analyse_image  # type: ignore[attr-defined]  # noqa: B018


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert emotion.__version__ == project.get("version", emotion.__version__)


@pytest.mark.slow
def test_the_import_is_fast() -> None:
    command = "import time; start = time.process_time(); import emotion; print(time.process_time() - start)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.7


# --- Images


def test_an_image_is_analyzed_from_every_kind_of_source() -> None:
    result = emotion.analyze_image(SAMPLE_IMAGE)
    assert result.name == str(SAMPLE_IMAGE)
    assert np.array_equal(result.image, IMAGE)
    (face,) = result.faces
    assert face.label == "happy"
    assert face.scores
    assert face.confidence == face.scores["happy"]
    assert not face.is_uncertain
    assert face.uncertainty_reason is None
    assert face.track_id is None
    for image in (str(SAMPLE_IMAGE), SAMPLE_IMAGE.read_bytes(), Image.fromarray(IMAGE), IMAGE):
        assert emotion.analyze_image(image).faces == result.faces
    assert emotion.analyze_image(IMAGE[..., ::-1], order="bgr").faces == result.faces


def test_an_image_without_faces_has_an_empty_result() -> None:
    result = emotion.analyze_image(np.full((80, 60, 3), 200, np.uint8))
    assert result.faces == ()
    assert len(result.to_dataframe()) == 0
    assert result.to_dict()["faces"] == []
    assert np.array_equal(np.asarray(result.annotate()), result.image)


def test_a_rotated_image_is_turned_upright() -> None:
    result = emotion.analyze_image(np.rot90(IMAGE))
    assert result.rotation == 90
    assert np.array_equal(result.image, IMAGE)
    assert result.to_dict()["rotation"] == 90


def test_settings_and_analyzer_are_used() -> None:
    analyzer = emotion.load_analyzer("haar")
    result = emotion.analyze_image(IMAGE, settings=AnalyzerSettings(min_confidence=1.0), analyzer=analyzer)
    assert result.faces == analyzer.analyze(IMAGE, AnalyzerSettings(min_confidence=1.0))
    assert all(face.is_uncertain for face in result.faces)


def test_an_image_result_is_saved_by_the_suffix(tmp_path: Path) -> None:
    result = emotion.analyze_image(SAMPLE_IMAGE)
    for name in ("faces.png", "faces.jpg", "faces.csv", "faces.JSON"):
        result.save(tmp_path / name)
    with Image.open(tmp_path / "faces.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(result.annotate()))
    assert json.loads((tmp_path / "faces.JSON").read_text()) == json.loads(json.dumps(result.to_dict()))
    table = pd.read_csv(tmp_path / "faces.csv")
    assert list(table.columns) == list(result.to_dataframe().columns)
    assert table["label"].tolist() == ["happy"]
    with pytest.raises(SettingsError, match=r"^faces\.txt ends in '\.txt'; expected one of \.png, .*\.$"):
        result.save(tmp_path / "faces.txt")
    with pytest.raises(ResultFolderError, match="cannot be written"):
        result.save(tmp_path / "missing" / "faces.png")


def test_anonymized_annotation_changes_the_face() -> None:
    result = emotion.analyze_image(SAMPLE_IMAGE)
    plain, hidden = (np.asarray(result.annotate(anonymize=value)).astype(int) for value in (False, True))
    x1, y1, x2, y2 = result.faces[0].box.to_int_xyxy()
    assert np.abs(plain - hidden)[y1:y2, x1:x2].mean() > 5


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_many_images_come_in_their_order(batch_size: int) -> None:
    empty = np.zeros((40, 40, 3), np.uint8)
    results = list(emotion.analyze_images([IMAGE, empty, SAMPLE_IMAGE, empty, empty], batch_size=batch_size))
    assert [len(result.faces) for result in results] == [1, 0, 1, 0, 0]
    assert results[0].faces == results[2].faces
    assert list(emotion.analyze_images([], batch_size=batch_size)) == []


def test_an_unreadable_image_raises_in_its_place(tmp_path: Path) -> None:
    results = emotion.analyze_images([IMAGE, tmp_path / "missing.jpg"], batch_size=1)
    assert next(results).faces
    with pytest.raises(ImageError, match=r"missing\.jpg"):
        next(results)


# --- Videos


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "sample.mp4"
    write_video(path)
    return path


def write_video(path: Path) -> None:
    with emotion.VideoWriter(path, IMAGE.shape[1], IMAGE.shape[0]) as writer:
        for index in range(12):
            writer.write(IMAGE, index / 12)


def test_a_video_is_analyzed_into_a_folder(video: Path, tmp_path: Path) -> None:
    progress: list[emotion.Progress] = []
    result = emotion.analyze_video(video, output=tmp_path / "out", frame_stride=2, on_progress=progress.append)
    assert result.folder == tmp_path / "out"
    assert (result.info.width, result.info.height) == IMAGE.shape[1::-1]
    assert [frame.index for frame in result.frames] == [0, 2, 4, 6, 8, 10]
    assert {face.track_id for face in result.faces} == {1}
    assert {face.label for face in result.faces} == {"happy"}
    assert len(result.to_dataframe()) == len(result.faces) == 6
    (person,) = result.people
    assert max(person.expression_shares, key=lambda label: person.expression_shares[label]) == "happy"
    assert all(highlight.track_id == 1 for highlight in result.highlights)
    assert [len(frame["faces"]) for frame in result.to_dict()["frames"]] == [1] * 6
    assert progress[-1].done <= progress[-1].total == 12
    with emotion.VideoReader(result.annotate()) as reader:
        assert sum(1 for _ in reader.frames()) == 12
    with pytest.raises(ResultFolderError, match="holds the result of a video; choose a new folder"):
        emotion.analyze_video(video, output=tmp_path / "out")


def test_the_faces_of_a_video_have_features_where_they_are_asked_for(video: Path, tmp_path: Path) -> None:
    result = emotion.analyze_video(video, output=tmp_path / "out", frame_stride=4, write_video=False, features=True)
    assert {face.features.pose is not None for face in result.faces if face.features} == {True}
    assert all(face.features and len(face.features.points) == 68 for face in result.faces)
    table = result.to_dataframe()
    assert (table["movement_mouthSmileLeft"] > 0.3).all()
    assert len(result.to_dict()["frames"][0]["faces"][0]["features"]["points"]) == 68
    settings = emotion.AnalyzerSettings(features=True)
    same = emotion.analyze_video(video, frame_stride=4, write_video=False, settings=settings)
    assert "movement_mouthSmileLeft" in same.to_dataframe()


def test_a_temporary_result_is_saved_by_the_suffix_and_removed_with_the_object(video: Path, tmp_path: Path) -> None:
    result = emotion.analyze_video(video, frame_stride=4, write_video=False)
    folder = result.folder
    for name in ("a.csv", "a.json", "a.vtt", "a.html"):
        result.save(tmp_path / name)
    assert json.loads((tmp_path / "a.json").read_text()) == result.to_dict()
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT")
    assert len(pd.read_csv(tmp_path / "a.csv")) == len(result.faces)
    with pytest.raises(VideoError, match="holds no annotated video; analyze the video again with write_video=True"):
        result.save(tmp_path / "a.mp4")
    assert folder.is_dir()
    del result
    gc.collect()  # the traceback of the error above refers to the result
    assert not folder.exists()


def test_an_error_of_the_progress_function_ends_the_analysis(video: Path, tmp_path: Path) -> None:
    def cancel(progress: emotion.Progress) -> None:
        raise RuntimeError("canceled")

    with pytest.raises(RuntimeError, match="canceled"):
        emotion.analyze_video(video, output=tmp_path / "out", on_progress=cancel)


# --- Streams and models


def test_a_stream_loads_the_default_models() -> None:
    stream = emotion.Stream()
    assert [face.track_id for face in stream.process(IMAGE, 0.0).faces] == [1]


def test_models_are_opened_by_name_and_by_folder() -> None:
    by_name = emotion.load_model("classifier")
    assert by_name == emotion.load_model(ROOT / "models" / "classifier")
    assert by_name in emotion.list_models("classifier").models


def test_an_installed_model_is_opened_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_WORKSPACE", str(tmp_path))
    shutil.copytree(ROOT / "models" / "classifier", tmp_path / "models" / "mine")
    assert emotion.load_model("mine").folder == tmp_path / "models" / "mine"
    assert emotion.load_model("classifier").folder == ROOT / "models" / "classifier"


# --- Wrong arguments

WRONG_CALLS: dict[str, tuple[type[EmotionError], Callable[[Path], Any]]] = {
    "no image": (ImageError, lambda folder: emotion.analyze_image(None)),  # type: ignore[arg-type]
    "missing image": (ImageError, lambda folder: emotion.analyze_image(folder / "a.jpg")),
    "folder as image": (ImageError, lambda folder: emotion.analyze_image(folder)),
    "unknown order": (ImageError, lambda folder: emotion.analyze_image(IMAGE, order="xyz")),  # type: ignore[arg-type]
    "settings as dictionary": (
        SettingsError,
        lambda folder: emotion.analyze_image(IMAGE, settings={"max_side": 640}),  # type: ignore[arg-type]
    ),
    "unknown head": (SettingsError, lambda folder: emotion.analyze_image(IMAGE, settings=AnalyzerSettings(head="x"))),
    "one path as images": (SettingsError, lambda folder: emotion.analyze_images(str(SAMPLE_IMAGE))),
    "one array as images": (SettingsError, lambda folder: emotion.analyze_images(np.zeros((9, 9, 3), np.uint8))),
    "a file as images": (SettingsError, lambda folder: emotion.analyze_images(io.BytesIO(b"P5"))),  # type: ignore[arg-type]
    "no video path": (VideoError, lambda folder: emotion.analyze_video("")),
    "number as images": (SettingsError, lambda folder: emotion.analyze_images(7)),  # type: ignore[arg-type]
    "batch size 0": (SettingsError, lambda folder: emotion.analyze_images([], batch_size=0)),
    "batch size as text": (SettingsError, lambda folder: emotion.analyze_images([], batch_size="2")),  # type: ignore[arg-type]
    "no video": (VideoError, lambda folder: emotion.analyze_video(None)),  # type: ignore[arg-type]
    "missing video": (VideoError, lambda folder: emotion.analyze_video(folder / "a.mp4")),
    "folder as video": (VideoError, lambda folder: emotion.analyze_video(folder)),
    "image as video": (VideoError, lambda folder: emotion.analyze_video(SAMPLE_IMAGE)),
    "stride 0": (SettingsError, lambda folder: emotion.analyze_video("a.mp4", frame_stride=0)),
    "stride as text": (SettingsError, lambda folder: emotion.analyze_video("a.mp4", frame_stride="2")),  # type: ignore[arg-type]
    "output as number": (SettingsError, lambda folder: emotion.analyze_video("a.mp4", output=7)),  # type: ignore[arg-type]
    "progress as text": (SettingsError, lambda folder: emotion.analyze_video("a.mp4", on_progress="yes")),  # type: ignore[arg-type]
    "head of a video": (
        EmotionError,
        lambda folder: emotion.analyze_video("a.mp4", settings=AnalyzerSettings(head="x")),
    ),
    "missing model": (ModelError, lambda folder: emotion.load_model("x")),
    "no model": (ModelError, lambda folder: emotion.load_model(None)),  # type: ignore[arg-type]
    "unknown detector": (ModelError, lambda folder: emotion.load_analyzer("x")),
    "unknown kind": (ModelError, lambda folder: emotion.list_models("x")),
    "stream without time": (SettingsError, lambda folder: emotion.Stream().process(IMAGE, None)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", WRONG_CALLS)
def test_a_wrong_argument_gets_one_sentence(call: str, tmp_path: Path) -> None:
    error_type, function = WRONG_CALLS[call]
    with pytest.raises(error_type, match=r"^[^\n]*[;:,] [^\n]*\.$"):
        function(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_left_alone(video: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ResultFolderError, match="choose a new or an empty folder"):
        emotion.analyze_video(video, output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
