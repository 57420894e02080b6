"""Faults that are injected into tasks (kills, full disks, races, reused process ids), and what must hold afterwards."""

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

TIMEOUT_SECONDS = 300.0  # of a task
POLL_SECONDS = 0.002
NUM_CONTENDERS = 50  # threads or processes that want one folder
ROOMY_KB = 400_000  # a disk that no task fills
AIMED_EVERY = 3  # one of so many kills is aimed at a write


class InvariantViolation(Exception):
    """A task did not do after a fault what it must."""


def wait_until(condition: Callable[[], object], description: str, seconds: float = TIMEOUT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise InvariantViolation(f"{description} did not happen within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def wait_for_end(job: Job) -> JobState:
    wait_until(lambda: not job.read_state().is_running, "the end")
    return job.read_state()


def wait_for_progress(job: Job) -> None:
    def has_progress() -> bool:
        state = job.read_state()
        return bool(state.done) or not state.is_running

    wait_until(has_progress, "the first progress")


def process_of(job: Job) -> psutil.Process:
    return psutil.Process(json.loads((job.folder / "state.json").read_text())["pid"])


def start_python(folder: Path, code: str) -> Job:
    return jobs.start_job([], folder, command=[sys.executable, "-c", code])


def check_files(job: Job) -> None:
    """Read every file that has its final name."""
    for path in job.folder.rglob("*"):
        if path.suffix == ".json" and ".part" not in path.name:
            storage.read_json(path)
        if path.suffix == ".npz" and ".part" not in path.name:
            with np.load(path) as file:
                for name in file.files:
                    file[name]


def check_result(job: Job, task: Task, expected: str) -> None:
    """Wait for the end, and compare the result with that of an undisturbed run."""
    state = wait_for_end(job)
    if state.status != "done":
        raise InvariantViolation(f"{task.name} ended as {state.status}: {state.error}; {job.tail_log(3)}")
    check_files(job)
    if task.result(job) != expected:
        raise InvariantViolation(f"{task.name} has another result than an undisturbed run")


# ------------------------------------------------------------------ kills


def kill_during(job: Job, rng: random.Random, is_aimed: bool, seconds: float) -> bool:
    """Kill the job's process, during a write if `is_aimed`, otherwise at a random moment of its first `seconds`.

    Returns:
        False where it had ended before.
    """
    wait_for_progress(job)
    process = process_of(job)
    if is_aimed:
        deadline = time.monotonic() + 3 * seconds + 1
        while not any(job.folder.rglob(".????????.part*")) and time.monotonic() < deadline:
            if not process.is_running():
                return False
    else:
        time.sleep(rng.uniform(0, seconds))
    if not job.read_state().is_running:
        return False
    process.send_signal(signal.SIGKILL)
    return True


def kill_repeatedly(task: Task, count: int, folder: Path, seed: int) -> tuple[int, int]:
    """Kill a task `count` times and resume it each time; compare every complete run with an undisturbed one.

    Returns:
        The numbers of kills and of complete runs.
    """
    rng = random.Random(f"{seed} {task.name}")
    expected, seconds = run_undisturbed(task, folder / "undisturbed")
    num_kills = num_runs = 0
    job = task.start(folder / f"run{num_runs}")
    while num_kills < count:
        if not kill_during(job, rng, num_kills % AIMED_EVERY == AIMED_EVERY - 1, seconds):
            check_result(job, task, expected)
            num_runs += 1
            job = task.start(folder / f"run{num_runs}")
            continue
        num_kills += 1
        state = wait_for_end(job)
        if state.status not in ("interrupted", "done"):
            raise InvariantViolation(f"{task.name} was killed and has the status {state.status}: {state.error}")
        check_files(job)
        if state.status != "done":
            job = resume(task, job)
    check_result(job, task, expected)
    return num_kills, num_runs + 1


def run_undisturbed(task: Task, folder: Path) -> tuple[str, float]:
    """Return the result and the seconds in which a kill may be scheduled."""
    job = task.start(folder)
    wait_for_progress(job)
    started = time.monotonic()
    state = wait_for_end(job)
    seconds = 0.8 * (time.monotonic() - started)  # a kill after the end has no effect
    if state.status != "done":
        raise InvariantViolation(f"{task.name}, undisturbed, ended as {state.status}: {state.error}; {job.tail_log(5)}")
    return task.result(job), seconds


def resume(task: Task, job: Job) -> Job:
    """Resume a killed task and check that nothing is lost."""
    num_kept = task.count_kept(job)
    resumed = task.resume(job)
    if resumed.folder == job.folder:
        wait_for_progress(resumed)
        if task.count_kept(resumed) < num_kept:
            raise InvariantViolation(f"{task.name} lost results: {task.count_kept(resumed)} of {num_kept} are left")
    return resumed


# ------------------------------------------------------------------ full disks


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """Mount a disk of that size at `folder` (root only); yields a function that sets another size."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=True)

    def resize(kilobytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_disk(task: Task, index: int, folder: Path, expected: str, size: int) -> str:
    """Run a task on a disk that is smaller than its `size` in bytes, then resume it with enough space.

    Returns:
        The error message of the task.
    """
    share = random.Random(f"{index} {task.name}").uniform(0.1, 0.95)
    disk = folder / f"disk{index}"
    with small_disk(disk, max(64, round(size * share / 1024))) as resize:
        try:
            job = task.start(disk / "task")
            state = wait_for_end(job)
        except EmotionError as error:  # refused before the start
            resize(ROOMY_KB)
            check_result(task.start(disk / "task2"), task, expected)
            return str(error)
        if state.status == "done":
            raise InvariantViolation(f"{task.name} ended well with {share:.0%} of the space that it takes")
        if state.status != "failed" and not (state.status == "interrupted" and "space" in job.tail_log(5)):
            raise InvariantViolation(f"{task.name} ended as {state.status} on a full disk: {job.tail_log(3)}")
        if state.status == "failed" and (not state.error or "Traceback" in state.error):
            raise InvariantViolation(f"{task.name} has no readable error message: {state.error}")
        check_files(job)
        resize(ROOMY_KB)
        check_result(task.resume(job), task, expected)
        return state.error or "interrupted"


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------ races, reused process ids, orphans

PRELUDE = "import sys, time; from pathlib import Path; from emotion.jobs.reporter import job_context\n"


def race_threads(index: int, folder: Path) -> None:
    """Start a job in one folder from many threads; exactly one must start."""
    job_folder = folder / f"race{index}"
    job_folder.mkdir(parents=True)
    code = PRELUDE + (
        f"with job_context(Path({str(job_folder)!r})) as report:\n while not report.stop_requested: time.sleep(0.05)"
    )
    barrier, started = threading.Barrier(NUM_CONTENDERS), list[Job]()

    def attempt(_: int) -> None:
        barrier.wait()
        try:
            started.append(start_python(job_folder, code))
        except JobError:
            return

    with ThreadPoolExecutor(NUM_CONTENDERS) as pool:
        list(pool.map(attempt, range(NUM_CONTENDERS)))
    if len(started) != 1:
        raise InvariantViolation(f"{len(started)} of {NUM_CONTENDERS} jobs started in one folder")
    started[0].stop()


def race_processes(folder: Path, count: int = NUM_CONTENDERS) -> None:
    """Let many processes own one folder; never two at the same time."""
    job_folder = folder / "claimed"
    job_folder.mkdir(parents=True)
    code = PRELUDE + (
        "from emotion.errors import JobError\n"
        f"folder = Path({str(job_folder)!r}); inside = folder / 'inside'\n"
        "try:\n"
        " with job_context(folder):\n"
        "  inside.touch(exist_ok=False); time.sleep(0.2); inside.unlink()\n"
        "except JobError: sys.exit(3)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    outcomes = [(process.communicate()[1], process.returncode) for process in processes]
    errors = [text.strip().rsplit("\n", 1)[-1] for text, code in outcomes if code not in (0, 3)]
    if errors or not any(code == 0 for _, code in outcomes):
        raise InvariantViolation(f"{len(errors)} of {count} processes failed: {errors[:2]}")


def reuse_pid(index: int, folder: Path) -> None:
    """Give the process id of a killed job to an unrelated process; reading, stopping and restarting must spare it."""
    job_folder = folder / f"reused{index}"
    job_folder.mkdir(parents=True)
    unrelated = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        started_at = psutil.Process(unrelated.pid).create_time() - random.Random(index).uniform(1, 1e6)
        record = {"status": "running", "pid": unrelated.pid, "process_started_at": started_at, "error": None}
        storage.write_json(job_folder / "state.json", record)
        job = jobs.open_job(job_folder)
        if job.read_state().status != "interrupted" or job.stop(0).status != "interrupted":
            raise InvariantViolation("an unrelated process was taken for the job")
        wait_for_end(start_python(job_folder, PRELUDE + f"with job_context(Path({str(job_folder)!r})): pass"))
        if unrelated.poll() is not None:
            raise InvariantViolation("an unrelated process was killed")
    finally:
        unrelated.kill()
        unrelated.wait()


def orphan_child(index: int, folder: Path) -> None:
    """Kill a job that has a child process; the child must end before the folder is used again."""
    job_folder = folder / f"orphan{index}"
    job_folder.mkdir(parents=True)
    code = PRELUDE + (
        "import subprocess\n"
        f"with job_context(Path({str(job_folder)!r})) as report:\n"
        " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f" Path({str(job_folder)!r}, 'child').write_text(str(child.pid)); report.progress(1, 2); time.sleep(60)"
    )
    job = start_python(job_folder, code)
    wait_until(lambda: job.read_state().done, "the first progress")
    child = psutil.Process(int((job_folder / "child").read_text()))
    process_of(job).send_signal(signal.SIGKILL)
    wait_for_end(job)
    wait_for_end(start_python(job_folder, PRELUDE + f"with job_context(Path({str(job_folder)!r})): pass"))
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the end of an orphan", 10)
