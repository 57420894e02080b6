"""Resolve requirements.lock for each system and Python version, without installing: `make platforms`.

Only wheels count, as in an installation of the project. uv, which `make lock` also uses, reads their names and metadata
from the package index; each combination takes some seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

LOCK_FILE: Final = Path(__file__).resolve().parents[1] / "requirements.lock"
PYTHON_VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
UNSUPPORTED_PYTHON_VERSIONS: Final = ("3.14",)
_MAX_SECONDS: Final = 600


class System(NamedTuple):
    """A system by the name that uv has for it; `macos_version` is the oldest one that counts."""

    title: str
    platform: str
    is_supported: bool = True
    macos_version: str = ""


SYSTEMS: Final = (
    System("Linux x64 (glibc 2.28)", "x86_64-manylinux_2_28"),
    System("Linux arm64 (glibc 2.28)", "aarch64-manylinux_2_28"),
    System("Windows x64", "x86_64-pc-windows-msvc"),
    System("macOS 14 arm64", "aarch64-apple-darwin", macos_version="14.0"),
    System("macOS 14 Intel", "x86_64-apple-darwin", is_supported=False, macos_version="14.0"),
)


def resolve(system: System, python_version: str) -> str:
    """Return why the lock does not resolve, "" where it does."""
    with tempfile.TemporaryDirectory() as target:
        command = [
            sys.executable,
            *("-m", "uv", "pip", "install", "--dry-run", "--quiet", "--no-config"),
            *("--python", sys.executable, "--target", target),
            *("--python-platform", system.platform, "--python-version", python_version),
            *("--only-binary", ":all:", "--require-hashes", "--requirement", str(LOCK_FILE)),
        ]
        environment = {**os.environ, "NO_COLOR": "1"}
        if system.macos_version:
            environment["MACOSX_DEPLOYMENT_TARGET"] = system.macos_version
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=_MAX_SECONDS, check=False
        )
    return "" if done.returncode == 0 else find_reason(done.stderr)


def find_reason(output: str) -> str:
    """Return the first sentence of uv's explanation."""
    text = " ".join(output.split())
    start = text.find("Because ")
    return (text[start:] if start >= 0 else text).split(", we can conclude")[0][:300] or "no reason given"


def main() -> int:
    """Print a table; return 1 where a supported combination does not resolve."""
    print("| system | " + " | ".join(f"Python {version}" for version in PYTHON_VERSIONS) + " |")
    print("|---" * (len(PYTHON_VERSIONS) + 1) + "|")
    reasons, num_failures = [], 0
    for system in SYSTEMS:
        cells = []
        for version in PYTHON_VERSIONS:
            reason = resolve(system, version)
            cells.append("no" if reason else "yes")
            if reason:
                reasons.append(f"{system.title}, Python {version}: {reason}")
                num_failures += system.is_supported and version not in UNSUPPORTED_PYTHON_VERSIONS
        print(f"| {system.title} | {' | '.join(cells)} |", flush=True)
    print("\n".join(["", *reasons]))
    return int(num_failures > 0)


if __name__ == "__main__":
    sys.exit(main())
