"""What a server does beside its pages: security headers, bounded uploads, visitors apart, removal of expired files."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Final

from starlette.middleware import Middleware
from streamlit import config
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from emotion.environment import is_public
from emotion.jobs.temporary_folder import remove_abandoned_folders
from emotion.ui import streamlit_workarounds
from emotion.ui.visitors.hosts import read_hosts
from emotion.ui.visitors.media_storage import OwnedMediaStorage
from emotion.ui.visitors.middleware import VisitorMiddleware
from emotion.ui.visitors.security import SecurityMiddleware
from emotion.ui.visitors.upload_storage import SpooledUploadManager
from emotion.video.space import VisitorQuota

_FIRST_CLEANUP_SECONDS: Final = 5.0  # leaves the processor to the first page
_CLEANUP_SECONDS: Final = 300.0
_SECONDS_PER_HOUR: Final = 3600
_HOSTS_OPTION: Final = "STREAMLIT_SERVER_ALLOWED_HOSTS"  # Streamlit reads its option server.allowedHosts from it

_log: Final = logging.getLogger("emotion")


def protect_visitors() -> None:
    """Prepare the server that is about to start.

    Raises:
        SettingsError: The quota or the host names in the environment are not usable.
    """
    quota = VisitorQuota.from_environment()
    media_storage = OwnedMediaStorage if is_public() else MemoryMediaFileStorage
    streamlit_workarounds.replace_storages(media_storage, SpooledUploadManager)
    if is_public():
        streamlit_workarounds.add_middleware(lambda: _make_visitor_middleware(quota))
    streamlit_workarounds.add_middleware(lambda: Middleware(SecurityMiddleware, base_path=_get_base_path()))
    if hosts := read_hosts():
        os.environ[_HOSTS_OPTION] = " ".join(hosts)
    threading.Thread(target=_clean_up_forever, name="clean-up", daemon=True).start()


def _make_visitor_middleware(quota: VisitorQuota) -> Middleware:
    # A page that stays open adds videos until its cookie expires, and they stay for as long again.
    cookie_seconds = round(2 * quota.hours * _SECONDS_PER_HOUR)
    return Middleware(VisitorMiddleware, cookie_seconds=cookie_seconds, base_path=_get_base_path())


def _get_base_path() -> str:
    """Return the path below which the server answers: "" or "/PATH"."""
    base = config.get_option("server.baseUrlPath").strip("/")
    return f"/{base}" if base else ""


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
