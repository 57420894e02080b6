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
from emotion.generation.sampler import FaceImages, Sampler
from emotion.model_store.store import ModelBundle
from emotion.storage import write_atomic
from emotion.training.runs.folder import SAMPLE_SHEETS_FILE

_CAPTION_PX: Final = 15  # pixels below each face of a sheet


def encode_face_png(face: NDArray[np.uint8]) -> bytes:
    """A face, grey uint8 (size, size), as the bytes of a PNG file."""
    _, png = cv2.imencode(".png", face, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return png.tobytes()


def make_sheet(faces: FaceImages, captions: Sequence[str], num_columns: int = 8, scale: int = 2) -> NDArray[np.uint8]:
    """Faces in rows of `num_columns` with a caption below each, RGB uint8; every side `scale` times as long."""
    if len(faces) == 0:
        raise EmotionError("A sheet needs at least one face.")
    side = faces.shape[1] * scale
    across, down = min(num_columns, len(faces)), math.ceil(len(faces) / num_columns)
    picture = Image.new("RGB", (across * side, down * (side + _CAPTION_PX)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=11)
    for i, (face, caption) in enumerate(zip(faces, captions, strict=True)):
        x, y = i % num_columns * side, i // num_columns * (side + _CAPTION_PX)
        large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
        picture.paste(Image.fromarray(large), (x, y))
        draw.text((x + side / 2, y + side), caption, fill="black", font=font, anchor="ma")
    return np.asarray(picture)


def make_row(faces: FaceImages, scale: int = 2) -> NDArray[np.uint8]:
    """Faces side by side, grey uint8; every side `scale` times as long."""
    large = [cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) for face in faces]
    return np.concatenate(large, axis=1)


def encode_gif(faces: FaceImages, scale: int = 4, frame_ms: int = 80) -> bytes:
    """Faces one after the other and back again, without end, as the bytes of a GIF file."""
    if len(faces) == 0:
        raise EmotionError("A GIF needs at least one face.")
    there_and_back = [*faces, *faces[-2:0:-1]]
    pictures = [
        Image.fromarray(cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
        for face in there_and_back
    ]
    written = io.BytesIO()
    pictures[0].save(written, "GIF", save_all=True, append_images=pictures[1:], duration=frame_ms, loop=0)
    return written.getvalue()


def load_sample_sheets(bundle: ModelBundle) -> dict[int, NDArray[np.uint8]]:
    """Epoch -> what the generator drew after it, grey uint8: the seeds 0 to 7 side by side, an expression in each
    row. {} where that was not kept."""
    epochs, path = bundle.generator_card.sheet_epochs, bundle.folder / SAMPLE_SHEETS_FILE
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if picture is None or not epochs or len(picture) % len(epochs):
        return {}
    return dict(zip(map(int, epochs), np.split(picture.astype(np.uint8), len(epochs)), strict=True))


def make_provenance(
    sampler: Sampler, seeds: Sequence[int], expressions: Sequence[str], truncation: float
) -> dict[str, Any]:
    """What was asked for, as plain JSON values: with it anybody can draw the same faces again."""
    return {
        "model": sampler.bundle.name,
        "sha256": sampler.bundle.sha256,
        "truncation": truncation,
        "faces": [
            {"file": f"{name}-{seed}.png", "expression": name, "seed": seed} for name in expressions for seed in seeds
        ],
    }


def build_files(
    sampler: Sampler, seeds: Sequence[int], expressions: Sequence[str], truncation: float | None = None
) -> dict[str, bytes]:
    """Name -> content: a picture of every seed with every expression, sheet.png (a row of up to eight seeds for each
    expression) and faces.json, the `make_provenance`."""
    amount = sampler.truncation if truncation is None else truncation
    faces = np.concatenate([sampler.sample(seeds, name, amount) for name in expressions])
    asked = make_provenance(sampler, seeds, expressions, amount)
    captions = [f"{face['expression']} {face['seed']}" for face in asked["faces"]]
    columns = len(seeds) if len(expressions) > 1 and len(seeds) <= 8 else 8
    _, png = cv2.imencode(".png", make_sheet(faces, captions, columns)[..., ::-1])
    pictures = {face["file"]: encode_face_png(pixels) for face, pixels in zip(asked["faces"], faces, strict=True)}
    return pictures | {"sheet.png": png.tobytes(), "faces.json": (json.dumps(asked, indent=1) + "\n").encode()}


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write name -> content into `folder`; `EmotionError` where it cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomic(folder / name, content)
    except OSError as error:
        raise EmotionError(f"{folder} cannot be written to ({error.strerror}); choose another folder.") from error
