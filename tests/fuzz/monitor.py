"""Runs the decoding process, waits for its reports, and restarts it after a crash or a timeout."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MAX_SECONDS = {"images": 5.0, "videos": 30.0}
MAX_MEGABYTES = {"images": 300.0, "videos": 600.0}
START_TIMEOUT_SECONDS = 120.0  # the process creates the original files first
TIMEOUT_FACTOR = 4  # of the allowed seconds, until a process counts as hanging


class FuzzJob(NamedTuple):
    """The files `start` to `stop` - 1 of a kind and seed; `decoder`: "project", or "bare", the control."""

    kind: str
    seed: int
    start: int
    stop: int
    decoder: str = "project"


@dataclass
class FuzzResult:
    """Outcomes of all files; `violations` has a line for each that crashed, hung, or exceeded a limit."""

    num_decoded: int = 0
    num_refused: int = 0
    violations: list[str] = field(default_factory=list)
    max_seconds: float = 0.0
    max_megabytes: float = 0.0

    @property
    def count(self) -> int:
        """Return the number of files."""
        return self.num_decoded + self.num_refused + len(self.violations)

    def add(self, index: int, kind: str, report: dict[str, Any]) -> None:
        """Add the report of one file."""
        seconds, megabytes, outcome = report["seconds"], report["megabytes"], report["outcome"]
        self.max_seconds, self.max_megabytes = max(self.max_seconds, seconds), max(self.max_megabytes, megabytes)
        reasons = {
            "slow": seconds > MAX_SECONDS[kind],
            "large": megabytes > MAX_MEGABYTES[kind],
            report.get("text", ""): outcome not in ("decoded", "refused"),
        }
        if any(reasons.values()):
            description = "; ".join(reason for reason, applies in reasons.items() if applies)
            self.violations.append(f"{index}: {description} ({seconds:.1f} s, {megabytes:.0f} MB)")
        elif outcome == "decoded":
            self.num_decoded += 1
        else:
            self.num_refused += 1


def run_monitored(job: FuzzJob, on_file: Callable[[FuzzResult], None] = lambda result: None) -> FuzzResult:
    """Decode all files of a job; `on_file` is called after each."""
    result, index = FuzzResult(), job.start
    with TemporaryDirectory() as folder:
        while index < job.stop:
            index = _run_process(job._replace(start=index), Path(folder), result, on_file)
    return result


def _run_process(job: FuzzJob, folder: Path, result: FuzzResult, on_file: Callable[[FuzzResult], None]) -> int:
    """Run one process until it is done, crashes or hangs; return the index of the next file."""
    arguments = [job.kind, str(job.seed), str(job.start), str(job.stop), str(folder), job.decoder]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.child", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: queue.Queue[str | None] = queue.Queue()

    def read_lines() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    errors: list[str] = []
    threading.Thread(target=read_lines, daemon=True).start()
    threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True).start()  # type: ignore[union-attr]
    index, timeout = job.start, START_TIMEOUT_SECONDS
    try:
        while index < job.stop:
            try:
                line = lines.get(timeout=timeout)
            except queue.Empty:
                result.violations.append(f"{index}: no answer after {timeout:.0f} s")
                return index + 1
            if line is None:
                process.wait()
                result.violations.append(f"{index}: the process died ({process.returncode}) {''.join(errors)[-300:]}")
                return index + 1
            report = json.loads(line)
            if "begins" in report:
                timeout = TIMEOUT_FACTOR * MAX_SECONDS[job.kind]
            else:
                result.add(index, job.kind, report)
                on_file(result)
                index += 1
        return index
    finally:
        process.kill()
        process.wait()
