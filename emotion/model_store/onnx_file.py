"""Find the other files that an ONNX file refers to, without the onnx package, which only training installs.

An ONNX file is a protobuf message; the numbers of its fields are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from emotion.translation.messages import gettext as _

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf
_MAX_VARINT_BYTES: Final = 10
_MAX_DEPTH: Final = 64  # of graphs within graphs
_EXTERNAL_DATA: Final = 13  # fields of TensorProto and StringStringEntryProto
_KEY, _VALUE = 1, 2
# For each kind of message the fields that lead to tensors, and the kinds of those.
_FIELDS: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
}


def find_external_files(path: Path) -> set[str]:
    """Return the places of the weights that an ONNX file leaves to other files, as they are written in it.

    Raises:
        ValueError: It is no ONNX file.
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        if not file.read(1):
            return set()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return set(_walk(data, "model", 0, len(data), 0))


def _walk(data: mmap.mmap, kind: str, start: int, end: int, depth: int) -> Iterator[str]:
    """Yield the places in the message of a kind between two offsets."""
    if depth > _MAX_DEPTH:
        raise ValueError(_("its graphs are nested too deep"))
    for field, first, last in _iter_fields(data, start, end):
        if kind == "tensor":
            if field == _EXTERNAL_DATA:
                entry = {number: data[a:b] for number, a, b in _iter_fields(data, first, last)}
                if entry.get(_KEY) == b"location":
                    yield entry.get(_VALUE, b"").decode(errors="replace")
        elif (child := _FIELDS[kind].get(field)) is not None:
            yield from _walk(data, child, first, last, depth + 1)


def _iter_fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field with bytes."""
    position = start
    while position < end:
        tag, position = _read_varint(data, position, end)
        wire_type = tag & 7
        if wire_type == _BYTES:
            length, position = _read_varint(data, position, end)
            if length > end - position:
                raise ValueError(_("it is cut off"))
            yield tag >> 3, position, position + length
            position += length
        elif wire_type == _VARINT:
            position = _read_varint(data, position, end)[1]
        elif wire_type in (_FIXED32, _FIXED64):
            position += 4 if wire_type == _FIXED32 else 8
        else:
            raise ValueError(_("it is no ONNX file"))


def _read_varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    """Return a number and the offset behind it."""
    value = 0
    for i in range(_MAX_VARINT_BYTES):
        if position >= end:
            raise ValueError(_("it is cut off"))
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position
    raise ValueError(_("it is no ONNX file"))
