"""What is set aside for the garbage collector, and that garbage among it is freed in the end."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from types import ModuleType

import pytest

from emotion.ui import streamlit_workarounds

pytestmark = pytest.mark.slow  # collects the garbage of the whole process


class Circle:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no page had been shown yet."""
    gc.unfreeze()
    monkeypatch.setattr(streamlit_workarounds, "_num_modules", 0)
    monkeypatch.setattr(streamlit_workarounds, "_last_freeze_timestamp", 0.0)
    yield
    gc.unfreeze()


def test_freezing_leaves_few_collectable_objects() -> None:
    before = len(gc.get_objects())
    streamlit_workarounds.freeze_objects()
    assert len(gc.get_objects()) < before / 20
    assert gc.get_freeze_count() > before / 2


def test_earlier_garbage_is_freed_before_freezing() -> None:
    seen = weakref.ref(Circle())
    streamlit_workarounds.freeze_objects()
    assert seen() is None


def test_later_garbage_is_collected() -> None:
    streamlit_workarounds.freeze_objects()
    seen = weakref.ref(Circle())
    gc.collect()
    assert seen() is None


def test_freezing_repeats_only_after_new_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    streamlit_workarounds.freeze_objects()
    count = gc.get_freeze_count()
    kept = [Circle() for _ in range(10_000)]
    streamlit_workarounds.freeze_objects()
    assert gc.get_freeze_count() <= count
    monkeypatch.setitem(sys.modules, "a_new_module", ModuleType("a_new_module"))
    streamlit_workarounds.freeze_objects()
    assert gc.get_freeze_count() > count + len(kept) / 2


def test_frozen_garbage_is_freed_by_the_full_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    circle = Circle()
    seen = weakref.ref(circle)
    streamlit_workarounds.freeze_objects()
    del circle
    streamlit_workarounds.freeze_objects()
    gc.collect()
    assert seen() is not None, "it was set aside"
    monkeypatch.setattr(
        streamlit_workarounds.time,
        "monotonic",
        lambda: streamlit_workarounds._last_freeze_timestamp + streamlit_workarounds._FULL_COLLECT_SECONDS + 1,
    )
    streamlit_workarounds.freeze_objects()
    assert seen() is None
