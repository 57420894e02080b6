"""`make load-test MINUTES=10`: ten visitors, two of them with a camera, and what that does to the app's process."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import psutil
from playwright.sync_api import Error, sync_playwright

from tests.browser.conftest import SYSTEM_BROWSERS, started
from tests.load.visitors import FLAGS, ROOT, Streamer, Visitor, camera

OUT = ROOT / "out" / "load"
GROWTH = 100.0  # MB that the process may grow after the first fifth
WAIT = 1.0  # seconds that 95 of 100 page changes may take


def server_of(url: str) -> psutil.Process:
    """The process that serves."""
    port = int(url.rsplit(":", 1)[1])
    for process in psutil.Process().children(recursive=True):
        if any(found.laddr.port == port for found in process.net_connections("tcp") if found.status == "LISTEN"):
            return process
    raise SystemExit("The app does not listen.")


def state_of(server: psutil.Process) -> dict[str, float]:
    """Memory in MB, threads, open files and sockets, child processes."""
    return {
        "memory": server.memory_info().rss / 2**20,
        "threads": server.num_threads(),
        "files": server.num_fds(),
        "children": len(server.children(recursive=True)),
    }


def soak(minutes: float, visitors: int, cameras: int) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """What was measured every five seconds, what was done, and the lines of the log that tell of an error."""
    seen, done = list[dict[str, Any]](), list[dict[str, Any]]()
    log = OUT / "app.log"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, started(log=log) as url:
        found = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), playwright.chromium.executable_path)
        flags = [*FLAGS, f"--use-file-for-fake-video-capture={camera(Path(folder))}"]
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        server, start, looked = server_of(url), time.monotonic(), 0.0

        def look(phase: str) -> None:
            seen.append({"minute": (time.monotonic() - start) / 60, "phase": phase, **state_of(server)})

        look("before")
        everybody: list[Streamer | Visitor] = [Streamer(browser.new_context(), url) for _ in range(cameras)]
        everybody += [Visitor(browser.new_context(), url, number) for number in range(visitors - cameras)]
        number = 0
        while time.monotonic() - start < 60 * minutes:
            one, number = everybody[number % len(everybody)], number + 1
            row: dict[str, Any] = {"minute": (time.monotonic() - start) / 60, "visitor": (number - 1) % len(everybody)}
            try:
                what, seconds = one.step()
                done.append(row | {"what": what, "seconds": seconds})
            except Error as error:
                done.append(row | {"what": "error", "seconds": float("nan"), "error": str(error).split("\n")[0]})
            if time.monotonic() - looked > 5:
                looked = time.monotonic()
                look("visited")
                print(f"\r{looked / 60 - start / 60:.1f} of {minutes} minutes, {number} steps ", end="", flush=True)
        browser.close()
        time.sleep(60)  # sessions are kept for 30 seconds
        look("after")
    lines = [line for line in log.read_text().splitlines() if "Traceback" in line or " ERROR " in line]
    return pd.DataFrame(seen), pd.DataFrame(done), lines


def told(seen: pd.DataFrame, done: pd.DataFrame, lines: list[str]) -> tuple[list[str], bool]:
    """The result in sentences, and whether it is good."""
    visited = seen[seen.phase == "visited"]
    later = visited[visited.minute > visited.minute.iloc[0] + (visited.minute.iloc[-1] - visited.minute.iloc[0]) / 5]
    early = visited[visited.minute <= later.minute.iloc[0]].memory.iloc[-3:].mean()
    grown = later.memory.iloc[-5:].mean() - early
    walks, uploads = (done[done.what == what].seconds for what in ("walk", "upload"))
    failed = int((done.what == "error").sum())
    before, after = seen.iloc[0], seen.iloc[-1]
    sentences = [
        f"{len(done)} steps of {done.visitor.nunique()} visitors in {visited.minute.iloc[-1]:.1f} minutes, "
        f"{failed} failed, {len(lines)} error lines",
        f"memory {before.memory:.0f} MB before, {early:.0f} after a fifth, {later.memory.max():.0f} at most, "
        f"{grown:+.0f} from then to the end, {after.memory:.0f} when all had left",
        f"threads {before.threads:.0f} before, {visited.threads.max():.0f} at most, {after.threads:.0f} after; "
        f"open files {before.files:.0f}, {visited.files.max():.0f}, {after.files:.0f}",
        f"page changes: half within {walks.median():.2f} s, 95 of 100 within {np.percentile(walks, 95):.2f} s; "
        f"photos: {uploads.median():.2f} s, {np.percentile(uploads, 95):.2f} s",
    ]
    good = grown <= GROWTH and not failed and not lines and after.threads <= before.threads + 20
    return sentences, bool(good)


def chart(seen: pd.DataFrame, done: pd.DataFrame) -> alt.VConcatChart:
    """Memory, threads and files, and how long everything took, one below the other."""
    lines = [
        alt.Chart(seen, width=700, height=120).mark_line().encode(alt.X("minute"), alt.Y(name).scale(zero=False))
        for name in ("memory", "threads", "files")
    ]
    waits = alt.Chart(done.dropna(subset="seconds"), width=700, height=160).mark_point(opacity=0.4)
    return alt.vconcat(*lines, waits.encode(alt.X("minute"), alt.Y("seconds"), alt.Color("what")))


def main() -> int:
    """Soak, tell, draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--cameras", type=int, default=2)
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    seen, done, lines = soak(options.minutes, options.visitors, options.cameras)
    seen.to_csv(OUT / "process.csv", index=False)
    done.to_csv(OUT / "steps.csv", index=False)
    chart(seen, done).save(OUT / "load.svg")
    sentences, good = told(seen, done, lines)
    print("\r" + "\n".join([*sentences, *lines[:10], f"in {OUT}"]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
