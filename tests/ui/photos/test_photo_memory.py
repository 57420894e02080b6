"""What a session holds of its photos is freed when it ends."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime import Runtime, RuntimeConfig
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from emotion.recognition.settings import AnalyzerSettings
from emotion.ui.photos import photo_cache

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 40.0
PAGE = """
from emotion.ui.photos import photo_cache, selection
from tests.ui.photos import test_photo_memory as test


def show_page():  # Streamlit keeps the globals of the page that ran last
    upload = test.Upload(b"a photo")
    test.held.append(test.weakref.ref(upload))
    selection.set_photos([("a.jpg", upload)], 1)
    test.held.append(test.weakref.ref(photo_cache.analyze_photo(upload, "a.jpg")))


if not test.num_runs[0]:
    show_page()
test.num_runs[0] += 1
"""

held: list[weakref.ref[Any]] = []
num_runs = [0]


class Upload(bytearray):
    """The bytes of a photo, whose end can be observed."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class Analysis:
    """An analysis whose end can be observed."""


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def open_page(runtime: Runtime, expected_runs: int) -> str:
    """Open the page in a new session, wait until it ran, and return the id of the session."""
    client: Any = SimpleNamespace(write_forward_msg=lambda message: None)
    session_id = runtime.connect_session(client, {})
    message = BackMsg()
    message.rerun_script.query_string = ""
    runtime.handle_backmsg(session_id, message)
    await wait_until(lambda: num_runs[0] == expected_runs)
    return session_id


async def run_session(page: Path, end: Callable[[Runtime, str], Awaitable[None]]) -> None:
    """Open the page in a session, check that its photo is held, and end the session."""
    config = RuntimeConfig(str(page), MemoryMediaFileStorage("/media"), MemoryUploadedFileManager("/upload"))
    runtime = Runtime(config)
    await runtime.start()
    try:
        session_id = await open_page(runtime, 1)
        gc.collect()
        assert len(held) == 2
        assert all(reference() is not None for reference in held)
        await end(runtime, session_id)
    finally:
        runtime.stop()
        await runtime.stopped
        Runtime._instance = None


def test_a_closed_session_frees_its_photos_and_their_analyses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def close(runtime: Runtime, session_id: str) -> None:
        runtime.close_session(session_id)
        await open_page(runtime, 2)  # until then, the loop of Streamlit refers to the last session

        def is_freed() -> bool:
            gc.collect()
            return all(reference() is None for reference in held)

        try:
            await wait_until(is_freed)
        except TimeoutError:
            pytest.fail(f"these are still held: {[type(reference()) for reference in held]}")

    page = tmp_path / "page.py"
    page.write_text(PAGE)
    analyzer = SimpleNamespace(classifier=SimpleNamespace(bundle=SimpleNamespace(sha256="0")))
    settings = SimpleNamespace(analyzer_settings=AnalyzerSettings(), detector="none")
    monkeypatch.setattr(photo_cache.session, "get_analyzer", lambda: analyzer)
    monkeypatch.setattr(photo_cache.session, "get_settings", lambda: settings)
    monkeypatch.setattr(photo_cache.photos, "analyze_photo", lambda *_: Analysis())
    held.clear()
    num_runs[0] = 0
    asyncio.run(run_session(page, close))
