"""Chaos tests of `make chaos-test`: kills, full disks, races, reused process ids; exits with 1 after a violation."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.faults import (
    InvariantViolation,
    fill_disk,
    kill_repeatedly,
    orphan_child,
    race_processes,
    race_threads,
    reuse_pid,
    size_of,
    wait_for_end,
)
from tests.chaos.tasks import Task, make_tasks

PARTS = ("kills", "disks", "races", "pids")
KILL_SHARES = {"training": 0.4, "video": 0.3, "dataset build": 0.2, "gan": 0.1, "archive": 0.2}  # of `--kills`
DISK_TASKS = ("training", "video", "dataset build")
NUM_PID_TRIALS = 20


class Report:
    """Prints the outcome of each trial and counts the violations."""

    def __init__(self) -> None:
        self.num_violations = 0

    def run(self, title: str, count: int, trial: Callable[[], str]) -> None:
        """Run trials and print one line; `trial` returns details for it."""
        started = time.monotonic()
        try:
            details, failed = trial(), 0
        except InvariantViolation as error:
            details, failed = str(error), 1
        self.num_violations += failed
        minutes = (time.monotonic() - started) / 60
        suffix = f"; {details}" if details else ""
        print(f"{title}: {count} tried, {failed} failed{suffix}; {minutes:.1f} minutes", flush=True)


def main() -> int:
    """Run the requested parts and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=f"{', '.join(PARTS)} (default: all)"
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--disks", type=int, default=20)
    parser.add_argument("--races", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    parts, report = options.parts or PARTS, Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks = make_tasks(folder / "source")
        if "kills" in parts:
            for task_name, share in KILL_SHARES.items():
                count = max(1, round(options.kills * share))
                trial = make_kill_trial(tasks[task_name], count, folder / "kills" / task_name, options.seed)
                report.run(f"kills of a {task_name}", count, trial)
        if "disks" in parts:
            report.run("full disks", options.disks, lambda: fill_disks(tasks, options.disks, folder / "disks"))
        if "races" in parts:
            races = options.races
            report.run("races of 50 threads", races, lambda: repeat(race_threads, races, folder / "races"))
            report.run("races of 50 processes", 1, lambda: race_processes(folder / "processes") or "")
        if "pids" in parts:
            report.run("reused process ids", NUM_PID_TRIALS, lambda: repeat(reuse_pid, NUM_PID_TRIALS, folder))
            report.run("orphans of killed jobs", NUM_PID_TRIALS, lambda: repeat(orphan_child, NUM_PID_TRIALS, folder))
    print(f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores, seed {options.seed}")
    return 1 if report.num_violations else 0


def make_kill_trial(task: Task, count: int, folder: Path, seed: int) -> Callable[[], str]:
    def trial() -> str:
        _, num_runs = kill_repeatedly(task, count, folder, seed)
        return f"{num_runs} complete runs with the result of an undisturbed one"

    return trial


def repeat(trial: Callable[[int, Path], object], count: int, folder: Path) -> str:
    for index in range(count):
        trial(index, folder)
    return ""


def fill_disks(tasks: dict[str, Task], count: int, folder: Path) -> str:
    """Fill disks during the tasks in turn; returns the number of different error messages."""
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(["which", "mount"], capture_output=True).returncode:
        raise InvariantViolation("NOT TRIED: only root can mount a small disk")
    undisturbed = {}
    for name in DISK_TASKS:
        task_folder = folder / f"undisturbed-{name}"
        job = tasks[name].start(task_folder)
        wait_for_end(job)
        undisturbed[name] = tasks[name].result(job), size_of(task_folder)
    messages = set[str]()
    for index in range(count):
        name = DISK_TASKS[index % len(DISK_TASKS)]
        messages.add(fill_disk(tasks[name], index, folder, *undisturbed[name])[:60])
    return f"{len(messages)} different error messages"


if __name__ == "__main__":
    sys.exit(main())
