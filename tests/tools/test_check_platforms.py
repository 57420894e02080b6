from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tools import check_platforms
from tools.check_platforms import SYSTEMS, find_reason, resolve

OUTPUT = """  × No solution found when resolving dependencies:
  ╰─▶ Because h5py==3.14.0 has no usable wheels and you require
      h5py==3.14.0, we can conclude that your requirements are unsatisfiable.
"""


def test_the_reason_is_one_line() -> None:
    assert find_reason(OUTPUT) == "Because h5py==3.14.0 has no usable wheels and you require h5py==3.14.0"
    assert find_reason("error: no network") == "error: no network"
    assert find_reason("") == "no reason given"


@pytest.mark.parametrize(("code", "reason"), [(0, ""), (1, "Because")])
def test_only_wheels_of_the_system_and_known_files_count(
    monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    commands: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], **options: Any) -> Any:
        commands.append((command, options["env"]))
        return subprocess.CompletedProcess(command, code, "", OUTPUT)

    monkeypatch.setattr(check_platforms.subprocess, "run", run)
    mac = next(system for system in SYSTEMS if system.title == "macOS 14 arm64")
    assert resolve(mac, "3.12").startswith(reason)
    ((command, environment),) = commands
    assert {"--dry-run", "--require-hashes", "--only-binary", "aarch64-apple-darwin", "3.12"} <= set(command)
    assert environment["MACOSX_DEPLOYMENT_TARGET"] == "14.0"


@pytest.mark.parametrize(("broken", "code"), [("macOS 14 arm64", 1), ("macOS 14 Intel", 0), ("", 0)])
def test_a_supported_system_that_does_not_resolve_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str, code: int
) -> None:
    monkeypatch.setattr(check_platforms, "resolve", lambda system, _: "no wheel" if system.title == broken else "")
    assert check_platforms.main() == code
    table = capsys.readouterr().out
    assert ("no wheel" in table) == bool(broken)
    assert len([line for line in table.splitlines() if line.startswith("| ")]) == 1 + len(SYSTEMS)
