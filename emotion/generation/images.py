"""Synthetic faces to look at and to take away: pictures, sheets with the seeds on them, and what was asked for."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from emotion.errors import EmotionError
from emotion.generation.sampler import Faces, Sampler
from emotion.model_store.store import Bundle
from emotion.storage import write_atomic
from emotion.training.runs.folder import SHEETS

_CAPTION: Final = 15  # pixels below each face of a sheet


def face_png(face: NDArray[np.uint8]) -> bytes:
    """A face, grey uint8 (size, size), as the bytes of a PNG file."""
    _, png = cv2.imencode(".png", face, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return png.tobytes()


def sheet(faces: Faces, captions: Sequence[str], columns: int = 8, scale: int = 2) -> NDArray[np.uint8]:
    """Faces in rows of `columns` with a caption below each, RGB uint8; every side `scale` times as long."""
    if len(faces) == 0:
        raise EmotionError("A sheet needs at least one face.")
    side = faces.shape[1] * scale
    across, down = min(columns, len(faces)), math.ceil(len(faces) / columns)
    picture = Image.new("RGB", (across * side, down * (side + _CAPTION)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=11)
    for i, (face, caption) in enumerate(zip(faces, captions, strict=True)):
        x, y = i % columns * side, i // columns * (side + _CAPTION)
        large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
        picture.paste(Image.fromarray(large), (x, y))
        draw.text((x + side / 2, y + side), caption, fill="black", font=font, anchor="ma")
    return np.asarray(picture)


def row_of(faces: Faces, scale: int = 2) -> NDArray[np.uint8]:
    """Faces side by side, grey uint8; every side `scale` times as long."""
    large = [cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) for face in faces]
    return np.concatenate(large, axis=1)


def gif(faces: Faces, scale: int = 4, milliseconds: int = 80) -> bytes:
    """Faces one after the other and back again, without end, as the bytes of a GIF file."""
    if len(faces) == 0:
        raise EmotionError("A GIF needs at least one face.")
    there_and_back = [*faces, *faces[-2:0:-1]]
    pictures = [
        Image.fromarray(cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
        for face in there_and_back
    ]
    written = io.BytesIO()
    pictures[0].save(written, "GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)
    return written.getvalue()


def grown(bundle: Bundle) -> dict[int, NDArray[np.uint8]]:
    """Epoch -> what the generator drew after it, grey uint8: the seeds 0 to 7 side by side, an expression in each
    row. {} where that was not kept."""
    epochs, path = bundle.card.get("sheets") or [], bundle.folder / SHEETS
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if picture is None or not epochs or len(picture) % len(epochs):
        return {}
    return dict(zip(map(int, epochs), np.split(picture.astype(np.uint8), len(epochs)), strict=True))


def receipt(sampler: Sampler, seeds: Sequence[int], expressions: Sequence[str], truncation: float) -> dict[str, Any]:
    """What was asked for, as plain JSON values: with it anybody can draw the same faces again."""
    return {
        "model": sampler.bundle.name, "sha256": sampler.bundle.sha256, "truncation": truncation,
        "faces": [
            {"file": f"{name}-{seed}.png", "expression": name, "seed": seed} for name in expressions for seed in seeds
        ],
    }  # fmt: skip


def files_of(
    sampler: Sampler, seeds: Sequence[int], expressions: Sequence[str], truncation: float | None = None
) -> dict[str, bytes]:
    """Name -> content: a picture of every seed with every expression, sheet.png (a row of up to eight seeds for each
    expression) and faces.json, the `receipt`."""
    amount = sampler.truncation if truncation is None else truncation
    faces = np.concatenate([sampler.sample(seeds, name, amount) for name in expressions])
    asked = receipt(sampler, seeds, expressions, amount)
    captions = [f"{face['expression']} {face['seed']}" for face in asked["faces"]]
    columns = len(seeds) if len(expressions) > 1 and len(seeds) <= 8 else 8
    _, png = cv2.imencode(".png", sheet(faces, captions, columns)[..., ::-1])
    pictures = {face["file"]: face_png(pixels) for face, pixels in zip(asked["faces"], faces, strict=True)}
    return pictures | {"sheet.png": png.tobytes(), "faces.json": (json.dumps(asked, indent=1) + "\n").encode()}


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write name -> content into `folder`; `EmotionError` where it cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomic(folder / name, content)
    except OSError as error:
        raise EmotionError(f"{folder} cannot be written to ({error.strerror}); choose another folder.") from error
