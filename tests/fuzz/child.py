"""Decodes one file after the other and says what became of each; whoever started it watches whether it lives."""

from __future__ import annotations

import io
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.corpus import SUFFIX, spoiled

_SPAN = 400  # characters that a sentence may have


def memory(name: str) -> float:
    """A line of what Linux says of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def ours(kind: str) -> Callable[[Path, bool], object]:
    """The program's decoder: path, and whether it shall be read as an open file."""
    if kind == "images":
        from emotion.media.image_reader import read_image

        return lambda path, opened: read_image(io.BytesIO(path.read_bytes()) if opened else path, name="the photo")
    from emotion.media.video_reader import VideoReader

    def film(path: Path, opened: bool) -> None:
        with VideoReader(path, "the film") as reader:
            for frame in reader.frames():
                frame.image()

    return film


def bare(kind: str) -> Callable[[Path, bool], object]:
    """What one would write without thinking: the control."""
    if kind == "images":
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = None
        return lambda path, opened: Image.open(path).convert("RGB")
    import av

    return lambda path, opened: [frame.to_ndarray(format="rgb24") for frame in av.open(str(path)).decode(video=0)]


def what_became(decode: Callable[[], object]) -> dict[str, Any]:
    """Of one file: `read`, `refused` with its sentence, or `fault`; seconds, and MB that it took for a moment."""
    from emotion.errors import EmotionError

    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start = memory("VmRSS"), time.perf_counter()
    try:
        decode()
        told = {"became": "read"}
    except EmotionError as error:
        text = str(error)
        good = text.startswith('"the ') and "\n" not in text and len(text) < _SPAN and "/tmp" not in text
        told = {"became": "refused" if good else "fault", "text": text}
    except Exception:
        told = {"became": "fault", "text": traceback.format_exc()}
    return told | {"seconds": time.perf_counter() - start, "megabytes": memory("VmHWM") - before}


def main(kind: str, seed: int, start: int, stop: int, folder: Path, how: str) -> None:
    """Files `start` to `stop` - 1; a line of JSON before each and one after it."""
    decode = (bare if how == "bare" else ours)(kind)
    path = folder / f"spoiled-{start}{SUFFIX[kind]}"
    for number in range(start, stop):
        path.write_bytes(spoiled(kind, seed, number))
        print(json.dumps({"begins": number}), flush=True)
        print(json.dumps(what_became(lambda number=number: decode(path, number % 2 == 1))), flush=True)
    path.unlink()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), Path(sys.argv[5]), sys.argv[6])  # type: ignore[misc]
