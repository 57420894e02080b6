"""Fuzzing: `python -m tests.fuzz images --count 10000` decodes damaged files; exits with 1 after a violation.

`python -m tests.fuzz large` measures the memory of whole analyses of large videos.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz.large_videos import run_large_videos
from tests.fuzz.monitor import FuzzJob, FuzzResult, run_monitored

MAX_SHOWN_VIOLATIONS = 50


def main() -> int:
    """Decode damaged files on all cores, print a summary and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kind", choices=["images", "videos", "large"])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bare", action="store_true", help="a decoder without limits: the control, which must fail")
    options = parser.parse_args()
    if options.kind == "large":
        return 1 if run_large_videos() else 0
    num_cores = os.cpu_count() or 1
    edges = [options.count * i // num_cores for i in range(num_cores + 1)]
    started, results = time.monotonic(), dict[int, FuzzResult]()

    def run_part(part: int) -> FuzzResult:
        def show_progress(result: FuzzResult) -> None:
            results[part] = result
            done = sum(part_result.count for part_result in results.values())
            if sys.stderr.isatty() and done % 50 == 0:
                minutes_left = (time.monotonic() - started) / done * (options.count - done) / 60
                print(f"\r{done} of {options.count}, {minutes_left:.0f} minutes left ", end="", file=sys.stderr)

        decoder = "bare" if options.bare else "project"
        return run_monitored(FuzzJob(options.kind, options.seed, edges[part], edges[part + 1], decoder), show_progress)

    with ThreadPoolExecutor(num_cores) as pool:
        parts = list(pool.map(run_part, range(num_cores)))
    violations = [line for part in parts for line in part.violations]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pillow", "av"))
    print(
        f"{options.kind}: {sum(part.count for part in parts)} tried, {len(violations)} failed; "
        f"{sum(part.num_decoded for part in parts)} decoded, {sum(part.num_refused for part in parts)} refused; "
        f"at most {max(part.max_seconds for part in parts):.1f} s and "
        f"{max(part.max_megabytes for part in parts):.0f} MB; seed {options.seed}, {versions}, "
        f"{(time.monotonic() - started) / 60:.1f} minutes"
    )
    for line in violations[:MAX_SHOWN_VIOLATIONS]:
        print(" ", line)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
