from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import EmotionError, JobError, ModelError, SettingsError
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.settings import AnalyzerSettings
from emotion.results import serialization
from emotion.video.settings import FAST_STRIDE, VideoRequest, VideoSettings


def test_request_is_read_as_written(tmp_path: Path, tiny: ModelBundle) -> None:
    settings = VideoSettings(AnalyzerSettings(0.5, 0.3, 320, "fer2013"), FAST_STRIDE, True, False)
    request = VideoRequest.from_video(tmp_path / "a video.mp4", "a video.mp4", settings, "haar", tiny.folder)
    request.write(tmp_path)
    assert VideoRequest.read(tmp_path) == request
    analyzer = request.load_analyzer()
    assert analyzer.detector.name == "haar"
    assert analyzer.classifier.bundle.sha256 == tiny.sha256


def test_provenance_names_program_models_and_settings(tmp_path: Path, tiny: ModelBundle) -> None:
    provenance = VideoRequest.from_video(
        tmp_path / "x", "x", VideoSettings(frame_stride=3), "haar", tiny.folder
    ).provenance
    assert provenance["program"] == serialization.PROGRAM
    assert provenance["model"] == {"name": "tiny", "sha256": tiny.sha256}
    assert provenance["detector"] == {"name": "haar", "sha256": None}
    assert provenance["settings"]["frame_stride"] == 3
    assert provenance["settings"]["recognition"]["min_confidence"] == 0.5
    network = get_default_model("features")  # it also turns the crops of tilted faces
    assert provenance.get("features") == {"name": network.name, "sha256": network.sha256}
    with_features = VideoSettings(AnalyzerSettings(features=True))
    request = VideoRequest.from_video(tmp_path / "x", "x", with_features, "haar", tiny.folder)
    assert request.provenance.get("features") == {"name": network.name, "sha256": network.sha256}
    assert f"features network {network.name} {network.sha256}" in request.provenance_line
    shipped = VideoRequest.from_video(tmp_path / "x", "x", VideoSettings()).provenance
    assert len(shipped["model"]["sha256"]) == 64
    assert len(shipped["detector"]["sha256"]) == 64


def test_missing_models_and_invalid_settings_are_refused(tmp_path: Path, tiny: ModelBundle) -> None:
    with pytest.raises(ModelError, match="There is no detector 'dlib'"):
        VideoRequest.from_video(tmp_path, "x", VideoSettings(), "dlib", tiny.folder)
    with pytest.raises(ModelError, match="There is no"):
        VideoRequest.from_video(tmp_path, "x", VideoSettings(), "haar", tmp_path)
    with pytest.raises(EmotionError, match="The model has no head 'affectnet'; it has ferplus, fer2013"):
        VideoRequest.from_video(tmp_path, "x", VideoSettings(AnalyzerSettings(head="affectnet")), "haar", tiny.folder)
    with pytest.raises(SettingsError):
        VideoSettings(frame_stride=-1)
    with pytest.raises(SettingsError, match="Features of anonymized faces are not estimated"):
        VideoSettings(AnalyzerSettings(features=True), anonymize=True)


@given(st.text(max_size=300))
def test_any_name_becomes_one_printable_line(
    tmp_path_factory: pytest.TempPathFactory, tiny: ModelBundle, name: str
) -> None:
    folder = tmp_path_factory.mktemp("request")
    request = VideoRequest.from_video(folder / "source.mp4", name, VideoSettings(), "haar", tiny.folder)
    request.write(folder)
    name_read = VideoRequest.read(folder).name
    assert name_read == request.name
    assert name_read.isprintable()
    assert 1 <= len(name_read) <= 200


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"name": "x", "video_path": 7, "settings": {}}', '{"settings": []}']
)
def test_missing_or_damaged_request_is_an_error(tmp_path: Path, text: str) -> None:
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


@pytest.mark.parametrize("key", ["program", "model", "detector", "settings"])
def test_incomplete_provenance_is_an_error(tmp_path: Path, tiny: ModelBundle, key: str) -> None:
    VideoRequest.from_video(tmp_path / "x", "x", VideoSettings(), "haar", tiny.folder).write(tmp_path)
    value = json.loads((tmp_path / "request.json").read_text())
    del value["provenance"][key]
    (tmp_path / "request.json").write_text(json.dumps(value))
    with pytest.raises(JobError, match="damaged"):
        VideoRequest.read(tmp_path)
