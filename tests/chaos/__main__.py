"""`make chaos-test`: a hundred kills, twenty full disks, races and strangers; 1 where something came out otherwise."""

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

from tests.chaos.faults import Broken, ended, full_disk, kills, many_processes, orphan, race, size_of, stranger
from tests.chaos.tasks import tasks

SHARES = {"training": 0.4, "film": 0.3, "preparation": 0.2, "gan": 0.1}
ON_FULL_DISKS = ("training", "film", "preparation")


def main() -> int:
    """Try all of it and say what became of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("parts", nargs="*", help="kills, disks, races, strangers (all of them)")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--disks", type=int, default=20)
    parser.add_argument("--races", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wanted, bad = options.parts or ["kills", "disks", "races", "strangers"], 0

    def tried(what: str, count: int, run: Callable[[], str]) -> None:
        nonlocal bad
        begun = time.monotonic()
        try:
            said, failed = run(), 0
        except Broken as error:
            said, failed = str(error), 1
            bad += 1
        minutes = (time.monotonic() - begun) / 60
        print(f"{what}: {count} tried, {failed} failed{'; ' + said if said else ''}; {minutes:.1f} minutes", flush=True)

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        known = tasks(place / "source")
        if "kills" in wanted:
            for task, share in SHARES.items():
                count = max(1, round(options.kills * share))

                def kill(task: str = task, count: int = count) -> str:
                    _, runs = kills(known[task], count, place / "kills" / task, options.seed)
                    return f"{runs} runs came to their end, the same as an undisturbed one"

                tried(f"kills of a {task}", count, kill)
        if "disks" in wanted:
            tried("full disks", options.disks, lambda: disks(known, options.disks, place / "disks"))
        if "races" in wanted:
            tried(
                "starts of one name by 50 threads at once",
                options.races,
                lambda: each(race, options.races, place / "races"),
            )
            tried("takings of one folder by 50 processes at once", 1, lambda: many_processes(place / "many") or "")
        if "strangers" in wanted:
            tried("strangers with a job's number", 20, lambda: each(stranger, 20, place))
            tried("orphans of killed jobs", 20, lambda: each(orphan, 20, place))
    print(f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores, seed {options.seed}")
    return 1 if bad else 0


def each(run: Callable[[int, Path], object], count: int, place: Path) -> str:
    """Run it as often as that."""
    for number in range(count):
        run(number, place)
    return ""


def disks(known: dict, count: int, place: Path) -> str:
    """Full disks for the tasks in turn; what they said, each sentence once."""
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(["which", "mount"], capture_output=True).returncode:
        raise Broken("NOT TRIED: only root can make a small disk")
    said, calm = set[str](), {}
    for name in ON_FULL_DISKS:
        job = known[name].start(place / f"calm-{name}")
        ended(job)
        calm[name] = known[name].result(job), size_of(place / f"calm-{name}")
    for number in range(count):
        name = ON_FULL_DISKS[number % len(ON_FULL_DISKS)]
        said.add(full_disk(known[name], number, place, *calm[name])[:60])
    return f"{len(said)} different sentences"


if __name__ == "__main__":
    sys.exit(main())
