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
from emotion.jobs.reporter import Reporter
from emotion.video import library
from emotion.video.library import WAITING, turn

HOLD = """
import sys, time
from pathlib import Path
from emotion.video.library import turn
from emotion.jobs.reporter import Reporter
folder = Path(sys.argv[1])
with turn(folder, Reporter(folder)) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_LOOK_EVERY", 0.02)


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
    return jobs.Job(job).state().text


def test_alone_nobody_waits(tmp_path: Path) -> None:
    one = folder(tmp_path, "one")
    with turn(one, Reporter(one)) as mine:
        assert mine
    assert text(one) == ""  # not even for a moment


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    got = list[bool]()

    def second() -> None:
        with turn(two, Reporter(two)) as mine:
            got.append(mine)

    with turn(one, Reporter(one)):
        waiting = threading.Thread(target=second)
        waiting.start()
        until(lambda: text(two) == WAITING)
        assert got == []
    waiting.join(10)
    assert got == [True]


def test_who_is_stopped_while_waiting_leaves(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    (two / "stop").touch()
    with turn(one, Reporter(one)), turn(two, Reporter(two)) as mine:
        assert not mine


def test_an_error_within_is_its_own(tmp_path: Path) -> None:
    one = folder(tmp_path, "one")
    with pytest.raises(OSError, match="mine"), turn(one, Reporter(one)):
        raise OSError("mine")
    with turn(one, Reporter(one)) as mine:
        assert mine


def test_a_parent_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="cannot be written to"), turn(tmp_path / "no" / "one", Reporter(tmp_path)):
        pass


def test_a_killed_film_holds_up_nobody(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    killed = subprocess.Popen([sys.executable, "-c", HOLD, str(one)], stdout=subprocess.PIPE, text=True)
    try:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "True\n"
        report = Reporter(two)
        threading.Timer(0.3, killed.kill).start()
        with turn(two, report) as mine:
            assert mine
            assert killed.wait(5) != 0
    finally:
        killed.kill()
        killed.wait()
    assert text(two) == WAITING


@pytest.mark.parametrize(
    ("older", "text", "first"),
    [
        ("alive", WAITING, False),
        ("alive", "", False),  # it just starts
        ("alive", "0:07 of 0:09", True),  # it is read: the lock tells when it ends
        ("killed", WAITING, True),
        ("done", WAITING, True),
        ("training", "", True),  # no film
    ],
)
def test_who_was_asked_for_first_is_first(tmp_path: Path, older: str, text: str, first: bool) -> None:
    for name, created, said in (("old", 1000.0, text), ("new", 2000.0, WAITING)):
        job, me = folder(tmp_path, name), psutil.Process()
        state = {"state": "running", "pid": me.pid, "process_started": me.create_time(), "error": None}
        if name == "old" and older == "killed":
            state |= {"pid": 2**22 + 7, "process_started": 5.0}
        if name == "old" and older == "done":
            state["state"] = "done"
        if older != "training" or name == "new":
            (job / "request.json").write_text("{}")
        for file, value in (("job", {"created": created}), ("state", state), ("progress", {"text": said})):
            (job / f"{file}.json").write_text(json.dumps(value))
    assert queue.first(library._earlier(tmp_path / "old"), WAITING)
    assert queue.first(library._earlier(tmp_path / "new"), WAITING) == first
