"""Smooth the points, the head pose and the movements of a tracked face, and apply its neutral calibration to them."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box, Face, FaceFeatures, HeadPose
from emotion.movements import LEFT_EYE, RIGHT_EYE
from emotion.recognition.features.network import MIN_CERTAINTY
from emotion.tracking.time_decayed_mean import MIN_CALIBRATION_SAMPLES, TimeDecayedMean

# Share of the half-life of scores with which the shape of a face is averaged. In a video of 20 s, points then move by
# 0.7% of the eye distance from one estimate to the next (1.3% without averaging), and those of the mouth are off by
# 0.7% (0.6%) from the mean of three neighboring estimates; with the whole half-life they would be off by 2.2%.
POINTS_HALF_LIFE_RATIO: Final = 0.2
_MIN_SIZE_PX: Final = 1e-6  # of points that all lie in one place
_NUM_ANGLES: Final = 3
_FULL_TURN: Final = 360.0  # degrees


class _Placement(NamedTuple):
    """Where a face was when its points were estimated: complex numbers are x + iy in pixels."""

    box: Box
    center: complex
    unit: complex  # the root mean square distance from the center in the direction from the right to the left eye


class FeaturesAverage:
    """The smoothed features of one track.

    Points are averaged in coordinates of the face, which follow its place, size and roll without delay. Pose and
    movements are averaged over the frames in which the network knows them.
    """

    def __init__(self) -> None:
        self._shape, self._certainty, self._strengths = TimeDecayedMean(), TimeDecayedMean(), TimeDecayedMean()
        self._placement: _Placement | None = None
        self._names: tuple[str, ...] = ()  # of the movements
        self._neutral_mean: TimeDecayedMean | None = None  # during a calibration
        self._neutral: NDArray[np.float64] | None = None  # the movements of the neutral face

    def update(self, face: Face, timestamp: float, half_life: float) -> None:
        """Add the features of a frame.

        Args:
            face: The face at its place in that frame; one without features changes nothing.
            timestamp: The time of the frame in seconds.
            half_life: See `TimeDecayedMean.update`.
        """
        features = face.features
        if features is None:
            return
        points = np.array(features.points) @ np.array([1, 1j])
        eyes = points[LEFT_EYE].mean() - points[RIGHT_EYE].mean()
        center = complex(points.mean())
        size = max(_MIN_SIZE_PX, float(np.sqrt(np.mean(np.abs(points - center) ** 2))))
        self._placement = _Placement(face.box, center, cmath.rect(size, cmath.phase(complex(eyes))))
        shape = (points - center) / self._placement.unit
        values = np.concatenate([shape.real, shape.imag, features.point_errors])
        self._shape.update(values, timestamp, POINTS_HALF_LIFE_RATIO * half_life)
        self._certainty.update(np.array([features.certainty]), timestamp, half_life)
        if features.pose is not None:
            self._add_strengths(features.pose, features.movements, timestamp, half_life)

    def _add_strengths(
        self, pose: HeadPose, movements: Mapping[str, float], timestamp: float, half_life: float
    ) -> None:
        names, strengths = tuple(movements), np.array([*movements.values()])
        if names != self._names:
            if self._names:  # another network, whose movements are not comparable
                self.clear_calibration()
            self._names, self._strengths = names, TimeDecayedMean()
        roll = pose.roll
        if self._strengths.weight:  # an average of 179 and -179 degrees is not 0
            roll += _FULL_TURN * round((self._strengths.mean[_NUM_ANGLES - 1] - roll) / _FULL_TURN)
        self._strengths.update(np.array([pose.yaw, pose.pitch, roll, *strengths]), timestamp, half_life)
        if self._neutral_mean is not None:
            self._neutral_mean.update(strengths, timestamp, math.inf)

    def apply_to(self, face: Face) -> Face:
        """Return the face with the smoothed features at its present place; as it is before the first `update`.

        Movements are those of the face less those of its neutral face, and at least 0.
        """
        if self._placement is None:
            return face
        certainty = float(self._certainty.mean[0])
        pose, movements = None, dict[str, float]()
        if certainty >= MIN_CERTAINTY and self._strengths.weight:
            yaw, pitch, roll = map(float, self._strengths.mean[:_NUM_ANGLES])
            pose = HeadPose(yaw, pitch, (roll + _FULL_TURN / 2) % _FULL_TURN - _FULL_TURN / 2)
            strengths = self._strengths.mean[_NUM_ANGLES:]
            if self._neutral is not None:
                strengths = np.maximum(strengths - self._neutral, 0)
            movements = dict(zip(self._names, map(float, strengths), strict=True))
        x, y, errors = self._shape.mean.reshape(3, -1)
        points = self._placement.center + self._placement.unit * (x + 1j * y)
        features = FaceFeatures(
            points=tuple(zip(points.real.tolist(), points.imag.tolist(), strict=True)),
            point_errors=tuple(errors.tolist()),
            pose=pose,
            movements=movements,
            certainty=certainty,
        )
        return replace(face, features=features.move(self._placement.box, face.box))

    def reset(self) -> None:
        """Forget the averages and keep the calibration: the face was out of sight."""
        self._shape, self._certainty, self._strengths = TimeDecayedMean(), TimeDecayedMean(), TimeDecayedMean()
        self._placement = None

    def start_calibration(self) -> None:
        """Collect the following movements as those of a neutral face."""
        self._neutral_mean = TimeDecayedMean()

    def finish_calibration(self) -> None:
        """Take the movements since `start_calibration` as zero, where there are enough of them."""
        mean, self._neutral_mean = self._neutral_mean, None
        if mean is not None and mean.weight >= MIN_CALIBRATION_SAMPLES:
            self._neutral = mean.mean

    def clear_calibration(self) -> None:
        """Show the movements as they are, and stop a calibration in progress."""
        self._neutral_mean = self._neutral = None
