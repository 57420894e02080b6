"""Benchmark of archives: its rows and their ratios."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emotion.benchmarks import archive
from emotion.cli.main import main
from emotion.model_store.store import ModelBundle

SECONDS = {("local", 1): 10.0, ("local", 2): 5.0, ("ray", 1): 11.0, ("ray", 2): 5.5}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are measured, with known durations; Ray counts as installed."""
    commands: list[list[str]] = []

    def run(arguments: list[str]) -> tuple[str, Any]:
        commands.append(arguments)
        seconds = SECONDS[arguments[5], int(arguments[7])]
        count = len(list(Path(arguments[1]).iterdir()))
        return json.dumps({"seconds": seconds, "files_per_second": count / seconds}), {}

    monkeypatch.setattr(archive, "run_with_peak_memory", run)
    monkeypatch.setattr(archive, "VIDEO_SECONDS", 0.1)
    monkeypatch.setattr(archive.importlib.util, "find_spec", lambda name: object())
    return commands


def test_engines_and_numbers_of_workers_are_compared(measured: list[list[str]]) -> None:
    rows = archive.benchmark_archives(4, 2)
    assert len(measured) == len(rows) == 8
    assert [row["sources"] for row in rows] == ["photos"] * 4 + ["videos"] * 4
    assert [row["files_per_second"] for row in rows[:2]] == [0.4, 0.8]
    assert [row.get("speedup") for row in rows[:4]] == [None, 2.0, None, 2.0]
    assert [row.get("overhead") for row in rows[:4]] == [None, None, 0.1, 0.1]


def test_the_command_prints_the_ratios(
    measured: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = archive.benchmark_archives
    monkeypatch.setattr(archive, "benchmark_archives", lambda: benchmark(1, 1))
    assert main(["benchmark", "archive"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[3]
        == "photos ray   workers: 2      5.5 s    0.18 files a second, 2.00 x one worker, 10% more time than local"
    )


@pytest.mark.slow
def test_a_real_archive_is_analyzed(tiny: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "VIDEO_SECONDS", 0.5)
    monkeypatch.setattr(archive, "_NUM_WORKERS", (1,))
    monkeypatch.setattr(archive.importlib.util, "find_spec", lambda name: None)
    rows = archive.benchmark_archives(3, 1, tiny.folder)
    assert [(row["sources"], row["engine"]) for row in rows] == [("photos", "local"), ("videos", "local")]
    assert all(row["seconds"] > 0 for row in rows)
