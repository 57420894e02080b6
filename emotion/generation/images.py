"""Image files of synthetic faces: PNG, captioned sheets, rows, GIF, and the provenance to draw them again."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from emotion.errors import EmotionError
from emotion.generation.sampler import FaceImages, Sampler
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.model_store.store import ModelBundle
from emotion.storage import write_atomic
from emotion.training.runs.folder import SAMPLE_SHEETS_FILE

_CAPTION_PX: Final = 15  # height below each face of a sheet
_CAPTION_FONT_PX: Final = 11
_MAX_COLUMNS: Final = 8  # of a sheet


class FaceProvenance(TypedDict):
    """File name, expression and seed of one face."""

    file: str
    expression: str
    seed: int


class SampleProvenance(TypedDict):
    """Content of faces.json: what is needed to draw the same faces again; `upscaler` is the sha256 of one, if any."""

    model: str
    sha256: str
    upscaler: str | None
    truncation: float
    faces: list[FaceProvenance]


def encode_face_png(face: NDArray[np.uint8]) -> bytes:
    """Return a face, gray uint8 (size, size), as PNG."""
    _, png = cv2.imencode(".png", face, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return png.tobytes()


def make_sheet(
    faces: FaceImages, captions: Sequence[str], num_columns: int = _MAX_COLUMNS, scale: int = 2
) -> NDArray[np.uint8]:
    """Return faces in rows of `num_columns` with a caption below each, RGB uint8, each side enlarged by `scale`."""
    if len(faces) == 0:
        raise EmotionError("A sheet needs at least one face.")
    side = faces.shape[1] * scale
    columns, rows = min(num_columns, len(faces)), math.ceil(len(faces) / num_columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + _CAPTION_PX)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=_CAPTION_FONT_PX)
    for i, (face, caption) in enumerate(zip(faces, captions, strict=True)):
        row, column = divmod(i, num_columns)
        x, y = column * side, row * (side + _CAPTION_PX)
        sheet.paste(Image.fromarray(_enlarge(face, scale)), (x, y))
        draw.text((x + side / 2, y + side), caption, fill="black", font=font, anchor="ma")
    return np.asarray(sheet)


def make_row(faces: FaceImages, scale: int = 2) -> NDArray[np.uint8]:
    """Return faces side by side, gray uint8, each side enlarged by `scale`."""
    return np.concatenate([_enlarge(face, scale) for face in faces], axis=1)


def encode_gif(faces: FaceImages, scale: int = 4, frame_ms: int = 80) -> bytes:
    """Return faces as an endless GIF that plays forward and backward."""
    if len(faces) == 0:
        raise EmotionError("A GIF needs at least one face.")
    frames = [Image.fromarray(_enlarge(face, scale)) for face in [*faces, *faces[-2:0:-1]]]
    gif = io.BytesIO()
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:], duration=frame_ms, loop=0)
    return gif.getvalue()


def _enlarge(face: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    enlarged = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, np.uint8)


def load_sample_sheets(bundle: ModelBundle) -> dict[int, NDArray[np.uint8]]:
    """Return epoch -> sample sheet, gray uint8: seeds 0 to 7 side by side, one expression per row.

    Empty where the card names no sheets or their file does not match it.
    """
    epochs, path = bundle.generator_card.sheet_epochs, bundle.folder / SAMPLE_SHEETS_FILE
    is_named = SAMPLE_SHEETS_FILE in bundle.card.files  # so that its sha256 was checked
    stacked = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if is_named else None
    if stacked is None or not epochs or len(stacked) % len(epochs):
        return {}
    return dict(zip(map(int, epochs), np.split(stacked.astype(np.uint8), len(epochs)), strict=True))


def make_provenance(
    sampler: Sampler,
    seeds: Sequence[int],
    expressions: Sequence[str],
    truncation: float,
    upscaler: Upscaler | None = None,
) -> SampleProvenance:
    """Return the provenance of a face for every expression and seed, in that order."""
    return {
        "model": sampler.bundle.name,
        "sha256": sampler.bundle.sha256,
        "upscaler": None if upscaler is None else upscaler.bundle.sha256,
        "truncation": truncation,
        "faces": [
            {"file": f"{name}-{seed}.png", "expression": name, "seed": seed} for name in expressions for seed in seeds
        ],
    }


def build_files(
    sampler: Sampler,
    seeds: Sequence[int],
    expressions: Sequence[str],
    truncation: float | None = None,
    upscaler: Upscaler | None = None,
) -> dict[str, bytes]:
    """Return name -> content: a PNG for every expression and seed, sheet.png, and faces.json with the provenance.

    Up to eight seeds of several expressions get a row of the sheet for each expression. `upscaler` enlarges the PNG of
    a face, not the sheet.
    """
    truncation = sampler.truncation if truncation is None else truncation
    faces = np.concatenate([sampler.sample(seeds, name, truncation) for name in expressions])
    provenance = make_provenance(sampler, seeds, expressions, truncation, upscaler)
    captions = [f"{face['expression']} {face['seed']}" for face in provenance["faces"]]
    has_row_per_expression = len(expressions) > 1 and len(seeds) <= _MAX_COLUMNS
    sheet = make_sheet(faces, captions, len(seeds) if has_row_per_expression else _MAX_COLUMNS)
    _, sheet_png = cv2.imencode(".png", sheet[..., ::-1])
    saved = faces if upscaler is None else upscaler.enlarge(faces)
    files = {record["file"]: encode_face_png(face) for record, face in zip(provenance["faces"], saved, strict=True)}
    faces_json = (json.dumps(provenance, indent=1) + "\n").encode()
    return files | {"sheet.png": sheet_png.tobytes(), "faces.json": faces_json}


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write name -> content into `folder`; raises `EmotionError` where it cannot be created or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomic(folder / name, content)
    except OSError as error:
        raise EmotionError(f"{folder} cannot be written to ({error.strerror}); choose another folder.") from error
