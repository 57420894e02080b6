"""Detect MP4 and MOV files whose index is a decompression bomb, before FFmpeg allocates memory for it.

The index of such a file may claim any number of samples in a few bytes, and FFmpeg expands all of them on opening: a
file of 2 kB took 3.5 GB and 29 s. So the claims are added up first, wherever FFmpeg would find them.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

_MAX_SAMPLES: Final = 5_000_000  # FFmpeg holds 36 bytes for each; two hours of 60 frames a second are 0.4 million
_MAX_BOXES: Final = 500_000  # two hours in fragments of half a second have 0.1 million
_MAX_DEPTH: Final = 12  # nesting of boxes; FFmpeg gives up at 10
_CONTAINER_BOXES: Final = frozenset(
    b"moov hoov trak edts mdia minf dinf stbl udta mvex moof traf tref sinf schi ilst iref meta".split()
)
_COUNT_BOXES: Final = re.compile(rb"stsz|stz2|elst|trun|cmov")
# Audio of which FFmpeg reads a thousand samples as one entry.
_PCM_CODECS: Final = frozenset([b"raw ", *b"sowt twos NONE in24 in32 fl32 fl64 lpcm ipcm fpcm ulaw alaw".split()])


class _Mp4Box(NamedTuple):
    kind: bytes
    start: int  # of its content
    end: int


@dataclass
class _Mp4Track:
    """The claims of one track."""

    num_samples: int = 0
    num_edits: int = 0
    handler_types: set[bytes] = field(default_factory=set)  # audio, video ...
    codecs: list[bytes] = field(default_factory=list)
    time_deltas: list[tuple[int, int]] = field(default_factory=list)  # number of different deltas, and the first

    @property
    def num_entries(self) -> int:
        """The index entries that FFmpeg makes of it: each edit may repeat all samples."""
        if (
            b"vide" not in self.handler_types
            and self.time_deltas == [(1, 1)]
            and len(self.codecs) == 1
            and self.codecs[0] in _PCM_CODECS
        ):
            return 0
        return self.num_samples * max(1, self.num_edits)


def is_decompression_bomb(path: Path) -> bool:
    """Return whether an MP4 or MOV index claims more samples than any video needs, or hides their number.

    False for other formats.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        num_entries, track = 0, _Mp4Track()
        for index, box in enumerate(_iter_boxes(data, 0, len(data))):
            if box.kind == b"trak":
                num_entries, track = num_entries + track.num_entries, _Mp4Track()
            num_entries += _count_claimed(data, box, track)
            if num_entries + track.num_entries > _MAX_SAMPLES or index > _MAX_BOXES:
                return True
    return False


def _iter_boxes(data: mmap.mmap, offset: int, end: int, depth: int = 0) -> Iterator[_Mp4Box]:
    """Yield all boxes between `offset` and `end` and those inside them, in file order."""
    while offset + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, offset)
        start = offset + 8
        if size == 1 and offset + 16 <= end:
            size, start = int.from_bytes(data[start : start + 8], "big"), offset + 16
        elif size == 0:
            size = end - offset
        if size < start - offset:
            return
        box = _Mp4Box(kind, start, min(offset + size, end))
        yield box
        if kind == b"free" and data[start + 4 : start + 8] in (b"mvhd", b"cmov"):  # an index marked as free space
            kind = b"moov"
        if kind == b"meta":
            start = data.find(b"hdlr", start, box.end) - 4
        if kind in _CONTAINER_BOXES and start >= offset and depth < _MAX_DEPTH:
            yield from _iter_boxes(data, start, box.end, depth + 1)
        elif kind in (b"stsd", b"wave"):  # boxes at an offset that depends on the codec
            for match in _COUNT_BOXES.finditer(data, start, box.end):
                yield _Mp4Box(match[0], match.end(), box.end)
        offset += size


def _count_claimed(data: mmap.mmap, box: _Mp4Box, track: _Mp4Track) -> int:
    """Record the claims of a box in its track, and return the index entries that it claims besides."""
    _, second, third, fourth = struct.unpack(">4I", data[box.start : box.start + 16].ljust(16, b"\0"))
    if box.kind == b"cmov":
        return _MAX_SAMPLES + 1
    if box.kind == b"trun":  # the index of one fragment
        return second
    if box.kind in (b"stsz", b"stz2"):
        track.num_samples += third
    elif box.kind == b"elst":
        track.num_edits += second
    elif box.kind == b"hdlr":
        track.handler_types.add(third.to_bytes(4, "big"))
    elif box.kind == b"stts":
        track.time_deltas.append((second, fourth))
    elif box.kind == b"stsd":
        track.codecs += [fourth.to_bytes(4, "big"), *([b""] if second != 1 else [])]
    return 0
