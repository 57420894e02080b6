"""Visit a served app without a browser: over a WebSocket, as Streamlit's own page does."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def socket_of(server: str, origin: str) -> Any:
    return connect(
        f"ws://{urlsplit(server).netloc}/_stcore/stream",
        origin=origin,
        subprotocols=["streamlit"],  # type: ignore[arg-type,list-item]
        open_timeout=30,
        max_size=None,
    )


def status_for(server: str, host: str, origin: str | None = None) -> int:
    """What the server answers to a WebSocket for that Host, from that Origin or the same host's; 101 is a session."""
    address = urlsplit(server)
    plain = socket.create_connection((address.hostname, address.port), timeout=30)
    try:
        origin = origin or f"http://{host}"
        with connect(f"ws://{host}/_stcore/stream", sock=plain, origin=origin, subprotocols=["streamlit"]):  # type: ignore[arg-type,list-item]
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def heard(socket: Any, kind: str, page: str = "") -> list[Any]:
    """The messages of a kind while a page is drawn."""
    hello, found = BackMsg(), list[Any]()
    hello.rerun_script.page_name = page
    socket.send(hello.SerializeToString())
    while True:
        message = ForwardMsg.FromString(socket.recv(timeout=60))
        told = message.WhichOneof("type")
        if told == kind:
            found.append(getattr(message, kind))
        elif told == "script_finished":
            return found
