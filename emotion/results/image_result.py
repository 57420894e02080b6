"""The faces of one image with what can be made of them: an annotated image, a table, plain values, files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emotion.faces import Face
from emotion.media.image_reader import encode_jpeg, encode_png
from emotion.recognition.analyzer import Rotation
from emotion.recognition.annotation import annotate
from emotion.results import serialization
from emotion.results.records import PhotoRecord
from emotion.results.saving import save_by_suffix

if TYPE_CHECKING:
    import pandas as pd

UNNAMED_IMAGE: Final = "image"  # of an array or of bytes, in tables and files


@dataclass(frozen=True, eq=False)
class ImageResult:
    """The faces of one image.

    Attributes:
        image: The analyzed image, RGB uint8 (H, W, 3), turned upright; boxes and landmarks are in its pixels.
        faces: The faces in reading order.
        name: The path of the image as text; "image" for one that has none.
        rotation: Degrees by which the image was turned clockwise, since its faces were not upright.
    """

    image: NDArray[np.uint8] = field(repr=False)
    faces: tuple[Face, ...]
    name: str = UNNAMED_IMAGE
    rotation: Rotation = 0

    def annotate(self, *, anonymize: bool = False, points: bool = False) -> Image.Image:
        """Draw the boxes and labels on a copy of the image.

        Args:
            anonymize: Whether the faces are pixelated first.
            points: Whether the points of faces with features are drawn; never on pixelated faces.
        """
        return Image.fromarray(annotate(self.image, self.faces, anonymize=anonymize, points=points))

    def to_dataframe(self) -> pd.DataFrame:
        """Make a table with one row per face, see `results.tables.faces_table`."""
        from emotion.results import tables  # it loads pandas

        return tables.faces_table([(self.name, self.faces)])

    def to_dict(self) -> PhotoRecord:
        """Make a dictionary of plain values that `json.dumps` accepts."""
        height, width = self.image.shape[:2]
        return serialization.photo_to_dict(self.name, width, height, self.faces, self.rotation)

    def save(self, path: str | Path) -> None:
        """Write the annotated image (.png, .jpg), the table (.csv) or the dictionary (.json), by the suffix of `path`.

        Raises:
            SettingsError: The suffix is another one.
            ResultFolderError: The file cannot be written.
        """
        save_by_suffix(
            path,
            {
                ".png": lambda: encode_png(np.asarray(self.annotate())),
                ".jpg": lambda: encode_jpeg(np.asarray(self.annotate())),
                ".csv": self._to_csv,
                ".json": lambda: serialization.to_json(self.to_dict()).encode(),
            },
        )

    def _to_csv(self) -> bytes:
        from emotion.results import tables  # it loads pandas

        return tables.to_csv(self.to_dataframe()).encode()
