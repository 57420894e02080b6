"""Keep the server of the app, and its video streams, from asking other machines."""

from __future__ import annotations

from typing import Any

from streamlit import net_util


def disable_ip_lookup() -> None:
    """Let Streamlit not find out the addresses of this machine.

    To decide on a WebSocket from another site it opens a socket to 8.8.8.8 and asks checkip.amazonaws.com, so that any
    site in a browser on this machine could cause that (https://github.com/streamlit/streamlit/issues/7721; version 1.67
    still does). Pages have the origin of the server; for other origins there is `server.corsAllowedOrigins`.
    """
    net_util.get_internal_ip = net_util.get_external_ip = lambda: None


def disable_mdns_lookup() -> None:
    """Let video streams not ask the local network for a browser.

    Where a browser sends no camera it hides its address behind a name of chance, NAME.local, which aioice asks all
    machines of the network for, by multicast (aioice 0.13, without an option for it). The browser calls the server
    anyway, and the stream takes the address from that.
    """
    from aioice import ice

    async def make_null_resolver(subscriber: object) -> _NullMdnsResolver:
        return _NullMdnsResolver()

    replaced: Any = ice
    replaced.get_or_create_mdns_protocol = make_null_resolver


class _NullMdnsResolver:
    """In the place of what resolves names by multicast."""

    async def resolve(self, hostname: str, timeout: float | None = 1.0) -> str | None:
        """No address for any name."""
        return None
