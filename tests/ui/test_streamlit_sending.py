"""That the elements of a fragment reach the browser on a busy machine."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from emotion.ui import streamlit_workarounds


def test_elements_are_sent_before_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, began, free, sent = asyncio.new_event_loop(), threading.Event(), threading.Event(), threading.Event()

    def be_busy() -> None:
        began.set()
        assert free.wait(10)
        loop.call_soon(sent.set)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    objects = SimpleNamespace(_get_async_objs=lambda: SimpleNamespace(eventloop=loop))
    monkeypatch.setattr(streamlit_workarounds.runtime, "exists", lambda: True)
    monkeypatch.setattr(streamlit_workarounds.runtime, "get_instance", lambda: objects)
    try:
        loop.call_soon_threadsafe(be_busy)
        assert began.wait(10)
        threading.Timer(0.05, free.set).start()
        streamlit_workarounds.send_elements()
        assert sent.is_set()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
