"""Face detectors based on OpenCV: YuNet and the Haar cascade."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.faces import Box, Face, Landmarks
from emotion.recognition.cropping import CropGeometry, to_gray
from emotion.recognition.detectors.detection import resize_long_side, search_scale
from emotion.translation.messages import gettext as _


class YuNet:
    """Detect faces by YuNet (Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector")."""

    name: str = "yunet"
    # Measured by `emotion detector calibrate yunet --crops`.
    crop_geometry: CropGeometry = CropGeometry(scale=1.13, y_offset=0.02)
    needs_verification: bool = False
    # Pixels: the network pads to multiples of 32 and detects nothing in smaller images, so these are padded further.
    _MIN_SIDE = 64

    def __init__(self, path: Path) -> None:
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.5, 0.3, 5000)
        except cv2.error as error:
            raise ModelError(
                _("The YuNet file {path} cannot be read; replace it or remove it.").format(path=path)
            ) from error

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        """See `FaceDetector.detect`."""
        height, width = image.shape[:2]
        small, sx, sy = resize_long_side(image, round(max(height, width) * search_scale(height, width, max_side)))
        pad_x, pad_y = (max(0, self._MIN_SIDE - n) for n in (small.shape[1], small.shape[0]))
        if pad_x or pad_y:
            small = cv2.copyMakeBorder(small, 0, pad_y, 0, pad_x, cv2.BORDER_CONSTANT)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        self._net.setScoreThreshold(threshold)
        _, rows = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        faces = []
        for row in rows if rows is not None else ():  # x, y, width, height, five points, score
            x, y, w, h = row[:4] * (sx, sy, sx, sy)
            box = Box(float(x), float(y), float(x + w), float(y + h)).clip(width, height)
            if box.area > 0:
                points = [(float(px * sx), float(py * sy)) for px, py in row[4:14].reshape(5, 2)]
                faces.append(Face(box, float(row[14]), Landmarks(*points)))
        return tuple(sorted(faces, key=lambda face: -face.detection_score))


class HaarCascade:
    """Detect frontal faces by the Haar cascade in the OpenCV package.

    It needs no download, but it is slower than YuNet and its boxes include false ones, all with the score 1.

    Source: Viola and Jones 2001, "Rapid object detection using a boosted cascade of simple features".
    """

    name: str = "haar"
    # Measured by `emotion detector calibrate haar --crops`.
    crop_geometry: CropGeometry = CropGeometry(scale=1.04, y_offset=0.005)
    needs_verification: bool = True

    def __init__(
        self, cascade_file: str = "haarcascade_frontalface_alt2.xml", min_neighbors: int = 2, min_face_px: int = 24
    ) -> None:
        """Configure the cascade.

        Args:
            cascade_file: Name of a file in the cascade folder of OpenCV.
            min_neighbors: Minimum number of raw detections that form a box.
            min_face_px: Side of the smallest face in pixels of the reduced image.
        """
        self._cascade_file = cascade_file
        self._min_neighbors = min_neighbors
        self._min_face_px = min_face_px

    @cached_property
    def _classifier(self) -> cv2.CascadeClassifier:
        folder = Path(cv2.data.haarcascades)  # pyright: ignore[reportAttributeAccessIssue]  (missing in its stubs)
        classifier = cv2.CascadeClassifier(str(folder / self._cascade_file))
        if classifier.empty():
            raise ModelError(
                _("OpenCV {version} came without {file}; install opencv-python-headless below 5.").format(
                    version=cv2.__version__, file=self._cascade_file
                )
            )
        return classifier

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        """See `FaceDetector.detect`; `threshold` has no effect, since the classifier verifies these boxes."""
        height, width = image.shape[:2]
        gray, sx, sy = resize_long_side(
            to_gray(image), round(max(height, width) * search_scale(height, width, max_side))
        )
        if min(gray.shape) < self._min_face_px:
            return ()
        gray = cv2.equalizeHist(gray)
        # Live video uses the small sizes: a coarser pyramid is faster, and a face missed in one frame is detected in a
        # later one.
        scale_factor = 1.1 if max_side > 320 else 1.15
        rows = self._classifier.detectMultiScale(
            gray, scale_factor, self._min_neighbors, minSize=(self._min_face_px, self._min_face_px)
        )
        boxes = (Box(x * sx, y * sy, (x + w) * sx, (y + h) * sy) for x, y, w, h in rows)
        return tuple(Face(box.clip(width, height), 1.0) for box in boxes)
