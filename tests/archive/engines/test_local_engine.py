from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from emotion.archive.engines.local_engine import LocalEngine
from emotion.archive.pieces import PieceResult
from emotion.archive.run import ArchiveRun, ArchiveSummary
from emotion.archive.settings import ArchiveRequest
from emotion.archive.store import ArchiveStore
from emotion.archive.worker import ArchiveWorker
from emotion.benchmarks.video import write_video
from emotion.errors import SettingsError
from emotion.jobs.reporter import job_context
from emotion.model_store.store import ModelBundle
from tests.archive.making import InlineEngine, make_request, read_table, read_tables, write_photos, write_zip
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

NUM_PHOTOS = 24
BROKEN = (3, 17)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Photos in a folder and in a ZIP, two of each broken, and a video."""
    folder = tmp_path_factory.mktemp("sources")
    photos = write_photos(folder / "photos", NUM_PHOTOS, broken=BROKEN)
    packed = write_zip(folder / "photos.zip", photos)
    write_video(photos / "clip.mp4", (320, 240), 1, 1.0)
    return [str(photos), str(packed)]


@pytest.fixture(scope="module")
def request_of_tiny(tiny: ModelBundle) -> ArchiveRequest:
    return make_request(tiny.folder)


def analyze(
    sources: list[str], out: Path, request: ArchiveRequest, make_engine: Callable[[], LocalEngine | InlineEngine]
) -> ArchiveSummary:
    run = ArchiveRun(sources, out, request, images_per_piece=4)
    with job_context(run.folder) as reporter:
        return run.run(make_engine, reporter)


@pytest.fixture(scope="module")
def expected(
    sources: list[str], request_of_tiny: ArchiveRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The tables that one worker in this process makes."""
    out = tmp_path_factory.mktemp("expected") / "out"
    worker = ArchiveWorker(request_of_tiny)
    analyze(sources, out, request_of_tiny, lambda: InlineEngine(worker.process, num_workers=1))
    return read_tables(out)


def test_two_processes_make_the_same_rows_as_one(
    sources: list[str], request_of_tiny: ArchiveRequest, expected: dict[str, bytes], tmp_path: Path
) -> None:
    summary = analyze(sources, tmp_path / "out", request_of_tiny, lambda: LocalEngine(request_of_tiny, 2))
    assert read_tables(tmp_path / "out") == expected
    assert summary.totals.errors == 2 * len(BROKEN)
    faces = read_table(tmp_path / "out", "faces").to_pylist()
    assert faces
    assert all(face["thumbnail"].startswith(b"\xff\xd8") for face in faces)


def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_twice(
    sources: list[str], request_of_tiny: ArchiveRequest, expected: dict[str, bytes], tmp_path: Path
) -> None:
    class DeadlyEngine(LocalEngine):
        """Kills a worker after each of the first two pieces, perhaps one that is not ready yet."""

        num_kills = 0

        def wait(self, seconds: float) -> list:
            outcomes = list(super().wait(seconds))
            if self.num_kills < 2 and any(isinstance(outcome, PieceResult) for outcome in outcomes):
                self.num_kills += 1
                multiprocessing.active_children()[0].kill()
            return outcomes

    analyze(sources, tmp_path / "out", request_of_tiny, lambda: DeadlyEngine(request_of_tiny, 2))
    assert read_tables(tmp_path / "out") == expected


def test_a_worker_of_another_version_is_one_sentence(
    sources: list[str], request_of_tiny: ArchiveRequest, tmp_path: Path
) -> None:
    other = replace(request_of_tiny, program="Emotion Studio 0.0.0")
    with pytest.raises(SettingsError, match="another program"):
        analyze(sources, tmp_path / "out", other, lambda: LocalEngine(other, 1))


def test_features_of_images_and_videos_are_in_the_tables(tiny: ModelBundle, sources: list[str], tmp_path: Path) -> None:
    request = make_request(tiny.folder, features=True)
    worker = ArchiveWorker(request)
    analyze(sources, tmp_path / "out", request, lambda: InlineEngine(worker.process, num_workers=1))
    for table in ("faces", "videos"):
        rows = read_table(tmp_path / "out", table).to_pylist()
        assert any(row["movement_jawOpen"] is not None and abs(row["yaw"]) < 45 for row in rows)
    with pytest.raises(SettingsError, match="another features network"):
        ArchiveWorker(replace(request, features_sha256="0" * 64))


def start_command(sources: list[str], out: Path, model: Path) -> subprocess.Popen[str]:
    arguments = ["analyze-archive", *sources, "--out", str(out), "--workers", "2", "--detector", "haar"]
    command = [sys.executable, "-m", "emotion", *arguments, "--model", str(model)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_command_goes_on_after_a_kill_and_after_ctrl_c(
    tiny: ModelBundle, tmp_path: Path, number: signal.Signals
) -> None:
    photos = write_photos(tmp_path / "photos", 200, broken=BROKEN)
    process = start_command([str(photos)], tmp_path / "out", tiny.folder)
    store = ArchiveStore(tmp_path / "out")
    wait_until(lambda: store.count().pieces or process.poll() is not None, 120, "the first piece")
    children = psutil.Process(process.pid).children()
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    wait_until(lambda: not any(child.is_running() for child in children), description="the end of the workers")
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "run the same command again" in errors
    assert start_command([str(photos)], tmp_path / "out", tiny.folder).wait(120) == 0
    files = read_table(tmp_path / "out", "files").to_pylist()
    assert [file["file_id"] for file in files] == list(range(200))
    assert json.loads((tmp_path / "out" / "state.json").read_text())["status"] == "done"
