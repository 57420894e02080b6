from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.cli import main
from emotion.media.image_reader import encode_png
from emotion.media.video_reader import VideoReader
from emotion.media.video_writer import VideoWriter
from emotion.model_store.store import ModelBundle
from emotion.video.analysis import VideoAnalysis

Run = Callable[..., tuple[int, str, str]]
FILES = {
    "faces.csv",
    "faces.json",
    "expressions.vtt",
    "thumbnails.zip",
    "report.html",
    "frames.jsonl",
    "summary.json",
    "provenance.json",
    "subtitles.zip",
}


def write_video(path: Path, sample: NDArray[np.uint8], frames: int, side: int = 256) -> Path:
    image = cv2.resize(sample, (side, side), interpolation=cv2.INTER_AREA)
    with VideoWriter(path, side, side) as video:
        for i in range(frames):
            video.write(image, i / 8)
    return path


@pytest.fixture
def clip(tmp_path: Path, sample: NDArray[np.uint8]) -> Path:
    return write_video(tmp_path / "clip.mp4", sample, 12)


@pytest.fixture
def analyze(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: ModelBundle
) -> Run:
    """`analyze` in an empty folder, with the tiny model and a detector that is always available."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        command = ["analyze", "--model", tiny.folder, "--detector", "haar", *arguments]
        status = main.main([str(argument) for argument in command])
        return status, *capsys.readouterr()

    return run


@pytest.mark.slow
def test_a_video_is_analyzed(analyze: Run, clip: Path, tmp_path: Path) -> None:
    status, out, err = analyze("clip.mp4", "--out", "out")
    assert (status, err) == (0, "")  # stderr is no terminal and has no progress bar
    first, second, *_ = out.splitlines()
    assert re.fullmatch(r"clip\.mp4: \d faces? in 0:02", first)  # the tiny model accepts false detections
    assert second.startswith("  Face 1, 0:00 to 0:0")
    assert {path.name for path in (tmp_path / "out").iterdir()} >= FILES | {"annotated.mp4"}
    assert VideoAnalysis.open(tmp_path / "out").state.status == "done"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "frames", "has_video"),
    [
        ("--frame-stride 5", 3, True),
        ("--fast", 12, True),
        ("--no-annotated-video", 12, False),
        ("--anonymize --frame-stride 3", 4, True),
    ],
)
def test_options_are_followed(
    analyze: Run, clip: Path, tmp_path: Path, options: str, frames: int, has_video: bool
) -> None:
    status, out, _ = analyze("clip.mp4", "--out", "out", "--json", *options.split())
    value = json.loads(out)
    assert (status, value["file"], value["num_frames"], value["status"]) == (0, "clip.mp4", frames, "done")
    assert (tmp_path / "out" / "annotated.mp4").exists() == has_video
    settings = VideoAnalysis.open(tmp_path / "out").settings
    assert settings.anonymize == ("--anonymize" in options)
    assert settings.recognition.max_side == 640


@pytest.mark.slow
def test_a_part_of_a_video_is_analyzed(analyze: Run, clip: Path, tmp_path: Path) -> None:
    status, _, err = analyze("clip.mp4", "--out", "out", "--start", "0:00.25", "--end", "0.75")
    assert (status, err) == (0, "")
    analysis = VideoAnalysis.open(tmp_path / "out")
    assert analysis.num_frames == 4  # of eight frames per second
    assert analysis.duration == pytest.approx(0.5, abs=0.01)
    assert analyze("clip.mp4", "--out", "late", "--start", "1:00")[0] == 1
    assert not (tmp_path / "late").exists()


@pytest.mark.slow
def test_faces_are_renamed_and_hidden_afterwards(
    analyze: Run, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def redraw(*arguments: str) -> tuple[int, str, str]:
        status = main.main(["video", "redraw", *arguments])
        return status, *capsys.readouterr()

    analyze("clip.mp4", "--out", "out")
    before = (tmp_path / "out" / "annotated.mp4").read_bytes()
    assert redraw("out", "--name", "1=Anna B.") == (0, "", "")
    assert (tmp_path / "out" / "annotated.mp4").read_bytes() != before
    for file in ("faces.csv", "faces.json", "expressions.vtt", "report.html"):
        assert "Anna B." in (tmp_path / "out" / file).read_text(encoding="utf-8"), file
    assert redraw("out", "--hide", "1")[0] == 0
    assert "Anna B." not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert redraw("out", "--show", "1")[0] == 0
    assert "Anna B." in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for arguments, status, message in (
        (("out", "--hide", "99"), 1, "There is no face 99"),
        (("out", "--name", "Anna"), 2, "Anna is not of the form FACE=NAME"),
        (("out", "--merge", "1=1"), 1, "are one face already"),
        (("nothing",), 1, "There is no video in nothing"),
    ):
        code, out, err = redraw(*arguments)
        assert (code, out, message in err) == (status, "", True), err
    assert not (tmp_path / "nothing").exists()
    analyze("clip.mp4", "--out", "plain", "--no-annotated-video")
    assert redraw("plain", "--name", "1=Anna")[0] == 0
    assert "Anna" in (tmp_path / "plain" / "faces.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_images_and_videos_are_analyzed_together(
    analyze: Run, clip: Path, tmp_path: Path, sample: NDArray[np.uint8], sample_file: Path
) -> None:
    (tmp_path / "photo.png").write_bytes(encode_png(sample))
    (tmp_path / "sub").mkdir()
    write_video(tmp_path / "sub" / "clip.mp4", sample, 3)
    status, out, err = analyze("clip.mp4", "photo.png", "sub/clip.mp4", "--out", "out")
    assert (status, err) == (0, "")
    assert "photo.png: " in out
    assert {"clip", "clip (2)", "photo.png", "faces.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert VideoAnalysis.open(tmp_path / "out" / "clip").num_frames == 12
    assert VideoAnalysis.open(tmp_path / "out" / "clip (2)").num_frames == 3


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("clip.mp4", 1, "clip.mp4 is a video: give the folder of its results by --out DIR."),
        (
            "clip.mp4 --out x --start early",
            2,
            "early is no time; give seconds, as 75, or minutes",
        ),
        ("clip.mp4 --out out --frame-stride 0", 2, "0 is not in the range x>=1"),
        ("clip.mp4 --out out --frame-stride many", 2, "--frame-stride"),
        ("clip.mp4 --out out --frame-stride 2 --fast", 2, "exclude each other"),
        ("missing.mp4 --out out", 1, '"missing.mp4" was not found'),
        ("text.mp4 --out out", 1, '"text.mp4" is plain text'),
        ("clip.mp4 --out text.mp4", 1, "text.mp4 is a file, a folder was expected"),
        ("clip.mp4 --out out --head affectnet", 1, "The model has no head 'affectnet'"),
        ("clip.mp4 --out out --detector dlib", 1, "There is no detector 'dlib'"),
    ],
)
def test_invalid_calls_are_refused(
    analyze: Run, clip: Path, tmp_path: Path, arguments: str, status: int, message: str
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    code, out, err = analyze(*arguments.split())
    assert (code, out, message in err) == (status, "", True), err
    assert "Traceback" not in err
    if status == 1:
        assert err.count("\n") == 1


@pytest.mark.slow
def test_an_unreadable_video_does_not_stop_the_others(analyze: Run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"\x00" * 100)
    status, out, err = analyze("bad.mp4", "clip.mp4", "--out", "out")
    assert status == 1
    assert err.startswith('emotion: "bad.mp4" is not a video of a supported format')
    assert out.startswith("clip.mp4: ")


def test_a_gif_is_an_image_without_as_video(analyze: Run, tmp_path: Path) -> None:
    from PIL import Image

    frames = [Image.new("L", (64, 64), gray) for gray in (10, 60, 120, 180)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    assert analyze("a.gif") == (0, "a.gif: no face\n", "")
    status, out, _ = analyze("a.gif", "--as-video", "--out", "out")
    assert (status, out) == (0, "a.gif: no face in 0:00\n")
    assert VideoAnalysis.open(tmp_path / "out").num_frames == 4


@pytest.mark.slow
def test_earlier_result_is_replaced_only_with_overwrite(analyze: Run, clip: Path, tmp_path: Path) -> None:
    analyze("clip.mp4", "--out", "out")
    csv = (tmp_path / "out" / "faces.csv").read_bytes()
    again = analyze("clip.mp4", "--out", "out")
    status, _, err = analyze("clip.mp4", "--out", "out", "--frame-stride", "6")
    assert (again[0], status, "out holds a complete video analysis already" in err) == (0, 1, True)
    assert (tmp_path / "out" / "faces.csv").read_bytes() == csv
    assert analyze("clip.mp4", "--out", "out", "--frame-stride", "6", "--overwrite")[0] == 0
    assert VideoAnalysis.open(tmp_path / "out").num_frames == 2
    analyze("clip.mp4", "--out", "out", "--overwrite")
    assert (tmp_path / "out" / "faces.csv").read_bytes() == csv
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_batch_with_videos_goes_on_and_is_replaced_as_a_whole(
    analyze: Run, clip: Path, tmp_path: Path, sample: NDArray[np.uint8]
) -> None:
    (tmp_path / "photo.png").write_bytes(encode_png(sample[::4, ::4]))
    write_video(tmp_path / "faces.mp4", sample, 2)
    call = ("clip.mp4", "photo.png", "faces.mp4", "--out", "out", "--json")
    status, first, _ = analyze(*call)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.mp4")}
    assert (status, len(before)) == (0, 2)
    assert analyze(*call) == (0, first, "")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.mp4")} == before
    status, _, err = analyze(*call, "--no-annotated-video")
    assert (status, err.count("holds a complete video analysis already")) == (1, 2)
    (tmp_path / "out" / "clip" / "thumbnails" / "mine.txt").write_text("mine")
    status, _, err = analyze(*call, "--no-annotated-video", "--overwrite")
    assert (status, "holds clip/thumbnails/mine.txt, which is no part" in err) == (1, True)
    (tmp_path / "out" / "clip" / "thumbnails" / "mine.txt").unlink()
    assert analyze(*call[1:], "--no-annotated-video", "--overwrite")[0] == 0
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {"faces", "faces (2)"}
    assert not [*(tmp_path / "out").rglob("*.mp4")]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="terminals and signals of POSIX")
def test_a_terminal_shows_a_progress_bar_and_an_interrupt_keeps_the_result(
    tmp_path: Path, sample: NDArray[np.uint8], tiny: ModelBundle
) -> None:
    import pty

    write_video(tmp_path / "long.mp4", sample, 900, 320)
    command = [
        sys.executable,
        "-m",
        "emotion",
        "analyze",
        str(tmp_path / "long.mp4"),
        "--out",
        str(tmp_path / "out"),
        "--detector",
        "haar",
        "--model",
        str(tiny.folder),
    ]
    screen, terminal = pty.openpty()
    process = subprocess.Popen(command, stderr=terminal, stdout=subprocess.PIPE, text=True)
    os.close(terminal)
    output = b""
    deadline = time.monotonic() + 120
    try:
        while b"face" not in output and time.monotonic() < deadline:
            output += os.read(screen, 4000)
        process.send_signal(signal.SIGINT)
        while part := _read(screen):
            output += part
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
        os.close(screen)
    text = output.decode()
    assert "[------------------------]" in text
    assert " of 1:53, " in text
    assert "Stopped: the result so far of " in text.splitlines()[-1]
    analysis = VideoAnalysis.open(tmp_path / "out")
    assert analysis.summary["status"] == analysis.state.status == "stopped"
    assert {path.name for path in (tmp_path / "out").iterdir()} >= FILES
    assert analysis.annotated_video is not None
    with VideoReader(analysis.annotated_video) as video:
        assert len([*video.frames()]) == analysis.num_frames > 0


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 4000)
    except OSError:  # the other end is closed
        return b""
