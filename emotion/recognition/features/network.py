"""Estimate the points, the pose and the movements of faces by an exported network on the CPU."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.faces import Face, FaceFeatures, HeadPose
from emotion.model_store.store import ModelBundle
from emotion.movements import LEFT_EYE, NUM_POINTS, RIGHT_EYE
from emotion.recognition.cropping import CropGeometry, crop_faces, crop_to_image, get_roll_correction
from emotion.recognition.features.outputs import (
    ERRORS_OUTPUT,
    FACE_OUTPUT,
    MOVE_ERRORS,
    MOVES,
    NUM_ERRORS,
    NUM_VALUES,
    POINT_ERRORS,
    POINTS,
    POSE,
    POSE_ERRORS,
    VALUES_OUTPUT,
)
from emotion.recognition.onnx_session import load_session, run_in_batches
from emotion.translation.messages import gettext as _

# The expected error of points, in distances of the eyes, up to which they are drawn; a face with a larger mean has a
# certainty below 0.5. Of the test faces 5% have one: the largest of their three angle errors has a median of 8 degrees
# and more, and their movements correlate with the teacher's by 0.5 and less.
MAX_POINT_ERROR: Final = 0.15
MIN_CERTAINTY: Final = 0.5  # of a face whose pose and movements are shown
_MIN_EYE_DISTANCE: Final = 0.1  # sides of the crop, of a head in profile
Number = TypeVar("Number", float, NDArray[np.float64])


class CropFeatures(NamedTuple):
    """What a features network sees in n crops.

    Attributes:
        points: (n, 68, 2) in sides of the crop.
        pose: (n, 3), yaw, pitch and roll in degrees.
        movements: (n, movements), 0 to 1.
        point_errors: (n, 68), expected errors in sides of the crop.
        pose_errors: (n, 3), expected errors in degrees.
        movement_errors: (n, movements), expected errors.
        face_probs: (n,), the probability that the teacher would find a face, 0 to 1.
    """

    points: NDArray[np.float64]
    pose: NDArray[np.float64]
    movements: NDArray[np.float64]
    point_errors: NDArray[np.float64]
    pose_errors: NDArray[np.float64]
    movement_errors: NDArray[np.float64]
    face_probs: NDArray[np.float64]


class FeaturesNetwork:
    """A features network on ONNX Runtime; safe to use from many threads.

    Args:
        bundle: The model.
        num_threads: The number of cores for one call; 0 for all.

    Raises:
        ModelError: The model is not a features network, or its network does not fit its card.
    """

    def __init__(self, bundle: ModelBundle, num_threads: int = 0) -> None:
        card = bundle.features_card
        self.bundle, self.input_size = bundle, card.input.size
        self._movements, self._shown = card.movements, frozenset(card.shown_movements)
        self._calibration = card.error_calibration
        self._session = load_session(bundle, num_threads)
        widths = {output.name: output.shape[-1] for output in self._session.get_outputs()}
        expected = {VALUES_OUTPUT: NUM_VALUES, ERRORS_OUTPUT: NUM_ERRORS, FACE_OUTPUT: 1}
        size = self._session.get_inputs()[0].shape[1]
        if widths != expected or size != self.input_size or len(self._movements) != MOVES.stop - MOVES.start:
            raise ModelError(
                _(
                    "The network of the model {model} reads {size} pixels and has the outputs {outputs}; its card "
                    "needs {wanted_size} pixels and {wanted}."
                ).format(model=bundle.name, size=size, outputs=widths, wanted_size=self.input_size, wanted=expected)
            )

    def predict(self, crops: NDArray[np.uint8]) -> CropFeatures:
        """Estimate the features of gray uint8 crops (n, size, size)."""
        names = [VALUES_OUTPUT, ERRORS_OUTPUT, FACE_OUTPUT]
        outputs = run_in_batches(self._session, names, crops)
        values, log_errors, logits = (output.astype(np.float64) for output in outputs)
        errors, factors = np.exp(log_errors), self._calibration
        return CropFeatures(
            points=values[:, POINTS].reshape(-1, NUM_POINTS, 2),
            pose=values[:, POSE],
            movements=values[:, MOVES].clip(0, 1),
            point_errors=errors[:, POINT_ERRORS] * factors.points,
            pose_errors=errors[:, POSE_ERRORS] * factors.pose,
            movement_errors=errors[:, MOVE_ERRORS] * factors.movements,
            face_probs=(1 + np.tanh(logits[:, 0] / 2)) / 2,  # the logistic function, in the form that cannot overflow
        )

    def describe_faces(
        self, gray: NDArray[np.uint8], faces: tuple[Face, ...], geometry: CropGeometry
    ) -> tuple[FaceFeatures, ...]:
        """Estimate the features of the faces of an image.

        Args:
            gray: The image, gray uint8 (H, W).
            faces: The n faces.
            geometry: The relation of their boxes to the crops.

        Returns:
            The features in the order of the faces.
        """
        if not faces:
            return ()
        seen = self.predict(crop_faces(gray, faces, geometry, self.input_size))
        return tuple(self._place(seen, index, face, geometry) for index, face in enumerate(faces))

    def estimate_tilts(
        self, gray: NDArray[np.uint8], faces: tuple[Face, ...], geometry: CropGeometry
    ) -> NDArray[np.float64]:
        """Estimate the tilts of the faces of an image; arguments as in `describe_faces`.

        Returns:
            The clockwise rotation of the line through the eyes in degrees (n,), NaN where a certainty is below 0.5.
        """
        seen = self.predict(crop_faces(gray, faces, geometry, self.input_size))
        eyes = seen.points[:, LEFT_EYE].mean(1) - seen.points[:, RIGHT_EYE].mean(1)
        certainty = compute_certainty(seen.point_errors.mean(1) / _measure_lengths(eyes)) * seen.face_probs
        tilts = np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))
        tilts += [get_roll_correction(face.landmarks) for face in faces]
        return np.where(certainty >= MIN_CERTAINTY, tilts, np.nan)

    def _place(self, seen: CropFeatures, index: int, face: Face, geometry: CropGeometry) -> FaceFeatures:
        """Return the features of a face in pixels of the image."""
        roll = get_roll_correction(face.landmarks)
        points = crop_to_image(seen.points[index], geometry.to_square(face.box), roll)
        errors = seen.point_errors[index] / measure_eye_distance(seen.points[index])
        certainty = compute_certainty(float(errors.mean())) * float(seen.face_probs[index])
        is_known = certainty >= MIN_CERTAINTY
        yaw, pitch, crop_roll = map(float, seen.pose[index])
        strengths = zip(self._movements, seen.movements[index], strict=True)
        return FaceFeatures(
            points=tuple((float(x), float(y)) for x, y in points),
            point_errors=tuple(map(float, errors)),
            pose=HeadPose(yaw, pitch, crop_roll + roll) if is_known else None,
            movements={name: float(value) for name, value in strengths if name in self._shown} if is_known else {},
            certainty=certainty,
        )


def measure_eye_distance(points: NDArray[np.float64]) -> float:
    """Return the distance of the middles of the eyes of points (68, 2), at least a tenth of the crop."""
    return float(_measure_lengths(points[LEFT_EYE].mean(0) - points[RIGHT_EYE].mean(0)))


def _measure_lengths(eye_vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lengths (...) of vectors (..., 2), at least a tenth of the crop."""
    return np.maximum(_MIN_EYE_DISTANCE, np.hypot(eye_vectors[..., 0], eye_vectors[..., 1]))


def compute_certainty(point_error: Number) -> Number:
    """Return a certainty from 1 down to 0, and 0.5 at `MAX_POINT_ERROR`, for an expected error in eye distances."""
    return 1 / (1 + (point_error / MAX_POINT_ERROR) ** 2)
