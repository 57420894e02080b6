"""The limits, summary and chart of the load test; the load test itself is `make load-test`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("playwright", reason="THE TESTS OF THE LOAD TEST DID NOT RUN: Playwright is not installed")
from tests.load.__main__ import LoadResult, plot_result, summarize
from tests.load.visitors import unique_photos


def make_samples(memory: Any = 0.0, after: Any = None) -> pd.DataFrame:
    minutes = np.linspace(0, 10, 101)
    visited = pd.DataFrame(
        {"minute": minutes, "phase": "visited", "memory": 400.0 + memory, "threads": 60, "files": 90}
    )
    ends = [
        {"minute": 0, "phase": "before", "memory": 200.0, "threads": 20, "files": 30},
        {"minute": 11, "phase": "after", "memory": 300.0, "threads": 22, "files": 31} | (after or {}),
    ]
    return pd.concat([pd.DataFrame(ends[:1]), visited, pd.DataFrame(ends[1:])], ignore_index=True)


def make_actions(**extra: Any) -> pd.DataFrame:
    rows = [
        {"minute": i / 10, "visitor": i % 10, "action": ("walk", "upload")[i % 2], "seconds": 0.2} for i in range(100)
    ]
    return pd.DataFrame([*rows, *([{"minute": 9, "visitor": 1, "seconds": np.nan} | extra] if extra else [])])


def test_constant_resources_are_within_the_limits() -> None:
    sentences, is_within_limits = summarize(LoadResult(make_samples(), make_actions(), []))
    assert is_within_limits
    assert sentences[0] == "100 actions of 10 visitors in 10.0 minutes, 0 failed, 0 error lines"
    assert sentences[1].startswith("memory 200 MB before, 400 after a fifth, 400 at most, +0 from then to the end")
    assert "95th percentile 0.20 s" in sentences[3]


def test_memory_growth_at_the_start_is_within_the_limits() -> None:
    samples = make_samples(memory=np.minimum(np.linspace(0, 10, 101), 1) * 300)
    assert summarize(LoadResult(samples, make_actions(), []))[1]


@pytest.mark.parametrize(
    ("samples", "actions", "error_lines"),
    [
        (make_samples(memory=np.linspace(0, 150, 101)), make_actions(), []),
        (make_samples(after={"threads": 60}), make_actions(), []),
        (make_samples(), make_actions(action="error"), []),
        (make_samples(), make_actions(), ["Traceback (most recent call last):"]),
    ],
    ids=["leak", "threads", "error", "log"],
)
def test_leaks_and_errors_exceed_the_limits(
    samples: pd.DataFrame, actions: pd.DataFrame, error_lines: list[str]
) -> None:
    assert not summarize(LoadResult(samples, actions, error_lines))[1]


def test_the_chart_can_be_drawn() -> None:
    assert plot_result(LoadResult(make_samples(), make_actions(), [])).to_dict()["vconcat"]


def test_all_uploaded_photos_are_different() -> None:
    photos = unique_photos()
    assert len({next(photos) for _ in range(5)}) == 5
