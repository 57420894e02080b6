"""The monitored process: decodes one damaged file after the other and reports the outcome of each."""

from __future__ import annotations

import io
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.corpus import SUFFIX, make_damaged_file

MAX_MESSAGE_CHARS = 400


def read_memory(name: str) -> float:
    """Return a field of the process's status on Linux in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def project_decoder(kind: str) -> Callable[[Path, bool], object]:
    """Return the project's decoder, a function of a path and of whether to read it as an open file."""
    if kind == "images":
        from emotion.media.image_reader import read_image

        return lambda path, as_file: read_image(io.BytesIO(path.read_bytes()) if as_file else path, name="the photo")
    from emotion.media.video_reader import VideoReader

    def decode_video(path: Path, as_file: bool) -> None:
        with VideoReader(path, "the video") as reader:
            for frame in reader.frames():
                frame.image()

    return decode_video


def bare_decoder(kind: str) -> Callable[[Path, bool], object]:
    """Return a decoder without limits: the control."""
    if kind == "images":
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = None
        return lambda path, as_file: Image.open(path).convert("RGB")
    import av

    return lambda path, as_file: [frame.to_ndarray(format="rgb24") for frame in av.open(str(path)).decode(video=0)]


def measure(decode: Callable[[], object]) -> dict[str, Any]:
    """Return the outcome (decoded, refused with its message, or fault), the seconds and the peak memory in MB."""
    from emotion.errors import EmotionError

    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    memory, started = read_memory("VmRSS"), time.perf_counter()
    try:
        decode()
        outcome = {"outcome": "decoded"}
    except EmotionError as error:
        outcome = {"outcome": "refused" if is_readable(str(error)) else "fault", "text": str(error)}
    except Exception:  # any other exception is what the fuzzing looks for
        outcome = {"outcome": "fault", "text": traceback.format_exc()}
    return outcome | {"seconds": time.perf_counter() - started, "megabytes": read_memory("VmHWM") - memory}


def is_readable(message: str) -> bool:
    """Return whether a message is one short line that names the file and no internal path."""
    is_short_line = "\n" not in message and len(message) < MAX_MESSAGE_CHARS
    return message.startswith('"the ') and is_short_line and "/tmp" not in message


def main(kind: str, seed: int, start: int, stop: int, folder: Path, decoder: str) -> None:
    """Decode the files `start` to `stop` - 1; print a line of JSON before and after each."""
    decode = (bare_decoder if decoder == "bare" else project_decoder)(kind)
    path = folder / f"damaged-{start}{SUFFIX[kind]}"
    for index in range(start, stop):
        path.write_bytes(make_damaged_file(kind, seed, index))
        print(json.dumps({"begins": index}), flush=True)
        print(json.dumps(measure(lambda index=index: decode(path, index % 2 == 1))), flush=True)
    path.unlink()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), Path(sys.argv[5]), sys.argv[6])  # type: ignore[misc]
