"""The settings of the image analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emotion.checks import check_count, check_number
from emotion.errors import SettingsError

# An `AnalyzerSettings.max_side` with which no image is reduced, and images of at most 4096 pixels are enlarged twice:
# faces from 12 pixels are detected. The network reads at most 171 million pixels, 99 of an image of 4000 x 3000.
FULL_RESOLUTION_SIDE: Final = 16384


@dataclass(frozen=True)
class AnalyzerSettings:
    """Settings of detector and classifier.

    Attributes:
        detection_threshold: The least score of a face, 0 to 1.
        min_confidence: The least confidence of a label, 0 to 1; one with less is displayed as "unsure". Of the
            validation faces with a majority, the built-in classifier reaches 0.5 for 91%, and is right for 87% of
            these.
        max_side: Larger images are searched reduced to this long side in pixels, see `search_scale`.
        head: The head of the classifier; the default one of its card for None.
        features: Whether points, head pose and movements of the faces are estimated, too.
    """

    detection_threshold: float = 0.6
    min_confidence: float = 0.5
    max_side: int = 1280
    head: str | None = None
    features: bool = False

    def __post_init__(self) -> None:
        check_number("detection_threshold", self.detection_threshold, 0, 1)
        check_number("min_confidence", self.min_confidence, 0, 1)
        check_count("max_side", self.max_side, 1)
        if not isinstance(self.head, str | None):
            raise SettingsError(
                f"The setting head is {self.head!r}; expected the name of a head of the model, or None."
            )
        if not isinstance(self.features, bool):
            raise SettingsError(f"The setting features is {self.features!r}; expected True or False.")
