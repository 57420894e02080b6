"""What a server does beside its pages: bounded uploads, visitors apart, and the removal of what was left or expired."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from starlette.middleware import Middleware
from streamlit import config
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from emotion.environment import is_public
from emotion.jobs.temporary_folder import remove_abandoned_folders
from emotion.ui import streamlit_workarounds
from emotion.ui.visitors.media_storage import OwnedMediaStorage
from emotion.ui.visitors.middleware import VisitorMiddleware
from emotion.ui.visitors.upload_storage import SpooledUploadManager
from emotion.video.space import VisitorQuota

_FIRST_CLEANUP_SECONDS: Final = 5.0  # leaves the processor to the first page
_CLEANUP_SECONDS: Final = 300.0
_SECONDS_PER_HOUR: Final = 3600

_log: Final = logging.getLogger("emotion")


def protect_visitors() -> None:
    """Prepare the server that is about to start.

    Raises:
        SettingsError: The quota in the environment is not usable.
    """
    quota = VisitorQuota.from_environment()
    media_storage = OwnedMediaStorage if is_public() else MemoryMediaFileStorage
    streamlit_workarounds.replace_storages(media_storage, SpooledUploadManager)
    if is_public():
        streamlit_workarounds.add_middleware(lambda: _make_middleware(quota))
    threading.Thread(target=_clean_up_forever, name="clean-up", daemon=True).start()


def _make_middleware(quota: VisitorQuota) -> Middleware:
    base = config.get_option("server.baseUrlPath").strip("/")
    # A page that stays open adds videos until its cookie expires, and they stay for as long again.
    cookie_seconds = round(2 * quota.hours * _SECONDS_PER_HOUR)
    return Middleware(VisitorMiddleware, cookie_seconds=cookie_seconds, base_path=f"/{base}" if base else "")


def _clean_up_forever() -> None:
    """Remove what a killed server left, once, and the videos of visitors as they expire."""
    time.sleep(_FIRST_CLEANUP_SECONDS)
    _clean_up()
    while is_public():
        time.sleep(_CLEANUP_SECONDS)
        _clean_up()


def _clean_up() -> None:
    try:
        remove_abandoned_folders()
        if is_public():
            from emotion.video import library  # pandas, which a server without videos does not need

            library.remove_expired()
    except Exception:  # the thread must go on for as long as the server
        _log.exception("failed: clean-up")
