"""A few chaos trials, and proof that violations are detected."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from tests.chaos import faults
from tests.chaos.faults import (
    InvariantViolation,
    kill_repeatedly,
    orphan_child,
    race_processes,
    race_threads,
    reuse_pid,
)
from tests.chaos.tasks import Task, make_tasks

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Task]:
    return make_tasks(tmp_path_factory.mktemp("chaos"), num_photos=40, video_seconds=4.0)


@pytest.mark.parametrize("name", ["video", "dataset build", "archive"])
def test_killed_tasks_resume_with_the_same_result(tasks: dict[str, Task], tmp_path: Path, name: str) -> None:
    num_kills, num_runs = kill_repeatedly(tasks[name], 1, tmp_path, seed=1)
    assert num_kills == 1
    assert num_runs >= 1


def test_races_reused_pids_and_orphans_violate_nothing(tmp_path: Path) -> None:
    race_threads(0, tmp_path)
    race_processes(tmp_path, 6)
    reuse_pid(0, tmp_path)
    orphan_child(0, tmp_path)


COUNTER = """
import sys, time
from pathlib import Path
from emotion.jobs.reporter import job_context
folder = Path(sys.argv[1])
with job_context(folder) as report:
    for index in range(400):
        time.sleep(0.004)
        report.progress(index + 1, 400)
"""
# Not atomic.
UNSAFE_WRITER = COUNTER.replace(
    "        time.sleep(0.004)\n",
    """\
        with open(folder / "value.json", "w") as file:
            file.write('{"rows": [')
            file.flush()
            time.sleep(0.004)
            file.write("1]}")
""",
)


def make_task(program: str) -> Task:
    """Return a task that runs `program`, keeps nothing and always has the same result."""

    def start(folder: Path) -> Job:
        folder.mkdir(parents=True, exist_ok=True)
        return jobs.start_job([str(folder)], folder, command=[sys.executable, "-c", program])

    return Task("small", start, lambda job: start(job.folder), lambda job: 0, lambda job: "")


def test_an_incomplete_file_is_detected(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"value\.json is damaged"):
        kill_repeatedly(make_task(UNSAFE_WRITER), 12, tmp_path / "kills", seed=1)


def test_another_result_or_lost_results_are_detected(tmp_path: Path) -> None:
    counter = iter(range(10**6))
    unstable = replace(make_task(COUNTER), result=lambda job: str(next(counter)))
    with pytest.raises(InvariantViolation, match="another result"):
        kill_repeatedly(unstable, 1, tmp_path / "unstable", seed=1)
    losing = replace(make_task(COUNTER), count_kept=lambda job: -next(counter))
    with pytest.raises(InvariantViolation, match="lost results"):
        kill_repeatedly(losing, 3, tmp_path / "losing", seed=1)


def test_two_owners_of_one_folder_are_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_lock = "import contextlib; job_context = lambda folder: contextlib.nullcontext()\n"
    monkeypatch.setattr(faults, "PRELUDE", faults.PRELUDE + no_lock)
    with pytest.raises(InvariantViolation, match="processes failed"):
        race_processes(tmp_path, 8)
