"""A breath of the storm in every run of the tests, and the proof that it would be felt."""

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
from tests.chaos.faults import Broken, kills, many_processes, orphan, race, stranger
from tests.chaos.tasks import Task, tasks

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Task]:
    return tasks(tmp_path_factory.mktemp("storm"))


@pytest.mark.parametrize(("name", "count"), [("film", 3), ("preparation", 3)])
def test_killed_tasks_go_on_and_give_the_same(known: dict[str, Task], tmp_path: Path, name: str, count: int) -> None:
    struck, runs = kills(known[name], count, tmp_path, seed=1)
    assert struck == count
    assert runs >= 1


def test_races_strangers_and_orphans(tmp_path: Path) -> None:
    race(0, tmp_path)
    many_processes(tmp_path, 6)
    stranger(0, tmp_path)
    orphan(0, tmp_path)


CARELESS = """
import sys, time
from pathlib import Path
from emotion.jobs.reporter import job_context
folder = Path(sys.argv[1])
with job_context(folder) as report:
    for number in range(400):
        with open(folder / "value.json", "w") as file:  # straight to its final name
            file.write('{"rows": [')
            file.flush()
            time.sleep(0.004)
            file.write("1]}")
        report.progress(number + 1, 400)
"""


def careless() -> Task:
    """A task that writes as nobody should."""

    def start(place: Path) -> Job:
        place.mkdir(parents=True)
        return jobs.start_job([str(place)], place, command=[sys.executable, "-c", CARELESS])

    def again(job: Job) -> Job:
        return jobs.start_job([str(job.folder)], job.folder, command=[sys.executable, "-c", CARELESS])

    return Task("careless", start, again, lambda job: 0, lambda job: "")


def test_a_task_that_leaves_half_a_file_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"value\.json is damaged"):
        kills(careless(), 12, tmp_path / "kills", seed=1)


def test_a_task_that_forgets_or_changes_its_mind_is_noticed(known: dict[str, Task], tmp_path: Path) -> None:
    counted = iter(range(10**6))
    fickle = replace(known["preparation"], result=lambda job: str(next(counted)))
    with pytest.raises(Broken, match="another result"):
        kills(fickle, 1, tmp_path / "fickle", seed=1)
    forgetful = replace(known["preparation"], kept=lambda job: -next(counted))
    with pytest.raises(Broken, match="forgot what it had"):
        kills(forgetful, 3, tmp_path / "forgetful", seed=1)


def test_two_at_work_in_one_folder_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_to_all = "import contextlib; job_context = lambda folder: contextlib.nullcontext()\n"
    monkeypatch.setattr(faults, "PRELUDE", faults.PRELUDE + open_to_all)
    with pytest.raises(Broken, match="ended otherwise"):
        many_processes(tmp_path, 8)
