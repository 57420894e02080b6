"""A client of a served app without a browser: over a WebSocket, as Streamlit's own page."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def socket_of(server: str, origin: str) -> Any:
    """Open a session of the app at the address `server`."""
    return connect(
        f"ws://{urlsplit(server).netloc}/_stcore/stream",
        origin=origin,
        subprotocols=["streamlit"],  # type: ignore[arg-type,list-item]
        open_timeout=30,
        max_size=None,
    )


def status_for(server: str, host: str, origin: str | None = None) -> int:
    """Return the HTTP status for a WebSocket with that Host and Origin (default: the same host); 101 accepts it."""
    address = urlsplit(server)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    try:
        origin = origin or f"http://{host}"
        with connect(f"ws://{host}/_stcore/stream", sock=connection, origin=origin, subprotocols=["streamlit"]):  # type: ignore[arg-type,list-item]
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def heard(socket: Any, kind: str, page: str = "") -> list[Any]:
    """Run a page, and return its messages of a kind."""
    request, messages = BackMsg(), list[Any]()
    request.rerun_script.page_name = page
    socket.send(request.SerializeToString())
    while True:
        message = ForwardMsg.FromString(socket.recv(timeout=60))
        message_kind = message.WhichOneof("type")
        if message_kind == kind:
            messages.append(getattr(message, kind))
        elif message_kind == "script_finished":
            return messages
