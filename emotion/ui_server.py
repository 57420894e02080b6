"""Keep the server of the app from asking other servers."""

from __future__ import annotations

from streamlit import net_util


def ask_nobody() -> None:
    """Let Streamlit not find out the addresses of this machine.

    To decide on a WebSocket from another site it opens a socket to 8.8.8.8 and asks checkip.amazonaws.com, so that any
    site in a browser on this machine could cause that (https://github.com/streamlit/streamlit/issues/7721; version 1.67
    still does). Pages have the origin of the server; for other origins there is `server.corsAllowedOrigins`.
    """
    net_util.get_internal_ip = net_util.get_external_ip = lambda: None
