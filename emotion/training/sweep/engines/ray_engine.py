"""Trials as actors of a Ray cluster.

An actor trains in a temporary folder of its machine and sends the files of the run after each epoch, so that the
machines need no common disk for the results, and a run whose machine is lost goes on elsewhere.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from emotion.jobs.job import PROGRESS_FILE, STOP_FILE, Job
from emotion.jobs.process_record import STATE_FILE
from emotion.jobs.ray_cluster import connect_cluster
from emotion.jobs.reporter import job_context
from emotion.jobs.temporary_folder import create_temporary_folder
from emotion.storage import LOCK_FILE, write_atomic
from emotion.training.classifier.config import TrainingPlan
from emotion.training.runs.folder import read_accuracies
from emotion.training.sweep.engines.engine import TrialStatus, prepare_run, read_status

_POLL_SECONDS: Final = 0.2
_STOP_TIMEOUT_SECONDS: Final = 20.0  # a training looks for a stop after every step
_NUM_THREADS: Final = 3  # of an actor: the training, a waiting call, and a stop
_OF_THE_PROCESS: Final = frozenset({STATE_FILE, PROGRESS_FILE, STOP_FILE, LOCK_FILE})  # not of the run itself

RunFiles = dict[str, bytes]  # by the path in the run folder


class RemoteTrial:
    """The run of one trial on some machine; its calls are made from threads."""

    def __init__(self) -> None:
        self._folder = create_temporary_folder("trial")

    def train(self, files: RunFiles, plan_config: dict[str, Any]) -> None:
        """Train to the end, from the files of an earlier part on where there are some."""
        from emotion.training.classifier.train import train_plan

        _write_files(files, self._folder)
        # An error of any kind ends this trial alone; the job has recorded it.
        with suppress(Exception), job_context(self._folder) as reporter:
            train_plan(TrainingPlan.from_config(plan_config), self._folder, reporter)

    def wait_for_change(self, num_epochs: int) -> tuple[RunFiles, bool]:
        """Wait for another epoch than the last of `num_epochs`, or for the end.

        Returns:
            The files of the run, and whether it has ended.
        """
        while True:
            is_active = not (self._folder / STATE_FILE).is_file() or Job(self._folder).read_state().is_running
            if not is_active or len(read_accuracies(self._folder)) != num_epochs:
                return _read_files(self._folder, has_ended=not is_active), not is_active
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Ask the training to stop."""
        (self._folder / STOP_FILE).touch()

    def delete(self) -> None:
        """Delete the files on this machine."""
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass
class _Running:
    actor: Any
    change: Any  # the reference of what `wait_for_change` will return


class RayEngine:
    """See `TrialEngine`.

    Args:
        address: Of the cluster: "auto", HOST:PORT or ray://HOST:PORT; None starts one on this machine.

    Raises:
        JobError: Ray is not installed, the cluster cannot be reached, or it has no core.
    """

    def __init__(self, address: str | None = None) -> None:
        self._ray = connect_cluster(address, None)
        options = {"num_cpus": 1, "max_restarts": 0, "max_concurrency": _NUM_THREADS, "scheduling_strategy": "SPREAD"}
        self._actor_class = self._ray.remote(**options)(RemoteTrial)
        self._running: dict[Path, _Running] = {}

    def start(self, folder: Path, plan: TrainingPlan) -> None:
        """Start the actor of a trial; it waits until a core is free."""
        prepare_run(folder, plan)
        (folder / STATE_FILE).unlink(missing_ok=True)  # of its earlier end
        actor = self._actor_class.remote()
        actor.train.remote(_read_files(folder, has_ended=False), plan.to_config())
        self._running[folder] = _Running(actor, actor.wait_for_change.remote(len(read_accuracies(folder))))

    def observe(self, folder: Path) -> TrialStatus:
        """Receive what an actor has sent, and read the status."""
        self._receive(folder, 0)
        status = read_status(folder)
        if folder in self._running:
            return replace(status, state="running")
        return replace(status, state="interrupted") if status.state == "running" else status

    def stop(self, folder: Path) -> None:
        """Stop the actor of a trial."""
        running = self._running.get(folder)
        if running is None:
            return
        running.actor.stop.remote()
        deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
        while folder in self._running and time.monotonic() < deadline:
            self._receive(folder, _POLL_SECONDS)
        self._end(folder)

    def close(self) -> None:
        """End all actors, and the cluster where it was started for this sweep."""
        for folder in list(self._running):
            self._end(folder)
        self._ray.shutdown()

    def _receive(self, folder: Path, seconds: float) -> None:
        """Write the files of a run that an actor has sent within `seconds`."""
        running = self._running.get(folder)
        if running is None or not self._ray.wait([running.change], timeout=seconds)[0]:
            return
        try:
            files, has_ended = self._ray.get(running.change)
        except self._ray.exceptions.RayError:  # the actor or its machine is gone
            self._end(folder)
            return
        _write_files(files, folder)
        if has_ended:
            self._end(folder)
        else:
            running.change = running.actor.wait_for_change.remote(len(read_accuracies(folder)))

    def _end(self, folder: Path) -> None:
        running = self._running.pop(folder, None)
        if running is not None:
            with suppress(self._ray.exceptions.RayError):
                self._ray.get(running.actor.delete.remote(), timeout=_STOP_TIMEOUT_SECONDS)
            self._ray.kill(running.actor)


def _read_files(folder: Path, *, has_ended: bool) -> RunFiles:
    """Read the files of a run; its state only after its end, since its process is that of another machine."""
    left_out = _OF_THE_PROCESS - ({STATE_FILE} if has_ended else set())
    files = RunFiles()
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):  # a partial file that was renamed meanwhile
            if path.is_file() and path.name not in left_out:
                files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return files


def _write_files(files: RunFiles, folder: Path) -> None:
    """Write the files of a run, its state last, which says that all others are there."""
    for name, content in sorted(files.items(), key=lambda item: item[0] == STATE_FILE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, content)
