from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageSequence

from emotion.errors import EmotionError
from emotion.expressions import FERPLUS_LABELS
from emotion.model_store.store import ModelBundle
from emotion.recognition.settings import AnalyzerSettings
from emotion.results import serialization
from emotion.results.tables import score_columns
from emotion.storage import BYTE_ORDER_MARK
from emotion.video.analysis import VideoAnalysis
from emotion.video.outputs import exports
from emotion.video.settings import VideoRequest, VideoSettings
from emotion.video.tables import FACE_TABLE_COLUMNS
from tests.video.conftest import Analyze
from tests.video.scenes import add_features, make_line, write_frame_lines

HOSTILE_NAME = '</script><script>alert("1")</script>'


@pytest.fixture
def analysis(tmp_path: Path, tiny: ModelBundle) -> VideoAnalysis:
    """Return an analysis of two faces: one is sad, unsure and happy for a second each, the other visible for 0.5 s."""
    labels = ["sad"] * 10 + ["unsure"] * 10 + ["happy"] * 10
    other = [[(2, "happy")] if 5 <= i < 10 else [] for i in range(30)]
    write_frame_lines(tmp_path, *(make_line(i, i / 10, (1, label), *other[i]) for i, label in enumerate(labels)))
    VideoRequest.from_video(tmp_path / "a.mp4", "Party <b>.mp4", VideoSettings(), "haar", tiny.folder).write(tmp_path)
    return VideoAnalysis(tmp_path)


# ------------------------------------------------------------------ CSV and JSON


def test_csv_has_one_row_per_face_and_frame(analysis: VideoAnalysis, tiny: ModelBundle) -> None:
    rows = list(csv.DictReader(io.StringIO(exports.to_csv(analysis).removeprefix(BYTE_ORDER_MARK))))
    assert list(rows[0]) == [*FACE_TABLE_COLUMNS, *score_columns(FERPLUS_LABELS)]
    assert len(rows) == 35
    assert rows[0] | {"score_neutral": ""} == {
        "frame": "0",
        "timestamp": "0.0000",
        "track_id": "1",
        "name": "Face 1",
        "display_label": "sad",
        "label": "sad",
        "confidence": "0.8000",
        "uncertainty_reason": "",
        "detection_score": "0.9000",
        "x1": "0",
        "y1": "0",
        "x2": "40",
        "y2": "40",
        "score_neutral": "",
        "score_happy": "0.1000",
        "score_surprise": "0.0000",
        "score_sad": "0.8000",
        "score_angry": "0.0000",
        "score_disgust": "0.0000",
        "score_fear": "0.0000",
        "score_contempt": "0.0000",
    }
    assert {row["uncertainty_reason"] for row in rows if row["display_label"] == "unsure"} == {"dark"}
    assert tiny.sha256 not in exports.to_csv(analysis)
    assert json.loads(exports.provenance_to_json(analysis)) == {"name": "Party <b>.mp4", **analysis.provenance}


def test_features_are_in_csv_and_json_unless_they_are_left_out(analysis: VideoAnalysis, tmp_path: Path) -> None:
    write_frame_lines(tmp_path, *(add_features(make_line(i, i / 10, (1, "sad")), 0.5) for i in range(5)))
    assert "movement_mouthSmileLeft" in exports.to_csv(analysis)
    assert "movement_" not in exports.to_csv(analysis, with_features=False)
    for with_features in (True, False):
        frames = json.loads(exports.to_json(analysis, with_features=with_features))["frames"]
        assert [("features" in face) for frame in frames for face in frame["faces"]] == [with_features] * 5


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|'/C calc'!A0"])
def test_names_are_no_formulas_in_csv(analysis: VideoAnalysis, name: str) -> None:
    analysis.rename(1, name)
    rows = list(csv.DictReader(io.StringIO(exports.to_csv(analysis).removeprefix(BYTE_ORDER_MARK))))
    assert rows[0]["name"] == "'" + name


def test_json_holds_provenance_people_and_frames(analysis: VideoAnalysis, tiny: ModelBundle) -> None:
    analysis.rename(1, "Anna")
    value = json.loads(exports.to_json(analysis))
    assert value["model"] == {"name": "tiny", "sha256": tiny.sha256}
    assert value["program"] == serialization.PROGRAM
    assert value["settings"]["recognition"]["max_side"] == 640
    assert value["name"] == "Party <b>.mp4"
    assert [person["name"] for person in value["people"]] == ["Anna", "Face 2"]
    assert len(value["frames"]) == 30
    assert [face["track_id"] for face in value["frames"][5]["faces"]] == [1, 2]


def test_json_has_no_hidden_face_and_one_number_for_a_merged_one(analysis: VideoAnalysis) -> None:
    write_frame_lines(
        analysis.folder, make_line(0, 0.0, (1, "sad"), (2, "happy")), make_line(1, 0.1, (3, "happy"), (2, "sad"))
    )
    analysis = VideoAnalysis(analysis.folder)
    analysis.merge(3, 1)
    analysis.hide(2)
    value = json.loads(exports.to_json(analysis))
    assert [[face["track_id"] for face in frame["faces"]] for frame in value["frames"]] == [[1], [1]]
    assert [(person["track_id"], person["merged_track_ids"]) for person in value["people"]] == [(1, [3])]


# ------------------------------------------------------------------ subtitles


def get_cues(text: str) -> list[str]:
    return [block.rstrip() for block in text.split("\n\n")[2:]]


def test_subtitles_of_every_face_and_of_one(analysis: VideoAnalysis) -> None:
    analysis.rename(1, "Anna")
    blocks = exports.to_vtt(analysis).split("\n\n")
    assert blocks[0] == "WEBVTT"
    assert blocks[1].startswith("NOTE\nEmotion Studio")
    anna_cues = [
        "00:00:00.000 --> 00:00:01.000\nAnna: sad 80%",
        "00:00:01.000 --> 00:00:02.000\nAnna: unsure",
        "00:00:02.000 --> 00:00:03.000\nAnna: happy 80%",
    ]
    other_cues = ["00:00:00.500 --> 00:00:01.000\nFace 2: happy 80%"]
    assert get_cues(exports.to_vtt(analysis)) == [anna_cues[0], *other_cues, *anna_cues[1:]]
    assert (get_cues(exports.to_vtt(analysis, 1)), get_cues(exports.to_vtt(analysis, 2))) == (anna_cues, other_cues)
    analysis.hide(1)
    assert get_cues(exports.to_vtt(analysis)) == other_cues
    for track_id in (1, 3):
        with pytest.raises(EmotionError, match=f"There is no face {track_id} to make subtitles of"):
            exports.to_vtt(analysis, track_id)


def test_subtitles_join_merged_faces(analysis: VideoAnalysis) -> None:
    write_frame_lines(
        analysis.folder, *(make_line(i, i / 10, (1 if i < 10 else 2, "sad" if i < 10 else "happy")) for i in range(20))
    )
    analysis = VideoAnalysis(analysis.folder)
    analysis.merge(2, 1)
    expected = ["00:00:00.000 --> 00:00:01.000\nFace 1: sad 80%", "00:00:01.000 --> 00:00:02.000\nFace 1: happy 80%"]
    assert get_cues(exports.to_vtt(analysis)) == get_cues(exports.to_vtt(analysis, 1)) == expected


@pytest.mark.parametrize(
    ("min_confidence", "expected"),
    [(0.9, ["00:00:00.000 --> 00:00:03.000\nFace 1: unsure"]), (0.8, ["80%", "unsure", "80%"])],
)
def test_subtitles_replace_uncertain_labels(
    analysis: VideoAnalysis, tiny: ModelBundle, min_confidence: float, expected: list[str]
) -> None:
    settings = VideoSettings(AnalyzerSettings(min_confidence=min_confidence))
    VideoRequest.from_video(analysis.folder / "a.mp4", "a.mp4", settings, "haar", tiny.folder).write(analysis.folder)
    found = get_cues(exports.to_vtt(VideoAnalysis(analysis.folder), 1))
    assert [cue[-len(end) :] for cue, end in zip(found, expected, strict=True)] == expected


def test_names_cannot_add_cues(analysis: VideoAnalysis) -> None:
    analysis.rename(1, "a --> b\n\n00:00:01.000 --> 00:00:02.000\n<v Eve>")
    text = exports.to_vtt(analysis)
    assert text.count("-->") == 4
    assert "<v" not in text
    assert len(text.split("\n\n")) == 6


def test_timestamps_of_long_videos_have_hours(analysis: VideoAnalysis) -> None:
    write_frame_lines(analysis.folder, make_line(0, 3599.5, (1, "sad")), make_line(1, 3600.25, (1, "happy")))
    assert "00:59:59.500 --> 01:00:00.250\nFace 1: sad 80%" in exports.to_vtt(VideoAnalysis(analysis.folder))


# ------------------------------------------------------------------ images


def test_thumbnails_are_zipped_per_face(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    analysis.rename(1, "../../Anna: <x>")
    analysis.rename(2, "Anna-x")
    with zipfile.ZipFile(io.BytesIO(exports.zip_thumbnails(analysis))) as archive:
        names = archive.namelist()
        assert names == ["provenance.json", "Anna-x/sad.jpg", "Anna-x/happy.jpg", "Anna-x (2)/happy.jpg"]
        provenance = json.loads(archive.read("provenance.json"))
        assert archive.read("Anna-x/sad.jpg") == (analysis.folder / "thumbnails" / "1-sad.jpg").read_bytes()
    assert provenance["model"]["sha256"] == analysis.provenance["model"]["sha256"]
    analysis.hide(2)
    with zipfile.ZipFile(io.BytesIO(exports.zip_thumbnails(analysis))) as archive:
        assert len(archive.namelist()) == 3


def test_gif_shows_the_selected_seconds(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    content = exports.to_gif(analysis, 1.0, 3.0)
    with Image.open(io.BytesIO(content)) as gif:
        assert gif.size == (240, 180)
        assert gif.info["duration"] == 100
        assert b"recognition" not in gif.info["comment"]
        assert analysis.provenance["model"]["sha256"].encode() in gif.info["comment"]
        frames = [np.asarray(frame.convert("RGB"), float) for frame in ImageSequence.Iterator(gif)]
    assert len(frames) == 20
    brightness = [image[40:60, 62:80].mean() for image in frames]  # of the face, which becomes bright after 2 s
    assert max(brightness[:9]) < 160
    assert min(brightness[11:]) > 200


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 1), (2, 2), (3, 2), (0, 10.5), (float("nan"), 1), (0, float("inf")), (90, 95)]
)
def test_invalid_gif_ranges_are_refused(analyzed: Analyze, moving_video: Path, start: float, end: float) -> None:
    analysis = analyzed(moving_video, frame_stride=100)
    with pytest.raises(EmotionError, match="choose"):
        exports.to_gif(analysis, start, end)


def test_gif_ends_with_the_video(analyzed: Analyze, moving_video: Path) -> None:
    with Image.open(io.BytesIO(exports.to_gif(analyzed(moving_video, frame_stride=100), 3.5, 8))) as gif:
        assert sum(frame.info["duration"] for frame in ImageSequence.Iterator(gif)) == pytest.approx(500, abs=100)


def test_gif_needs_the_annotated_video(analysis: VideoAnalysis) -> None:
    with pytest.raises(EmotionError, match="no annotated video"):
        exports.to_gif(analysis, 0, 1)


# ------------------------------------------------------------------ the report


class ParsedPage(HTMLParser):
    """The tags, scripts and texts of a page as a browser parses them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = list[tuple[str, dict[str, str | None]]]()
        self.scripts = list[str]()
        self.texts = list[str]()
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.texts.append(data)


def test_report_is_complete_and_fetches_nothing(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    page = ParsedPage(exports.render_report(analysis))
    assert [attributes["id"] for tag, attributes in page.tags if tag == "div"] == [
        "lanes",
        "crowd",
        "scores",
        "parts",
    ]
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert "src" not in attributes or str(attributes["src"]).startswith("data:image/jpeg;base64,")
        assert not any(name.startswith("on") for name in attributes)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 2 + len(analysis.highlights())
    assert all(attributes["alt"] for attributes in images)
    text = " ".join(page.texts)
    sha256 = analysis.provenance["model"]["sha256"]
    for part in ("Face 1", "from 0:01.0 to 0:01.9", "● happy", "What a label means", "not what a person feels", sha256):
        assert part in text
    assert '"name": "Everyone"' in page.scripts[4]
    library, *charts = page.scripts
    assert "vegaEmbed" in library
    assert len(charts) == 4
    spec = json.loads(charts[0][charts[0].index("{") : charts[0].rindex(", {")])
    assert "vega-lite/v" in spec["$schema"]
    policy = next(a for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'")


def test_report_has_smiles_and_movements_of_faces_with_features(analysis: VideoAnalysis, tmp_path: Path) -> None:
    smiles = [0.1] * 10 + [0.8] * 10
    write_frame_lines(tmp_path, *(add_features(make_line(i, i / 10, (1, "sad")), s) for i, s in enumerate(smiles)))
    page = ParsedPage(exports.render_report(analysis))
    charts = [attributes["id"] for tag, attributes in page.tags if tag == "div"]
    assert charts == ["lanes", "crowd", "scores", "parts", "smiles", "movements"]
    assert "estimates of a network that was taught by another network" in " ".join(page.texts)
    assert '"time_span": "0:01.0 to 0:02.0"' in page.scripts[5]
    assert '"options": ["Face 1"]' in page.scripts[6]


def test_report_distinguishes_hidden_faces_from_none(
    analysis: VideoAnalysis, tmp_path: Path, tiny: ModelBundle
) -> None:
    for track_id in (1, 2):
        analysis.hide(track_id)
    text = exports.render_report(analysis)
    assert "All faces that were found in it are hidden." in text
    assert "No face was found" not in text
    write_frame_lines(tmp_path, make_line(0, 0.0))
    assert "No face was found in this video." in exports.render_report(VideoAnalysis(tmp_path))


def test_names_are_escaped_in_the_report(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    plain_page = ParsedPage(exports.render_report(analysis))
    analysis.rename(1, HOSTILE_NAME)
    analysis.rename(2, '" onerror="alert(1)')
    text = exports.render_report(analysis)
    page = ParsedPage(text)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain_page.tags]
    assert [sorted(attributes) for _, attributes in page.tags] == [
        sorted(attributes) for _, attributes in plain_page.tags
    ]
    assert HOSTILE_NAME in " ".join(page.texts)
    assert HOSTILE_NAME not in text
    names = re.findall(r'"name": "([^"]*)', page.scripts[1])
    assert any("\\u003c/script\\u003e" in name for name in names)


def test_all_results_are_written_and_zipped(analyzed: Analyze, moving_video: Path, tmp_path: Path) -> None:
    analysis = analyzed(moving_video)
    exports.write_results(analysis, analysis.folder)
    texts = ["faces.csv", "provenance.json", "faces.json", "expressions.vtt", "report.html"]
    for name in (*texts, "thumbnails.zip", "subtitles.zip"):
        assert (analysis.folder / name).stat().st_size > 200
    with zipfile.ZipFile(io.BytesIO(exports.zip_results(analysis))) as archive:
        assert archive.namelist()[:5] == texts
        assert {"subtitles/Face-1.vtt", "subtitles/Face-2.vtt", "thumbnails/Face-2/happy.jpg"} < set(archive.namelist())
        table = pd.read_csv(archive.open("faces.csv"))
    assert table.columns.tolist() == [*FACE_TABLE_COLUMNS, *score_columns(FERPLUS_LABELS)]
    assert len(table) == len(analysis.face_table())
    (tmp_path / "file").write_text("")
    with pytest.raises(EmotionError, match="cannot be written to"):
        exports.write_results(analysis, tmp_path / "file")
