from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import EmotionError, JobError, ModelError, SettingsError
from emotion.model_store.store import ModelBundle
from emotion.recognition.settings import AnalyzerSettings
from emotion.results import serialization
from emotion.video.settings import FAST_STRIDE, VideoRequest, VideoSettings


def test_it_is_kept_with_all_that_was_chosen(tmp_path: Path, tiny: ModelBundle) -> None:
    settings = VideoSettings(AnalyzerSettings(0.5, 0.3, 320, "fer2013"), FAST_STRIDE, True, False)
    request = VideoRequest.from_video(tmp_path / "a film.mp4", "a film.mp4", settings, "haar", tiny.folder)
    request.write(tmp_path)
    assert VideoRequest.read(tmp_path) == request
    analyzer = request.load_analyzer()
    assert analyzer.detector.name == "haar"
    assert analyzer.classifier.bundle.sha256 == tiny.sha256


def test_the_receipt_names_everything(tmp_path: Path, tiny: ModelBundle) -> None:
    receipt = VideoRequest.from_video(
        tmp_path / "x", "x", VideoSettings(frame_stride=3), "haar", tiny.folder
    ).provenance
    assert receipt["program"] == serialization.PROGRAM
    assert receipt["model"] == {"name": "tiny", "sha256": tiny.sha256}
    assert receipt["detector"] == {"name": "haar", "sha256": None}
    assert receipt["settings"]["frame_stride"] == 3
    assert receipt["settings"]["recognition"]["min_confidence"] == 0.5
    shipped = VideoRequest.from_video(tmp_path / "x", "x", VideoSettings()).provenance
    assert len(shipped["model"]["sha256"]) == 64
    assert len(shipped["detector"]["sha256"]) == 64


def test_what_is_not_there_is_refused_at_once(tmp_path: Path, tiny: ModelBundle) -> None:
    with pytest.raises(ModelError, match="There is no detector 'dlib'"):
        VideoRequest.from_video(tmp_path, "x", VideoSettings(), "dlib", tiny.folder)
    with pytest.raises(ModelError, match="There is no"):
        VideoRequest.from_video(tmp_path, "x", VideoSettings(), "haar", tmp_path)
    with pytest.raises(EmotionError, match="The model has no head 'affectnet'; it has ferplus, fer2013"):
        VideoRequest.from_video(tmp_path, "x", VideoSettings(AnalyzerSettings(head="affectnet")), "haar", tiny.folder)
    with pytest.raises(SettingsError):
        VideoSettings(frame_stride=-1)


@given(st.text(max_size=300))
def test_any_name_becomes_a_line_that_can_be_kept(
    tmp_path_factory: pytest.TempPathFactory, tiny: ModelBundle, name: str
) -> None:
    folder = tmp_path_factory.mktemp("request")
    request = VideoRequest.from_video(folder / "source.mp4", name, VideoSettings(), "haar", tiny.folder)
    request.write(folder)
    read = VideoRequest.read(folder).name
    assert read == request.name
    assert read.isprintable()
    assert 1 <= len(read) <= 200


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"name": "x", "video_path": 7, "settings": {}}', '{"settings": []}']
)
def test_a_damaged_request(tmp_path: Path, text: str) -> None:
    with pytest.raises(JobError, match="There is no video in"):
        VideoRequest.read(tmp_path)
    (tmp_path / "request.json").write_text(text)
    with pytest.raises(JobError, match="damaged"):
        VideoRequest.read(tmp_path)


@pytest.mark.parametrize("change", [{"speed": "warp"}, {"frame_stride": 0}])
def test_settings_of_another_version_are_refused(tmp_path: Path, tiny: ModelBundle, change: dict[str, object]) -> None:
    VideoRequest.from_video(tmp_path / "x", "x", VideoSettings(), "haar", tiny.folder).write(tmp_path)
    value = json.loads((tmp_path / "request.json").read_text())
    value["settings"] |= change
    (tmp_path / "request.json").write_text(json.dumps(value))
    with pytest.raises(JobError, match="damaged"):
        VideoRequest.read(tmp_path)


@pytest.mark.parametrize("part", ["program", "model", "detector", "settings"])
def test_a_receipt_that_lacks_something(tmp_path: Path, tiny: ModelBundle, part: str) -> None:
    VideoRequest.from_video(tmp_path / "x", "x", VideoSettings(), "haar", tiny.folder).write(tmp_path)
    value = json.loads((tmp_path / "request.json").read_text())
    del value["provenance"][part]
    (tmp_path / "request.json").write_text(json.dumps(value))
    with pytest.raises(JobError, match="damaged"):
        VideoRequest.read(tmp_path)
