"""Run a program under strace, which also sees what native code does: its connections and the files that it writes."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import pytest

# With "?" where not every processor has it.
_NETWORK: Final = "connect,sendto,sendmsg,sendmmsg"
_FILES: Final = (
    "openat,?openat2,?open,?creat,?mkdir,mkdirat,?mknod,mknodat,?rename,?renameat,?renameat2,?link,linkat,?symlink,"
    "symlinkat"
)
_ADDRESS: Final = re.compile(
    r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")', re.DOTALL
)
_RESOLVERS: Final = re.compile(r'sun_path="[^"]*(?:systemd/resolve|avahi-daemon)')
_LOOKUP_PORTS: Final = (53, 853, 5353)
_PATH: Final = re.compile(r'(?:<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_WRITING: Final = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC)")
_NO_FILES: Final = ("/dev/null", "/dev/tty", "/dev/pts/", "/dev/shm/sem.", "/proc/")  # sem.: semaphores
_CALL: Final = re.compile(r"^\d+ +(\w+)\((.*)", re.DOTALL)


def require_strace() -> str:
    """The path of strace; without it the test is skipped, and fails where CI is set."""
    found = shutil.which("strace") if sys.platform == "linux" else None
    if found:
        return found
    message = "THE PRIVACY TESTS DID NOT RUN: there is no strace (Linux only; apt install strace)"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@dataclass
class Traced:
    """A running program; `home` is its empty home folder, it may write to the folders `allowed` only."""

    process: subprocess.Popen[str]
    trace: Path
    home: Path
    cwd: Path
    allowed: Sequence[Path]
    started: float = field(default_factory=time.monotonic)

    def violations(self) -> list[str]:
        """What it did so far that it must not do: name look-ups, connections off the loopback, files elsewhere."""
        return sorted({*self.connections(), *self.files()})

    def connections(self) -> list[str]:
        """Addresses off the loopback, and name look-ups anywhere."""
        return [
            found for name, call_arguments in self._calls() if name in _NETWORK for found in _foreign(call_arguments)
        ]

    def files(self) -> list[str]:
        """Paths outside of `allowed` that it wrote, made or moved to, or tried to."""
        return [
            path
            for name, call_arguments in self._calls()
            if name not in _NETWORK
            for path in self._written(name, call_arguments)
            if not self._may_write(path)
        ]

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def wait(self, seconds: float = 300) -> str:
        """Its output after it has ended by itself, with status 0."""
        out, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, out
        return out

    def stop(self) -> None:
        """End it and all that it started, where it still runs."""
        if self.running:
            for child in psutil.Process(self.process.pid).children():  # strace only waits for it
                child.terminate()
        self.process.communicate(timeout=60)

    def _calls(self) -> Iterator[tuple[str, str]]:
        for line in self.trace.read_text(errors="replace").splitlines():
            if call := _CALL.match(line):
                yield call[1], call[2]

    def _written(self, name: str, call_arguments: str) -> Iterator[str]:
        paths = [os.path.normpath(self.cwd / (base or "") / path) for base, path in _PATH.findall(call_arguments)]
        if not name.startswith("open"):
            yield from paths[-1:] if re.match("rename|link|symlink", name) else paths[:1]
        elif _WRITING.search(call_arguments):
            yield from paths[:1]

    def _may_write(self, path: str) -> bool:
        return path.startswith(_NO_FILES) or any(Path(path).is_relative_to(folder) for folder in self.allowed)


def start(
    arguments: Sequence[str], trace: Path, cwd: Path, allowed: Sequence[Path], environment: Mapping[str, str]
) -> Traced:
    """Start `python *arguments` with no other environment than `environment`, PATH, and no bytecode files."""
    trace.touch()
    watch = [
        require_strace(),
        "-f",
        "-qq",
        "-y",
        "--seccomp-bpf",
        "-s",
        "1000",
        "-o",
        str(trace),
        "-e",
        f"trace={_NETWORK},{_FILES}",
        "-e",
        "signal=none",
    ]
    process = subprocess.Popen(
        [*watch, sys.executable, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Traced(process, trace, Path(environment["HOME"]), cwd, allowed)


def _foreign(call_arguments: str) -> Iterator[str]:
    if _RESOLVERS.search(call_arguments):
        yield f"name look-up by {call_arguments}"
    for port, four, six in _ADDRESS.findall(call_arguments):
        address = ipaddress.ip_address(four or six)
        if int(port) in _LOOKUP_PORTS:
            yield f"name look-up at {address}"
        elif not address.is_loopback and not address.is_unspecified:
            yield f"{address} port {port}"
