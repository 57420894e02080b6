"""What the soak calls good and what not; the soak itself is `make load-test`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("playwright", reason="THE SOAK'S TESTS DID NOT RUN: Playwright is not installed")
from tests.load.__main__ import chart, told
from tests.load.visitors import photos


def measured(memory: Any = 0.0, after: Any = None) -> pd.DataFrame:
    minutes = np.linspace(0, 10, 101)
    seen = pd.DataFrame({"minute": minutes, "phase": "visited", "memory": 400.0 + memory, "threads": 60, "files": 90})
    ends = [
        {"minute": 0, "phase": "before", "memory": 200.0, "threads": 20, "files": 30},
        {"minute": 11, "phase": "after", "memory": 300.0, "threads": 22, "files": 31} | (after or {}),
    ]
    return pd.concat([pd.DataFrame(ends[:1]), seen, pd.DataFrame(ends[1:])], ignore_index=True)


def steps(**more: Any) -> pd.DataFrame:
    rows = [
        {"minute": i / 10, "visitor": i % 10, "what": ("walk", "upload")[i % 2], "seconds": 0.2} for i in range(100)
    ]
    return pd.DataFrame([*rows, *([{"minute": 9, "visitor": 1, "seconds": np.nan} | more] if more else [])])


def test_a_calm_hour_is_good() -> None:
    sentences, good = told(measured(), steps(), [])
    assert good
    assert sentences[0] == "100 steps of 10 visitors in 10.0 minutes, 0 failed, 0 error lines"
    assert sentences[1].startswith("memory 200 MB before, 400 after a fifth, 400 at most, +0 from then to the end")
    assert "95 of 100 within 0.20 s" in sentences[3]


def test_a_start_that_takes_memory_is_good() -> None:
    assert told(measured(memory=np.minimum(np.linspace(0, 10, 101), 1) * 300), steps(), [])[1]


@pytest.mark.parametrize(
    ("seen", "done", "lines"),
    [
        (measured(memory=np.linspace(0, 150, 101)), steps(), []),
        (measured(after={"threads": 60}), steps(), []),
        (measured(), steps(what="error"), []),
        (measured(), steps(), ["Traceback (most recent call last):"]),
    ],
    ids=["leak", "threads", "error", "log"],
)
def test_what_is_not_good(seen: pd.DataFrame, done: pd.DataFrame, lines: list[str]) -> None:
    assert not told(seen, done, lines)[1]


def test_the_chart_can_be_drawn() -> None:
    assert chart(measured(), steps()).to_dict()["vconcat"]


def test_no_two_photos_are_alike() -> None:
    some = photos()
    assert len({next(some) for _ in range(5)}) == 5
