"""Ways in which a folder lies: odd values in its files, and odd things in place of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

Harm = Callable[[Path], object]


def put(name: str, /, **values: object) -> Harm:
    """Change fields of a JSON file."""

    def change(run: Path) -> None:
        path = run / name
        old = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**old, **values}))

    return change


def write(name: str, content: bytes | str) -> Harm:
    return lambda run: (run / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def replace(name: str, make: Callable[[Path], object]) -> Harm:
    """Put something else where the file was."""

    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        make(run / name)

    return change


def loop(path: Path) -> None:
    path.symlink_to(path)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(5_000_000_000)


NAN, INF = float("nan"), float("inf")


def displace(name: str) -> dict[str, Harm]:
    """Return everything that can be in place of a file."""
    odd = {"a folder": Path.mkdir, "a link to itself": loop, "as large as a disk": sparse}
    if sys.platform != "win32":
        odd["a pipe"] = pipe
    return {f"{name} is {words}": replace(name, make) for words, make in odd.items()}


def garble(name: str) -> dict[str, Harm]:
    """Return contents that are no JSON object."""
    texts = {"no JSON": b"{", "a list": b"[]", "deep": b"[" * 100_000, "no text": b"\xff\xfe\x00"}
    return {f"{name} is {words}": write(name, text) for words, text in texts.items()}
