"""Starts the process that decodes, waits for every answer, and starts another one where it died or hung."""

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
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = {"images": 5.0, "films": 30.0}
MEGABYTES = {"images": 300.0, "films": 600.0}


@dataclass
class Tried:
    """What became of all files; `failed` has a line for each that did what none may."""

    read: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0  # seconds
    largest: float = 0.0  # MB

    @property
    def count(self) -> int:
        """How many were tried."""
        return self.read + self.refused + len(self.failed)

    def add(self, number: int, kind: str, told: dict[str, Any]) -> None:
        """One more file."""
        self.slowest, self.largest = max(self.slowest, told["seconds"]), max(self.largest, told["megabytes"])
        wrong = {
            "slow": told["seconds"] > SECONDS[kind],
            "large": told["megabytes"] > MEGABYTES[kind],
            told.get("text", ""): told["became"] not in ("read", "refused"),
        }
        if any(wrong.values()):
            said = "; ".join(what for what, so in wrong.items() if so)
            self.failed.append(f"{number}: {said} ({told['seconds']:.1f} s, {told['megabytes']:.0f} MB)")
        elif told["became"] == "read":
            self.read += 1
        else:
            self.refused += 1


def watch(
    kind: str, seed: int, start: int, stop: int, how: str = "ours", heard: Callable[[Tried], None] = lambda tried: None
) -> Tried:
    """Try the files `start` to `stop` - 1; `heard` is called after each. `how`: "ours" or "bare", the control."""
    tried, at = Tried(), start
    with TemporaryDirectory() as folder:
        while at < stop:
            at = _one_life(kind, seed, at, stop, Path(folder), how, tried, heard)
    return tried


def _one_life(
    kind: str, seed: int, at: int, stop: int, folder: Path, how: str, tried: Tried, heard: Callable[[Tried], None]
) -> int:
    """What one process does until it is done or has to be replaced; the number of the next file."""
    command = [sys.executable, "-m", "tests.fuzz.child", kind, str(seed), str(at), str(stop), str(folder), how]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    errors: list[str] = []
    threading.Thread(target=listen, daemon=True).start()
    threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True).start()  # type: ignore[union-attr]
    patience = 120.0  # it makes the originals first
    try:
        while at < stop:
            try:
                line = lines.get(timeout=patience)
            except queue.Empty:
                tried.failed.append(f"{at}: no answer after {patience:.0f} s")
                return at + 1
            if line is None:
                process.wait()
                tried.failed.append(f"{at}: the process died ({process.returncode}) {''.join(errors)[-300:]}")
                return at + 1
            told = json.loads(line)
            if "begins" in told:
                patience = 4 * SECONDS[kind]
            else:
                tried.add(at, kind, told)
                heard(tried)
                at += 1
        return at
    finally:
        process.kill()
        process.wait()
