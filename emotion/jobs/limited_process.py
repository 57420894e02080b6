"""Run a module on a file from elsewhere in a process of its own, with little memory and time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil

from emotion.storage import PROJECT_ROOT
from emotion.translation.messages import gettext as _

MAX_CPU_SECONDS: Final = 20
# Includes the import of modules. On Windows it is the only limit of time; elsewhere a busy machine may take its time.
_MAX_WALL_SECONDS: Final = 60 if sys.platform == "win32" else 180
_MAX_MEMORY_BYTES: Final = 4_000_000_000  # of addresses, beside those of the modules that it has loaded


def run_limited(module: str, path: Path) -> str:
    """Run a module as a program, with a file and the seconds of computing that it may take as its arguments.

    Args:
        module: A module that calls `limit_process` and then `print_problem`.
        path: The file.

    Returns:
        What the module found wrong with the file, or that it took too long or died; "" where nothing is wrong.
    """
    command = [sys.executable, "-m", module, str(path.resolve()), str(MAX_CPU_SECONDS)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_MAX_WALL_SECONDS,
            check=False,
            cwd=PROJECT_ROOT,
        )
    except subprocess.TimeoutExpired:
        return _describe_slowness()
    if sys.platform != "win32" and done.returncode == -signal.SIGXCPU:
        return _describe_slowness()
    try:
        return _(str(json.loads(done.stdout.splitlines()[-1])["problem"]))
    except (ValueError, IndexError, KeyError, TypeError):
        return _("the process that tried it ended with code {code}").format(code=done.returncode)


def _describe_slowness() -> str:
    return _("it was not ready after {seconds} seconds of computing").format(seconds=MAX_CPU_SECONDS)


def limit_process(max_cpu_seconds: int) -> None:
    """Bound what this process may take from here on; without an effect on Windows, where only its time is bounded."""
    if sys.platform != "win32":
        import resource

        process = psutil.Process()
        used_seconds = round(sum(process.cpu_times()[:2]))
        max_bytes = process.memory_info().vms + _MAX_MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (used_seconds + max_cpu_seconds, used_seconds + max_cpu_seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def print_problem(problem: str) -> None:
    """Tell the process that called `run_limited` what is wrong."""
    print(json.dumps({"problem": problem}))
