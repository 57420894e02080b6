"""The settings of a data set build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from emotion.datasets.splitting import SplitRatios
from emotion.errors import DataError
from emotion.field_types import check_types

SIZE_RANGE: Final = (16, 512)  # pixels
_MAX_FACE_PX: Final = 4096

# An existing data set of the same name is refused, replaced, or gets more faces.
BuildMode = Literal["new", "replace", "extend"]
MultiFacePolicy = Literal["largest", "none"]


@dataclass(frozen=True)
class DatasetBuildConfig:
    """How photos become faces of a data set.

    Attributes:
        size: Side of the faces in pixels.
        split_ratios: Shares of the training, validation and test splits, sum 1.
        seed: Of the split.
        multi_face_policy: Take the largest of several faces in a photo, or reject the photo.
        min_face_px: Side in pixels of the smallest face that is taken.
        pre_cropped: The photos are cropped faces; no detector runs.
        detector: Name of the detector, "" for the default one.
        detection_threshold: Minimum detection score, 0 to 1.

    Raises:
        DataError: A value is out of range.
    """

    size: int = 48
    split_ratios: SplitRatios = (0.8, 0.1, 0.1)
    seed: int = 1
    multi_face_policy: MultiFacePolicy = "largest"
    min_face_px: int = 32
    pre_cropped: bool = False
    detector: str = ""
    detection_threshold: float = 0.6

    def __post_init__(self) -> None:
        check_types(self)
        low, high = SIZE_RANGE
        if not low <= self.size <= high:
            raise DataError(f"The face size is {self.size} pixels; choose {low} to {high}.")
        if not 0 <= self.detection_threshold <= 1:
            raise DataError(f"The minimum detection score is {self.detection_threshold}; choose 0 to 1.")
        if not 1 <= self.min_face_px <= _MAX_FACE_PX:
            raise DataError(f"The smallest face is {self.min_face_px} pixels; choose 1 to {_MAX_FACE_PX}.")
        if not 0 <= self.seed < 2**32:
            raise DataError(f"The seed is {self.seed}; choose a whole number from 0 to {2**32 - 1}.")
