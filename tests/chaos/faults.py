"""Kills, full disks, races and strangers: what is done to tasks, and what must be true afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from emotion import storage
from emotion.errors import EmotionError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job, JobState
from tests.chaos.tasks import Task

PATIENCE = 300.0  # seconds that a task may take


class Broken(Exception):
    """What must not have happened did."""


def until(true: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise Broken(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.002)


def ended(job: Job) -> JobState:
    until(lambda: not job.read_state().is_running, "the end")
    return job.read_state()


def whole(job: Job) -> None:
    """Every file under its final name can be read."""
    for path in job.folder.rglob("*"):
        if path.suffix == ".json" and ".part" not in path.name:
            storage.read_json(path)
        if path.suffix == ".npz" and ".part" not in path.name:
            with np.load(path) as file:
                for name in file.files:
                    file[name]


def finished(job: Job, task: Task, expected: str) -> None:
    """It ends well, and with what an undisturbed run gives."""
    state = ended(job)
    if state.status != "done":
        raise Broken(f"{task.name} ended as {state.status}: {state.error}; {job.tail_log(3)}")
    whole(job)
    if task.result(job) != expected:
        raise Broken(f"{task.name} gave another result than an undisturbed run")


# ------------------------------------------------------------------ kills


def strike(job: Job, chance: random.Random, aimed: bool, seconds: float) -> bool:
    """Kill the job's process, `aimed` in the middle of a write, else at any moment within `seconds` of its work; False
    where it had ended before."""
    until(lambda: job.read_state().done or not job.read_state().is_running, "the work")
    process = psutil.Process(json.loads((job.folder / "state.json").read_text())["pid"])
    if aimed:
        patience = time.monotonic() + 3 * seconds + 1
        while not any(job.folder.rglob(".????????.part*")) and time.monotonic() < patience:
            if not process.is_running():
                return False
    else:
        time.sleep(chance.uniform(0, seconds))
    if not job.read_state().is_running:
        return False
    process.send_signal(signal.SIGKILL)
    return True


def kills(task: Task, count: int, place: Path, seed: int) -> tuple[int, int]:
    """Kill it `count` times, each third time in the middle of a write, and let it go on each time; every run that
    comes to its end is compared with an undisturbed one. How many kills struck, and how many runs came to their end."""
    chance = random.Random(f"{seed} {task.name}")
    job = task.start(place / "calm")
    until(lambda: job.read_state().done or not job.read_state().is_running, "the work")
    begun = time.monotonic()
    state = ended(job)
    seconds = 0.8 * (time.monotonic() - begun)  # a strike after the end strikes nothing
    if state.status != "done":
        raise Broken(f"{task.name} undisturbed ended as {state.status}: {state.error}; {job.tail_log(5)}")
    expected = task.result(job)
    struck = runs = 0
    job = task.start(place / f"run{runs}")
    while struck < count:
        if not strike(job, chance, struck % 3 == 2, seconds):
            finished(job, task, expected)
            runs += 1
            job = task.start(place / f"run{runs}")
            continue
        struck += 1
        state = ended(job)
        if state.status not in ("interrupted", "done"):
            raise Broken(f"{task.name} was killed and says {state.status}: {state.error}")
        whole(job)
        kept = task.kept(job)
        if state.status == "done":
            continue
        again = task.again(job)
        if again.folder == job.folder:
            until(lambda again=again: again.read_state().done or not again.read_state().is_running, "the work")
            if task.kept(again) < kept:
                raise Broken(f"{task.name} forgot what it had: {task.kept(again)} of {kept}")
        job = again
    finished(job, task, expected)
    return struck, runs + 1


# ------------------------------------------------------------------ full disks


@contextmanager
def disk(place: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A disk of its own at `place`; what is given gives it another size. Only root may do that."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)], check=True)
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}k", str(place)], check=True) and None
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def full_disk(task: Task, number: int, place: Path, expected: str, size: int) -> str:
    """Let a disk get full while the task is at work; what it said. With room it comes to its end."""
    share = random.Random(f"{number} {task.name}").uniform(0.1, 0.95)
    with disk(place / f"disk{number}", max(64, round(size * share / 1024))) as resized:
        try:
            job = task.start(place / f"disk{number}" / "task")
            state = ended(job)
        except EmotionError as error:  # it says so before it begins
            resized(400_000)
            finished(task.start(place / f"disk{number}" / "task2"), task, expected)
            return str(error)
        if state.status == "done":
            raise Broken(f"{task.name} found room for itself in {share:.0%} of what it takes")
        if state.status != "failed" and not (state.status == "interrupted" and "space" in job.tail_log(5)):
            raise Broken(f"{task.name} ended as {state.status} on a full disk: {job.tail_log(3)}")
        if state.status == "failed" and (not state.error or "Traceback" in state.error):
            raise Broken(f"{task.name} does not say what is wrong: {state.error}")
        whole(job)
        resized(400_000)
        finished(task.again(job), task, expected)
        return state.error or "interrupted"


def size_of(folder: Path) -> int:
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------ races and strangers

PRELUDE = "import sys, time; from pathlib import Path; from emotion.jobs.reporter import job_context\n"


def race(number: int, place: Path) -> None:
    """Fifty threads start a job in the same folder at once: one of them does."""
    folder = place / f"race{number}"
    folder.mkdir(parents=True)
    code = (
        PRELUDE
        + f"with job_context(Path({str(folder)!r})) as report:\n while not report.stop_requested: time.sleep(0.05)"
    )
    gate, started = threading.Barrier(50), list[Job]()

    def attempt(_: int) -> None:
        gate.wait()
        try:
            started.append(jobs.start_job([], folder, command=[sys.executable, "-c", code]))
        except JobError:
            return

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(attempt, range(50)))
    if len(started) != 1:
        raise Broken(f"{len(started)} of 50 were started in one folder")
    started[0].stop()


def many_processes(place: Path, count: int = 50) -> None:
    """As many processes as that take over one folder at once: they are at work one after the other, never two."""
    folder = place / "claimed"
    folder.mkdir(parents=True)
    code = PRELUDE + (
        "from emotion.errors import JobError\n"
        f"folder = Path({str(folder)!r}); inside = folder / 'inside'\n"
        "try:\n"
        " with job_context(folder):\n"
        "  inside.touch(exist_ok=False); time.sleep(0.2); inside.unlink()\n"
        "except JobError: sys.exit(3)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    children = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    ends = [(child.communicate()[1], child.returncode) for child in children]
    wrong = [text.strip().rsplit("\n", 1)[-1] for text, code in ends if code not in (0, 3)]
    if wrong or not any(code == 0 for _, code in ends):
        raise Broken(f"{len(wrong)} of {count} ended otherwise: {wrong[:2]}")


def stranger(number: int, place: Path) -> None:
    """A process that got the number of a killed job is left alone, by a look, a stop and a new start."""
    folder = place / f"stranger{number}"
    folder.mkdir(parents=True)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        born = psutil.Process(other.pid).create_time() - random.Random(number).uniform(1, 1e6)
        record = {"status": "running", "pid": other.pid, "process_started_at": born, "error": None}
        storage.write_json(folder / "state.json", record)
        if (
            jobs.open_job(folder).read_state().status != "interrupted"
            or jobs.open_job(folder).stop(0).status != "interrupted"
        ):
            raise Broken("a stranger was taken for the job")
        code = PRELUDE + f"with job_context(Path({str(folder)!r})): pass"
        ended(jobs.start_job([], folder, command=[sys.executable, "-c", code]))
        if other.poll() is not None:
            raise Broken("a stranger was killed")
    finally:
        other.kill()
        other.wait()


def orphan(number: int, place: Path) -> None:
    """What a killed job had started is found and ended before the folder is used again."""
    folder = place / f"orphan{number}"
    folder.mkdir(parents=True)
    code = PRELUDE + (
        "import subprocess\n"
        f"with job_context(Path({str(folder)!r})) as report:\n"
        " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f" Path({str(folder)!r}, 'child').write_text(str(child.pid)); report.progress(1, 2); time.sleep(60)"
    )
    job = jobs.start_job([], folder, command=[sys.executable, "-c", code])
    until(lambda: job.read_state().done, "the work")
    child = psutil.Process(int((folder / "child").read_text()))
    os.kill(json.loads((folder / "state.json").read_text())["pid"], signal.SIGKILL)
    ended(job)
    again = PRELUDE + f"with job_context(Path({str(folder)!r})): pass"
    ended(jobs.start_job([], folder, command=[sys.executable, "-c", again]))
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the end of an orphan", 10)
