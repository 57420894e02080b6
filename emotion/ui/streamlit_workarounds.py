"""All work-arounds for Streamlit: why each is needed, and when it can go."""

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import mmap
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import streamlit as st
from streamlit import net_util, runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion.environment import APP_FILE

if TYPE_CHECKING:
    from starlette.middleware import Middleware
    from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

_FULL_COLLECT_SECONDS: Final = 600.0  # frozen objects that became garbage are freed this often
_SEND_SECONDS: Final = 0.02  # two of the intervals in which Streamlit sends messages
_MAX_SEND_SECONDS: Final = 1.0
_PRELOAD_DELAY_SECONDS: Final = 2.0  # leaves the processor to the first page
SIDEBAR_SETTINGS_KEY: Final = "sidebar_settings"
ICON_ONLY: Final = "_icon_only"

_lock = threading.Lock()
_num_modules, _last_freeze_timestamp = 0, 0.0  # at the last freeze; the timestamp is that of time.monotonic


# ------------------------------------------------------------------ network


def disable_ip_lookup() -> None:
    """Stop Streamlit from looking up the IP addresses of this machine.

    To decide on a WebSocket from another origin, Streamlit opens a socket to 8.8.8.8 and requests
    checkip.amazonaws.com; any site in a browser on this machine can cause that, also before the first page is drawn.
    The pages have the origin of the server, and `server.corsAllowedOrigins` lists other allowed origins.

    `emotion app` calls it before the server starts, `app.py` with its first page for those who start `streamlit run`.

    Upstream: https://github.com/streamlit/streamlit/issues/7721, open in Streamlit 1.67. Remove when it is fixed.
    """
    net_util.get_internal_ip = net_util.get_external_ip = lambda: None


# ------------------------------------------------------------------ server


def add_middleware(make_middleware: Callable[[], Middleware]) -> None:
    """Let a middleware see each request before Streamlit does; call it before the server starts.

    Upstream: Streamlit 1.67 takes middleware from an `App` object in a file of its own (`starlette_app.App`), not for
    the script that `streamlit run` and the tests run. Remove when the script can name it.

    Args:
        make_middleware: Called when the server starts, which knows its options by then.
    """
    from streamlit.web.server.starlette import starlette_app

    create = starlette_app.create_streamlit_middleware
    starlette_app.create_streamlit_middleware = lambda: [make_middleware(), *create()]


def is_host_allowed(host: str | None) -> bool:
    """Return whether `server.allowedHosts` has the name in a Host header; Streamlit looks at that of WebSockets only.

    Upstream: the function is not public in Streamlit 1.67; no issue is known. Remove when Streamlit refuses all
    requests under other names.
    """
    from streamlit.web.server.starlette import starlette_websocket

    return starlette_websocket.is_host_allowed(host)


def read_index_page() -> str:
    """Return the HTML page that Streamlit serves under every address, whose inline scripts a policy must name.

    Upstream: no issue is known; the place of the file is private to Streamlit 1.67. Remove when Streamlit sets a
    Content-Security-Policy.
    """
    from streamlit import file_util

    return (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")


def replace_storages(
    media_storage: type[MemoryMediaFileStorage], upload_manager: type[MemoryUploadedFileManager]
) -> None:
    """Let the server keep media files and uploads in storages of these classes; call it before the server starts.

    Upstream: `RuntimeConfig` takes both, but the server of Streamlit 1.67 makes them itself, and no option names other
    classes; no issue is known. Remove when one does.
    """
    from streamlit.web.server import server

    patched: Any = server
    patched.MemoryMediaFileStorage = media_storage
    patched.MemoryUploadedFileManager = upload_manager


# ------------------------------------------------------------------ pages


def run_entrance_for_bare_page() -> None:
    """Run `app.py` where Streamlit runs a file of `pages/` without it; return in all other cases.

    Until `st.navigation` was called once in the process, Streamlit treats `pages/` as its own multipage folder and
    runs the bare file for the first visitor who opens the address of a page. `app.py` calls `st.navigation` and leads
    back to the page.

    Upstream: no issue is known; `PagesManager.uses_pages_directory` is private to Streamlit 1.67. Remove when Streamlit
    has an option that turns the folder detection off.
    """
    if PagesManager.uses_pages_directory:
        entrance = APP_FILE
        exec(compile(entrance.read_bytes(), entrance, "exec"), {"__name__": "__main__"})
        st.stop()


def get_run_marker() -> object:
    """Return an object that stays the same during one run of a page or a fragment, and is another one in the next run.

    Upstream: no issue is known; Streamlit 1.67 does not number its runs, and a fragment may run without its page.
    Remove when a run has a public number.
    """
    context = get_script_run_ctx()
    return context.cursors if context is not None else None


def make_captions_readable() -> None:
    """Give captions a contrast of at least 4.5 to 1, as WCAG 2.1 requires; Streamlit's have 4.0 to 1.

    Upstream: no issue is known. Remove when the theme has an option for the color of captions (1.67 has none).
    """
    st.html(
        "<style>[data-testid=stImageCaption], [data-testid=stCaptionContainer] {color: inherit}"
        "[data-testid=stCaptionContainer] {opacity: 0.75}</style>"
    )


def make_primary_color_readable() -> None:
    """Write dark text on the light primary color of the dark theme: of buttons, and of what is chosen in multiselects.

    Upstream: no issue is known; Streamlit always writes white. Remove when the theme has an option for the text on the
    primary color (1.67 has none).
    """
    if st.context.theme.type == "dark":
        st.html(
            "<style>[data-testid=stBaseButton-primary]:is(*, :hover), [data-testid=stMultiSelect] [data-tag] "
            "{color: #13191B}</style>"
        )


def reduce_top_space() -> None:
    """Start pages 3 rem below the top instead of 6; the menu keeps its corner.

    Upstream: no issue is known. Remove when the theme has an option for the padding of a page (1.67 has none).
    """
    st.html("<style>[data-testid=stMainBlockContainer] {padding-top: 3rem}</style>")


def hide_labels_of_icon_buttons() -> None:
    """Show only the icon of buttons whose key ends in `ICON_ONLY`; their label is their name for a screen reader.

    Without a label, the name of a button would be that of its icon, such as "more_vert icon", in English.

    Upstream: no issue is known. Remove when `label_visibility` can be given to buttons and popovers (1.67: not).
    """
    st.html(
        "<style>[class*=_icon_only] button [data-testid=stMarkdownContainer] {position: absolute}"
        "[class*=_icon_only] button [data-testid=stMarkdownContainer] p {font-size: 0}</style>"
    )


def preload_charts() -> None:
    """Import the chart library in the background, soon after the first page.

    Importing altair takes nearly a second, which would otherwise delay the first page that has a chart.

    Upstream: not an error of Streamlit. Remove when importing altair takes less than 0.1 s.
    """
    if "emotion.charts" not in sys.modules:
        timer = threading.Timer(_PRELOAD_DELAY_SECONDS, importlib.import_module, ("emotion.charts",))
        timer.daemon = True
        timer.start()


def send_elements() -> None:
    """Wait until the elements of this run are sent; call it at the end of a fragment that runs several times a second.

    A run of a fragment first removes from the queue of messages what its earlier runs left there. On a busy machine the
    next run begins before the event loop sends the queue, again and again, and the browser shows the same for minutes.

    Upstream: no issue is known; `ForwardMsgQueue.clear` of Streamlit 1.67. Remove when a run leaves the elements of one
    that ended.
    """
    if not runtime.exists():
        return
    loop = runtime.get_instance()._get_async_objs().eventloop
    if isinstance(loop, asyncio.AbstractEventLoop):  # not the one of `AppTest`
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(_SEND_SECONDS), loop).result(_MAX_SEND_SECONDS)


# ------------------------------------------------------------------ memory


def release_upload(file_id: str) -> None:
    """Free the memory of an uploaded file; Streamlit keeps it until the session ends.

    Upstream: https://github.com/streamlit/streamlit/issues/12607 and #3553 (1.67 has no public way). Remove when
    `st.file_uploader` can release a file.
    """
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file_id)


def keep_values(defaults: Mapping[str, object]) -> None:
    """Keep the values of widgets, none of them None, over runs without them; see `hide_sidebar_settings`."""
    kept: dict[str, object] = st.session_state.setdefault("kept_values", {})
    for key, default in defaults.items():
        if st.session_state.get(key) is None:  # a select box that comes back may have no value
            st.session_state[key] = kept.get(key, default)
        kept[key] = st.session_state[key]


def hide_sidebar_settings() -> None:
    """Hide the settings in the sidebar on a page that does not use them.

    They are drawn all the same, in the container with the key `SIDEBAR_SETTINGS_KEY`, since Streamlit forgets the value
    of a widget that a page does not draw.

    Upstream: https://github.com/streamlit/streamlit/issues/6074 (1.67). Remove when widgets can keep their values.
    """
    st.html("<style>.st-key-sidebar_settings { display: none }</style>")


def freeze_objects() -> None:
    """Exclude all objects that are alive from garbage collection; call it at the end of each page run.

    Streamlit runs a full collection after each run of a page and of each fragment. Nearly all objects of the process
    belong to modules and stay, and traversing them blocks all threads for 140 ms, three times a second for each visitor
    with a camera. Objects are frozen whenever modules were imported, and every ten minutes everything is collected
    once, so that frozen objects that became garbage are freed.

    Upstream: https://github.com/streamlit/streamlit/issues/3099. The option `runner.postScriptGC = false` (1.67) would
    avoid the collection, but memory of closed sessions would stay until Python collects by itself. Remove when
    Streamlit collects only when a session ends.
    """
    global _num_modules, _last_freeze_timestamp
    if not _lock.acquire(blocking=False):  # another page run is freezing
        return
    try:
        if len(sys.modules) > _num_modules or time.monotonic() - _last_freeze_timestamp > _FULL_COLLECT_SECONDS:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            _num_modules, _last_freeze_timestamp = len(sys.modules), time.monotonic()
    finally:
        _lock.release()


class _MemoryMappedFile(io.BytesIO):
    """A file whose content is mapped into memory instead of read."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with open(path, "rb") as file:
            self._view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def getvalue(self) -> bytes:
        """Return the whole content as a view."""
        return self._view  # type: ignore[return-value]


def open_media_file(path: Path) -> io.BytesIO:
    """Open a finished file for `st.video` and `st.download_button` without reading it.

    Given a path, Streamlit reads the whole file into memory on each run of the page.

    Upstream: no issue is known (related: https://github.com/streamlit/streamlit/issues/9688, open in 1.67). Remove when
    media files are served from disk.
    """
    if sys.platform == "win32":  # a mapped file cannot be deleted there
        return io.BytesIO(path.read_bytes())
    return _MemoryMappedFile(path)
