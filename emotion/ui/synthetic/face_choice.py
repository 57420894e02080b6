"""What decides a synthetic face between two expressions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.generation.sampler import Sampler
from emotion.ui.synthetic import faces


class FaceChoice(NamedTuple):
    """A face of a generator: `share`, 0 to 1, is the part of the second of its two expressions."""

    seed: int
    labels: tuple[str, str]
    share: float
    truncation: float

    @property
    def file_stem(self) -> str:
        """Name of its file without the suffix."""
        start, end = self.labels
        return f"{end}-{self.seed}" if self.share == 1 else f"{start}-{end}-{round(100 * self.share)}-{self.seed}"

    def generate(self, sampler: Sampler) -> NDArray[np.uint8]:
        """Generate the face, gray uint8 (size, size)."""
        return faces.blend(sampler, self.seed, self.labels, (self.share,), self.truncation).faces[0]
