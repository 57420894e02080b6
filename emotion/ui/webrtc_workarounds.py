"""Work-arounds for streamlit-webrtc and aioice: why each is needed, and when it can go."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

_RelayT = TypeVar("_RelayT", bound=Any)


def disable_mdns_lookup() -> None:
    """Stop video streams from sending multicast DNS queries to the local network.

    A browser without camera permission hides its address behind a random name, NAME.local, which aioice resolves by
    multicast. The browser connects to the server in any case, and the stream takes its address from that.

    Upstream: aioice 0.13 has no option for it; no issue is known. Remove when it has one.
    """
    from aioice import ice

    async def make_null_resolver(subscriber: object) -> _NullMdnsResolver:
        return _NullMdnsResolver()

    patched: Any = ice
    patched.get_or_create_mdns_protocol = make_null_resolver


class _NullMdnsResolver:
    """Replacement for aioice's multicast resolver."""

    async def resolve(self, hostname: str, timeout: float | None = 1.0) -> str | None:
        """Resolve no name."""
        return None


def disable_buffering(relay: _RelayT) -> _RelayT:
    """Let a relay of frames drop all but the newest frame.

    A buffered relay keeps every frame: on a machine that cannot keep up, delay and memory grow without bound.

    Upstream: aiortc has `subscribe(buffered=False)` (https://github.com/aiortc/aiortc/pull/498), streamlit-webrtc 0.79
    does not pass it on; no issue is known. Remove when `webrtc_streamer` offers it.

    Args:
        relay: The `aiortc.contrib.media.MediaRelay` of streamlit-webrtc; it is changed in place.

    Returns:
        The same relay.
    """
    relay.subscribe = partial(relay.subscribe, buffered=False)
    return relay
