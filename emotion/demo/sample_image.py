"""The sample photo and the position of the face in it."""

from __future__ import annotations

from typing import Final

from emotion.storage import PROJECT_ROOT

SAMPLE_IMAGE: Final = PROJECT_ROOT / "emotion" / "demo" / "assets" / "astronaut.jpg"  # 512 x 512, one face
SAMPLE_FACE_CENTER: Final = (224.0, 116.0)  # x, y in pixels
SAMPLE_FACE_PX: Final = 96.0  # width
