from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs import queue
from emotion.jobs.reporter import JobReporter
from emotion.video import library
from emotion.video.library import WAITING_MESSAGE, wait_for_slot

HOLD = """
import sys, time
from pathlib import Path
from emotion.video.library import wait_for_slot
from emotion.jobs.reporter import JobReporter
folder = Path(sys.argv[1])
with wait_for_slot(folder, JobReporter(folder)) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_POLL_SECONDS", 0.02)


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def until(asked: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not asked():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def text(job: Path) -> str:
    return jobs.Job(job).read_state().message


def test_alone_nobody_waits(tmp_path: Path) -> None:
    one = folder(tmp_path, "one")
    with wait_for_slot(one, JobReporter(one)) as mine:
        assert mine
    assert text(one) == ""  # not even for a moment


@pytest.mark.slow
def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    got = list[bool]()

    def second() -> None:
        with wait_for_slot(two, JobReporter(two)) as mine:
            got.append(mine)

    with wait_for_slot(one, JobReporter(one)):
        waiting = threading.Thread(target=second)
        waiting.start()
        until(lambda: text(two) == WAITING_MESSAGE)
        assert got == []
    waiting.join(10)
    assert got == [True]


def test_who_is_stopped_while_waiting_leaves(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    (two / "stop").touch()
    with wait_for_slot(one, JobReporter(one)), wait_for_slot(two, JobReporter(two)) as mine:
        assert not mine


def test_an_error_within_is_its_own(tmp_path: Path) -> None:
    one = folder(tmp_path, "one")
    with pytest.raises(OSError, match="mine"), wait_for_slot(one, JobReporter(one)):
        raise OSError("mine")
    with wait_for_slot(one, JobReporter(one)) as mine:
        assert mine


def test_a_parent_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(JobError, match="cannot be written to"),
        wait_for_slot(tmp_path / "file" / "one", JobReporter(tmp_path)),
    ):
        pass


@pytest.mark.slow
def test_a_killed_video_holds_up_nobody(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    killed = subprocess.Popen([sys.executable, "-c", HOLD, str(one)], stdout=subprocess.PIPE, text=True)
    try:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "True\n"
        report = JobReporter(two)
        threading.Timer(0.3, killed.kill).start()
        with wait_for_slot(two, report) as mine:
            assert mine
            assert killed.wait(5) != 0
    finally:
        killed.kill()
        killed.wait()
    assert text(two) == WAITING_MESSAGE


@pytest.mark.parametrize(
    ("older", "text", "first"),
    [
        ("alive", WAITING_MESSAGE, False),
        ("alive", "", False),  # it just starts
        ("alive", "0:07 of 0:09", True),  # it is read: the lock tells when it ends
        ("killed", WAITING_MESSAGE, True),
        ("done", WAITING_MESSAGE, True),
        ("training", "", True),  # no film
    ],
)
def test_who_was_asked_for_first_is_first(tmp_path: Path, older: str, text: str, first: bool) -> None:
    for name, created, said in (("old", 1000.0, text), ("new", 2000.0, WAITING_MESSAGE)):
        job, me = folder(tmp_path, name), psutil.Process()
        state = {"status": "running", "pid": me.pid, "process_started_at": me.create_time(), "error": None}
        if name == "old" and older == "killed":
            state |= {"pid": 2**22 + 7, "process_started_at": 5.0}
        if name == "old" and older == "done":
            state["status"] = "done"
        if older != "training" or name == "new":
            (job / "request.json").write_text("{}")
        for file, value in (("job", {"created": created}), ("state", state), ("progress", {"message": said})):
            (job / f"{file}.json").write_text(json.dumps(value))
    assert queue.is_first(library._list_earlier_jobs(tmp_path / "old"), WAITING_MESSAGE)
    assert queue.is_first(library._list_earlier_jobs(tmp_path / "new"), WAITING_MESSAGE) == first
