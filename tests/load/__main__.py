"""Load test of `make load-test MINUTES=10`: ten visitors, two of them with a camera, and the app's resources."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd
import psutil
from playwright.sync_api import Error, sync_playwright

from tests.browser.conftest import FLAGS, SYSTEM_BROWSERS, started
from tests.load.visitors import ROOT, CameraVisitor, Visitor, write_two_faces

OUTPUT_FOLDER = ROOT / "out" / "load"
MAX_MEMORY_GROWTH_MB = 100.0  # after the first fifth of the test
MAX_NEW_THREADS = 20
SAMPLE_SECONDS = 5.0  # between two samples of the process
CLEANUP_SECONDS = 60.0  # the app keeps a session for 30 seconds after its visitor has left


class LoadResult(NamedTuple):
    """Samples of the process, actions of the visitors, and lines of the log with an error."""

    samples: pd.DataFrame
    actions: pd.DataFrame
    error_lines: list[str]


def find_server(url: str) -> psutil.Process:
    """Return the child process that listens at a URL."""
    port = int(url.rsplit(":", 1)[1])
    for process in psutil.Process().children(recursive=True):
        connections = process.net_connections("tcp")
        if any(connection.laddr.port == port for connection in connections if connection.status == "LISTEN"):
            return process
    raise SystemExit(f"No process listens at {url}; see the log of the app.")


def sample_process(server: psutil.Process) -> dict[str, float]:
    """Return memory in MB, threads, open files and sockets, and child processes."""
    return {
        "memory": server.memory_info().rss / 2**20,
        "threads": server.num_threads(),
        "files": server.num_fds(),
        "children": len(server.children(recursive=True)),
    }


def run_load(minutes: float, num_visitors: int, num_cameras: int) -> LoadResult:
    """Start an app and let the visitors act in turn for some minutes."""
    samples, actions = list[dict[str, Any]](), list[dict[str, Any]]()
    log = OUTPUT_FOLDER / "app.log"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, started(log=log) as url:
        executable = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), playwright.chromium.executable_path)
        flags = [*FLAGS, *write_two_faces(Path(folder))]
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        server, start = find_server(url), time.monotonic()

        def minutes_passed() -> float:
            return (time.monotonic() - start) / 60

        def add_sample(phase: str) -> None:
            samples.append({"minute": minutes_passed(), "phase": phase, **sample_process(server)})

        add_sample("before")
        visitors: list[CameraVisitor | Visitor] = [
            CameraVisitor(browser.new_context(), url) for _ in range(num_cameras)
        ]
        visitors += [Visitor(browser.new_context(), url, seed) for seed in range(num_visitors - num_cameras)]
        last_sample = 0.0
        while minutes_passed() < minutes:
            index = len(actions) % len(visitors)
            row: dict[str, Any] = {"minute": minutes_passed(), "visitor": index}
            try:
                action, seconds = visitors[index].step()
                actions.append(row | {"action": action, "seconds": seconds})
            except Error as error:
                message = str(error).split("\n")[0]
                actions.append(row | {"action": "error", "seconds": float("nan"), "error": message})
            if time.monotonic() - last_sample > SAMPLE_SECONDS:
                last_sample = time.monotonic()
                add_sample("visited")
                print(f"\r{minutes_passed():.1f} of {minutes} minutes, {len(actions)} actions ", end="", flush=True)
        browser.close()
        time.sleep(CLEANUP_SECONDS)
        add_sample("after")
    error_lines = [line for line in log.read_text().splitlines() if "Traceback" in line or " ERROR " in line]
    return LoadResult(pd.DataFrame(samples), pd.DataFrame(actions), error_lines)


def summarize(result: LoadResult) -> tuple[list[str], bool]:
    """Return the result in sentences, and whether it is within the limits."""
    samples, actions, error_lines = result
    visited = samples[samples.phase == "visited"]
    first_minute, last_minute = visited.minute.iloc[0], visited.minute.iloc[-1]
    later = visited[visited.minute > first_minute + (last_minute - first_minute) / 5]
    early_memory = visited[visited.minute <= later.minute.iloc[0]].memory.iloc[-3:].mean()
    memory_growth = later.memory.iloc[-5:].mean() - early_memory
    walks, uploads = (actions[actions.action == action].seconds for action in ("walk", "upload"))
    num_failed = int((actions.action == "error").sum())
    before, after = samples.iloc[0], samples.iloc[-1]
    sentences = [
        f"{len(actions)} actions of {actions.visitor.nunique()} visitors in {last_minute:.1f} minutes, "
        f"{num_failed} failed, {len(error_lines)} error lines",
        f"memory {before.memory:.0f} MB before, {early_memory:.0f} after a fifth, {later.memory.max():.0f} at most, "
        f"{memory_growth:+.0f} from then to the end, {after.memory:.0f} without visitors",
        f"threads {before.threads:.0f} before, {visited.threads.max():.0f} at most, {after.threads:.0f} after; "
        f"open files {before.files:.0f}, {visited.files.max():.0f}, {after.files:.0f}",
        f"page changes: median {walks.median():.2f} s, 95th percentile {np.percentile(walks, 95):.2f} s; "
        f"photos: {uploads.median():.2f} s, {np.percentile(uploads, 95):.2f} s",
    ]
    is_within_limits = (
        memory_growth <= MAX_MEMORY_GROWTH_MB
        and not num_failed
        and not error_lines
        and after.threads <= before.threads + MAX_NEW_THREADS
    )
    return sentences, bool(is_within_limits)


def plot_result(result: LoadResult) -> alt.VConcatChart:
    """Plot memory, threads, files and the duration of every action, one below the other."""
    lines = [
        alt.Chart(result.samples, width=700, height=120)
        .mark_line()
        .encode(alt.X("minute"), alt.Y(name).scale(zero=False))
        for name in ("memory", "threads", "files")
    ]
    durations = alt.Chart(result.actions.dropna(subset="seconds"), width=700, height=160).mark_point(opacity=0.4)
    return alt.vconcat(*lines, durations.encode(alt.X("minute"), alt.Y("seconds"), alt.Color("action")))


def main() -> int:
    """Run the load test, write tables and chart, print the summary and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--cameras", type=int, default=2)
    options = parser.parse_args()
    OUTPUT_FOLDER.mkdir(parents=True, exist_ok=True)
    result = run_load(options.minutes, options.visitors, options.cameras)
    result.samples.to_csv(OUTPUT_FOLDER / "process.csv", index=False)
    result.actions.to_csv(OUTPUT_FOLDER / "actions.csv", index=False)
    plot_result(result).save(OUTPUT_FOLDER / "load.svg")
    sentences, is_within_limits = summarize(result)
    print("\r" + "\n".join([*sentences, *result.error_lines[:10], f"in {OUTPUT_FOLDER}"]))
    return 0 if is_within_limits else 1


if __name__ == "__main__":
    sys.exit(main())
