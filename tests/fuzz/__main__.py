"""`python -m tests.fuzz images --count 10000`: as many spoiled files as asked for; 1 where one did what none may."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz.watch import Tried, watch


def main() -> int:
    """Try them on all cores and say what became of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kind", choices=["images", "films"])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bare", action="store_true", help="a decoder without limits: the control, which must fail")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    edges = [options.count * i // cores for i in range(cores + 1)]
    begun, parts = time.monotonic(), dict[int, Tried]()

    def part(i: int) -> Tried:
        def heard(tried: Tried) -> None:
            parts[i] = tried
            done = sum(one.count for one in parts.values())
            if sys.stderr.isatty() and done % 50 == 0:
                left = (time.monotonic() - begun) / done * (options.count - done)
                print(f"\r{done} of {options.count}, {left / 60:.0f} minutes left ", end="", file=sys.stderr)

        return watch(options.kind, options.seed, edges[i], edges[i + 1], "bare" if options.bare else "ours", heard)

    with ThreadPoolExecutor(cores) as pool:
        all_tried = list(pool.map(part, range(cores)))
    failed = [line for tried in all_tried for line in tried.failed]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pillow", "av"))
    print(
        f"{options.kind}: {sum(one.count for one in all_tried)} tried, {len(failed)} failed; "
        f"{sum(one.read for one in all_tried)} read, {sum(one.refused for one in all_tried)} refused in a sentence; "
        f"the slowest {max(one.slowest for one in all_tried):.1f} s, the largest "
        f"{max(one.largest for one in all_tried):.0f} MB; seed {options.seed}, {versions}, "
        f"{(time.monotonic() - begun) / 60:.1f} minutes"
    )
    for line in failed[:50]:
        print(" ", line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
