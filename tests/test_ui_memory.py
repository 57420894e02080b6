"""What is set aside for the garbage collector, and that garbage among it is freed in the end."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from types import ModuleType

import pytest

from emotion import ui_memory


class Circle:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no page had been shown yet."""
    gc.unfreeze()
    monkeypatch.setattr(ui_memory, "_seen", 0)
    monkeypatch.setattr(ui_memory, "_at", 0.0)
    yield
    gc.unfreeze()


def test_the_collector_has_little_to_look_through_afterwards() -> None:
    before = len(gc.get_objects())
    ui_memory.set_aside()
    assert len(gc.get_objects()) < before / 20
    assert gc.get_freeze_count() > before / 2


def test_garbage_from_before_is_not_kept() -> None:
    seen = weakref.ref(Circle())
    ui_memory.set_aside()
    assert seen() is None


def test_later_garbage_is_collected_as_ever() -> None:
    ui_memory.set_aside()
    seen = weakref.ref(Circle())
    gc.collect()
    assert seen() is None


def test_nothing_is_done_again_without_new_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    ui_memory.set_aside()
    count = gc.get_freeze_count()
    kept = [Circle() for _ in range(10_000)]
    ui_memory.set_aside()
    assert gc.get_freeze_count() <= count
    monkeypatch.setitem(sys.modules, "a_new_module", ModuleType("a_new_module"))
    ui_memory.set_aside()
    assert gc.get_freeze_count() > count + len(kept) / 2


def test_what_became_garbage_later_is_freed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    circle = Circle()
    seen = weakref.ref(circle)
    ui_memory.set_aside()
    del circle
    ui_memory.set_aside()
    gc.collect()
    assert seen() is not None, "it was set aside"
    monkeypatch.setattr(ui_memory.time, "monotonic", lambda: ui_memory._at + ui_memory._AGAIN + 1)
    ui_memory.set_aside()
    assert seen() is None
