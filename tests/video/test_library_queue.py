from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs import queue
from emotion.jobs.reporter import JobReporter
from emotion.video import slot
from emotion.video.slot import WAITING_MESSAGE, wait_for_slot
from tests.waiting import wait_until

HOLD_SLOT = """
import sys, time
from pathlib import Path
from emotion.video.slot import wait_for_slot
from emotion.jobs.reporter import JobReporter
folder = Path(sys.argv[1])
with wait_for_slot(folder, JobReporter(folder)) as has_slot:
    print(has_slot, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def short_poll_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_POLL_SECONDS", 0.02)


def make_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def get_message(folder: Path) -> str:
    return jobs.Job(folder).read_state().message


def test_single_video_does_not_wait(tmp_path: Path) -> None:
    first = make_folder(tmp_path, "first")
    with wait_for_slot(first, JobReporter(first)) as has_slot:
        assert has_slot
    assert get_message(first) == ""  # it never had the waiting message


@pytest.mark.slow
def test_second_video_waits_for_the_first(tmp_path: Path) -> None:
    first, second = make_folder(tmp_path, "first"), make_folder(tmp_path, "second")
    results = list[bool]()

    def wait_second() -> None:
        with wait_for_slot(second, JobReporter(second)) as has_slot:
            results.append(has_slot)

    with wait_for_slot(first, JobReporter(first)):
        waiting = threading.Thread(target=wait_second)
        waiting.start()
        wait_until(lambda: get_message(second) == WAITING_MESSAGE)
        assert results == []
    waiting.join(10)
    assert results == [True]


def test_stop_while_waiting_gives_no_slot(tmp_path: Path) -> None:
    first, second = make_folder(tmp_path, "first"), make_folder(tmp_path, "second")
    (second / "stop").touch()
    with wait_for_slot(first, JobReporter(first)), wait_for_slot(second, JobReporter(second)) as has_slot:
        assert not has_slot


def test_error_inside_frees_the_slot(tmp_path: Path) -> None:
    first = make_folder(tmp_path, "first")
    with pytest.raises(OSError, match="mine"), wait_for_slot(first, JobReporter(first)):
        raise OSError("mine")
    with wait_for_slot(first, JobReporter(first)) as has_slot:
        assert has_slot


def test_unwritable_parent_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(JobError, match="cannot be written to"),
        wait_for_slot(tmp_path / "file" / "one", JobReporter(tmp_path)),
    ):
        pass


@pytest.mark.slow
def test_killed_video_does_not_block_others(tmp_path: Path) -> None:
    first, second = make_folder(tmp_path, "first"), make_folder(tmp_path, "second")
    killed = subprocess.Popen([sys.executable, "-c", HOLD_SLOT, str(first)], stdout=subprocess.PIPE, text=True)
    try:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "True\n"
        report = JobReporter(second)
        threading.Timer(0.3, killed.kill).start()
        with wait_for_slot(second, report) as has_slot:
            assert has_slot
            assert killed.wait(5) != 0
    finally:
        killed.kill()
        killed.wait()
    assert get_message(second) == WAITING_MESSAGE


@pytest.mark.parametrize(
    ("older_status", "older_message", "is_first"),
    [
        ("alive", WAITING_MESSAGE, False),
        ("alive", "", False),  # starting
        ("alive", "0:07 of 0:09", True),  # being analyzed, the lock shows its end
        ("killed", WAITING_MESSAGE, True),
        ("done", WAITING_MESSAGE, True),
        ("training", "", True),  # not a video
    ],
)
def test_waiting_videos_have_the_order_of_their_creation(
    tmp_path: Path, older_status: str, older_message: str, is_first: bool
) -> None:
    for name, created, message in (("old", 1000.0, older_message), ("new", 2000.0, WAITING_MESSAGE)):
        folder, me = make_folder(tmp_path, name), psutil.Process()
        state = {"status": "running", "pid": me.pid, "process_started_at": me.create_time(), "error": None}
        if name == "old" and older_status == "killed":
            state |= {"pid": 2**22 + 7, "process_started_at": 5.0}
        if name == "old" and older_status == "done":
            state["status"] = "done"
        if older_status != "training" or name == "new":
            (folder / "request.json").write_text("{}")
        for file, value in (("job", {"created": created}), ("state", state), ("progress", {"message": message})):
            (folder / f"{file}.json").write_text(json.dumps(value))
    assert queue.is_first(slot.list_earlier_jobs(tmp_path / "old"), WAITING_MESSAGE)
    assert queue.is_first(slot.list_earlier_jobs(tmp_path / "new"), WAITING_MESSAGE) == is_first
