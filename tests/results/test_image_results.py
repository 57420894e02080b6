"""Results of an image batch: continued, replaced, interrupted at any point, and refused."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from emotion.cli import main
from emotion.faces import Box
from emotion.jobs.result_manifest import MANIFEST_FILE
from emotion.media.image_reader import encode_png, read_image
from emotion.recognition.analyzer import Analyzer
from emotion.results import image_results
from emotion.results.image_index import InputImage
from emotion.results.image_results import ImageResults
from emotion.storage import BYTE_ORDER_MARK

Run = Callable[..., tuple[int, str, str]]
FILES = (".images.jsonl", "faces.csv", "faces.json", MANIFEST_FILE)


def write(path: Path, seed: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode_png(np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)))
    return path


@pytest.fixture
def num_analyzed() -> list[int]:
    """The number of analyzed images."""
    return [0]


@pytest.fixture
def analyze(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_detector: Callable,
    fake_classifier: Callable,
    tiny: object,
    num_analyzed: list[int],
) -> Run:
    """`analyze` with a face in each image, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    classifier = fake_classifier(("happy", 0.9, 1.0))
    classifier.bundle = tiny

    def find(image: object) -> Sequence[Box]:
        num_analyzed[0] += 1
        return [Box(5, 5, 30, 30)]

    fake = Analyzer(fake_detector(find), classifier)
    monkeypatch.setattr("emotion.recognition.analyzer.load_analyzer", lambda *_: fake)

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main.main(["analyze", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def check_whole(folder: Path, *stems: str) -> None:
    """Check that the folder has the results of these images and no other files."""
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    images = {name for stem in stems for name in (f"{stem}.png", f"faces/{stem}/01_happy.png")}
    assert files == {*FILES, *images}
    assert (folder / "faces.csv").read_text("utf-8").startswith(BYTE_ORDER_MARK), "Excel needs it to recognize UTF-8"
    with open(folder / "faces.csv", newline="", encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == len(stems)
    assert len(json.loads((folder / "faces.json").read_text())) == len(stems)
    assert all(read_image(folder / name).size for name in images)


def test_second_call_adds_and_skips(analyze: Run, tmp_path: Path, num_analyzed: list[int]) -> None:
    a, b, other = (write(tmp_path / name, i) for i, name in enumerate(("a.png", "b.png", "other/a.png")))
    status, first, err = analyze(a, "--out", "out", "--json")
    assert (status, err, num_analyzed[0]) == (0, "", 1)
    status, out, err = analyze(a, b, other, "--out", "out", "--json")
    assert (status, err, num_analyzed[0], out.startswith(first)) == (0, "", 3, True)
    assert [json.loads(line)["file"] for line in out.splitlines()] == [str(a), str(b), str(other)]
    check_whole(tmp_path / "out", "a", "b", "a-2")
    os.utime(a)  # another time, the same content
    assert analyze(b, a, "--out", "out")[:2] == (0, f"{b}: 1 happy\n{a}: 1 happy\n")
    assert num_analyzed[0] == 3
    assert "other settings (" in analyze(a, "--out", "out", "--min-confidence", "0.6")[2]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            lambda out: None,
            ["--min-confidence", "0.4"],
            "other settings (min_confidence); choose another folder, or replace",
        ),
        (lambda out: None, ["--anonymize"], "other settings (anonymize)"),
        (lambda out: write(out.parent / "a.png", 7), [], "was changed since its results were written"),
        (lambda out: (out / MANIFEST_FILE).unlink(), [], "holds files that are no analysis"),
        (lambda out: (out / ".images.jsonl").write_text("{\n"), [], "is damaged"),
        (lambda out: (out / "mine.txt").write_text("mine"), ["--overwrite"], "holds mine.txt, which is no part"),
        (lambda out: write(out / "mine.png", 2), ["--overwrite"], "holds mine.png, which is no part"),
        (lambda out: write(out / "mine.png", 2), ["out/mine.png"], "is an input and lies in"),
        (lambda out: None, ["--overwrite", "out/a.png"], "is an input and lies in"),
    ],
)
def test_refused_call_changes_nothing(
    analyze: Run, tmp_path: Path, change: Callable[[Path], object], options: list[str], message: str
) -> None:
    a, b = (write(tmp_path / name, i) for i, name in enumerate(("a.png", "b.png")))
    assert analyze(a, "--out", "out")[0] == 0
    change(tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    status, out, err = analyze("--out", "out", *options, b, a)
    assert (status, out, err.count("\n"), message in err) == (1, "", 1, True), err
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_foreign_files_are_not_overwritten(analyze: Run, tmp_path: Path) -> None:
    a, b = (write(tmp_path / name, i) for i, name in enumerate(("a.png", "B.png")))
    assert analyze(a, "--out", "out")[0] == 0
    (tmp_path / "out" / "b.PNG").write_text("mine")
    (tmp_path / "out" / "faces" / "B-2").mkdir()
    assert analyze(b, "--out", "out")[0] == 0
    assert (tmp_path / "out" / "b.PNG").read_text() == "mine"
    assert (tmp_path / "out" / "B-3.png").exists()


def test_overwrite_replaces_the_results_when_complete(
    analyze: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_analyzed: list[int]
) -> None:
    a, b, c = (write(tmp_path / name, i) for i, name in enumerate(("a.png", "b.png", "c.png")))
    assert analyze(a, "--out", "out")[0] == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        status, _, err = analyze(b, c, "--out", "out", "--overwrite")
    assert (status, "1 of 2 images are done and are in" in err) == (130, True)
    check_whole(tmp_path / "out", "a")
    assert analyze(b, c, "--out", "out", "--overwrite")[0] == 0
    assert num_analyzed[0] == 3
    check_whole(tmp_path / "out", "b", "c")
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        analyze(a, b, "--out", "out", "--overwrite", "--min-confidence", "0.3")
    assert analyze(b, c, "--out", "out", "--overwrite", "--min-confidence", "0.4")[0] == 0  # begun anew: other settings
    check_whole(tmp_path / "out", "b", "c")
    assert analyze("missing.png", "--out", "out", "--overwrite")[0] == 1
    check_whole(tmp_path / "out", "b", "c")
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def stop_after(patch: pytest.MonkeyPatch, count: int) -> None:
    """Interrupt as Ctrl+C does after `count` images."""
    real, left = ImageResults.add, [count]

    def add(self: ImageResults, *arguments: object, **named: object) -> None:
        real(self, *arguments, **named)  # type: ignore[arg-type]
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGINT)

    patch.setattr(ImageResults, "add", add)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["replace", "fsync", "mkdir"])
def test_call_continues_after_an_interruption_at_any_file_operation(
    analyze: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    class Broken(BaseException):
        """Ends the call at its `step`-th file operation."""

    paths = [write(tmp_path / f"{i}.png", i) for i in range(3)]
    real, step = getattr(os, call), 0
    for step in range(1, 30):
        out, left = tmp_path / f"out{step}", [step]
        assert analyze(paths[0], "--out", out)[0] == 0

        def breaking(*arguments: object, left: list[int] = left, **named: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise Broken
            return real(*arguments, **named)

        with monkeypatch.context() as patch, contextlib.suppress(Broken):
            patch.setattr(os, call, breaking)
            analyze(paths[1], "--out", out)
        with open(out / ".images.jsonl", "ab") as file:
            file.write(b'{"half a li')
        assert analyze(*paths, "--out", out)[0] == 0
        check_whole(out, "0", "1", "2")
        if left[0] > 0:
            break
    assert 3 < step < 29


def test_full_disk_ends_the_batch_with_a_message(
    analyze: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_analyzed: list[int]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    paths = [write(tmp_path / f"{i}.png", i) for i in range(2)]
    monkeypatch.setattr(image_results, "write_atomic", full)
    status, out, err = analyze(*paths, "--out", "out")
    assert (status, out, err.count("\n"), "No space left on device" in err) == (1, "", 1, True)
    assert num_analyzed[0] == 1


def test_equal_paths_are_numbered(tmp_path: Path) -> None:
    a = write(tmp_path / "a.png", 0)
    (tmp_path / "link.png").symlink_to(a)
    assert [s.occurrence for s in InputImage.from_paths([a, tmp_path / "b.png", tmp_path / "link.png"])] == [1, 1, 2]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_call_continues_after_a_signal(tmp_path: Path, sample_file: Path, number: signal.Signals) -> None:
    photos = [tmp_path / f"{i:02d}.jpg" for i in range(8)]
    for photo in photos:
        shutil.copy(sample_file, photo)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "emotion", "analyze", *map(str, photos), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(number)
    rest, err = process.communicate(timeout=120)
    done = len(lines) + rest.count("\n")
    assert process.returncode == 130
    assert (
        err == f"emotion: Stopped: {done} of 8 images are done and are in {out}; run the same command again to go on.\n"
    )
    rows = len((out / "faces.csv").read_text().splitlines()) - 1
    counts = [len(list(out.glob("*.png"))), len(list((out / "faces").rglob("*.png"))), rows]
    assert counts == [done, done, done]
    assert len(json.loads((out / "faces.json").read_text())) == done < 8
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    time_before = time.time_ns()
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(completed.stdout.splitlines()) == 8
    assert len(json.loads((out / "faces.json").read_text())) == 8
    rewritten = [path.name for path in out.glob("*.png") if path.stat().st_mtime_ns >= time_before]
    assert sorted(rewritten) == [f"{photo.stem}.png" for photo in photos[done:]]
    assert times.keys().isdisjoint(rewritten)
