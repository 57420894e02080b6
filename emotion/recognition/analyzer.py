"""The flow from a picture to labelled faces. It forgets everything between two pictures."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.checks import check_count, check_number
from emotion.errors import SettingsError
from emotion.faces import Box, Face
from emotion.media.image_reader import ImageSource, as_rgb, rotate
from emotion.model_store.store import default_bundle, open_bundle
from emotion.recognition.classification import Recogniser, Verdict
from emotion.recognition.cropping import crop_faces, looks, to_grey
from emotion.recognition.detection import Detector, finest_scale, search_scale
from emotion.recognition.detector_factory import make_detector
from emotion.recognition.onnx_detector import Glance
from emotion.recognition.score_fusion import Confirmation

# A `Settings.side` with which no image is reduced and those of at most 4096 pixels are searched enlarged twice: faces
# from 12 pixels are found. The network reads at most 171 million pixels, 99 of an image of 4000 x 3000.
FIND_ALL: Final = 16384
Quarter = Literal[0, 90, 180, 270]
ColorOrder = Literal["rgb", "bgr"]

# How sure detector and recogniser together must be of the faces, on average, for the photo to be taken as upright; and
# how many times more all faces of another turn must weigh. Chosen on 360 photos, 120 of them unknown to the detector:
# of 104 of these with faces 102 stay as they are, and turned wrong 282 of 312 are turned back.
_PLAIN: Final = 0.8
_CLEARER: Final = 1.5
_SURE: Final = 0.5  # the same of the surest face of a turn that may be taken
_TRIAL: Final = 1280  # pixels, the most that other turns are searched with until one is taken
_HARDLY: Final = 0.1  # the classifier's face score below which a face is not named
_RIVAL: Final = 0.5  # share of the highest probability from which the second label is named beside the first
_SUSPECT: Final = 0.6  # share of the least score of a face that is enough to hide what may be one
_LEAST_SIDE: Final = 20.0  # pixels where it is searched; a smaller face comes out in a finer search
_LEAST_FACE: Final = 12.0  # pixels of the image itself, with `FIND_ALL`


@dataclass(frozen=True)
class Settings:
    """What a person can choose for an analysis."""

    detection: float = 0.6  # least score of a face, 0 to 1
    # A label with less confidence is shown as unsure, 0 to 1. Of the validation faces on which most people agree, the
    # shipped recogniser names nine of ten from there on, and is right for nine of ten of those.
    unsure: float = 0.5
    side: int = 1280  # larger images are searched reduced to this long side in pixels, see `search_scale`
    head: str | None = None  # the recogniser's answer to show; None takes the one of its card

    def __post_init__(self) -> None:
        check_number("detection", self.detection, 0, 1)
        check_number("unsure", self.unsure, 0, 1)
        check_count("side", self.side, 1)
        if not isinstance(self.head, str | None):
            raise SettingsError(
                f"The setting head is {self.head!r}; expected the name of a head of the model, or None."
            )


class Reading(NamedTuple):
    """What the recogniser says of a face, and the grey uint8 square that it read."""

    face: Face
    crop: NDArray[np.uint8]
    verdict: Verdict


class Upright(NamedTuple):
    """A picture as it was read, whichever way up it came: RGB uint8 (H, W, 3), turned clockwise by the degrees
    `turned`; its faces; and the boxes of all that may be one, see `Analyzer.suspected`."""

    image: NDArray[np.uint8]
    faces: tuple[Face, ...]
    turned: Quarter
    suspected: tuple[Box, ...]


class Analyzer:
    """Image -> faces. Shared by all sessions; safe to call from many threads.

    An image may be all that `as_rgb` takes, by default with the colors of an array in the order RGB.
    """

    def __init__(self, detector: Detector, recogniser: Recogniser) -> None:
        self.detector = detector
        self.recogniser = recogniser
        self._witness = _witness_of(detector, recogniser)
        self.confirmation = _confirmation_of(detector, self._witness)  # None where the detector alone decides
        self._lock = threading.Lock()  # OpenCV's detectors keep state while they search

    def analyze(
        self, image: ImageSource, settings: Settings | None = None, *, order: ColorOrder = "rgb"
    ) -> tuple[Face, ...]:
        """Find the faces of an image and score their expressions.

        Args:
            image: A path, the bytes of a file, a Pillow image or an array, as `as_rgb` takes them.
            settings: What to search for; the default settings for None.
            order: The order of the colors of an array, "rgb", or "bgr" as OpenCV has it.

        Returns:
            The faces in reading order; () where there is none.

        Raises:
            ImageError: Where the image cannot be read.
            SettingsError: Where the model does not have the head of the settings.
        """
        settings = settings or Settings()
        return _labelled(self.readings(as_rgb(image, order=order), settings, careful=True), settings.unsure)

    def readings(self, image: ImageSource, settings: Settings, *, careful: bool = False) -> tuple[Reading, ...]:
        """The faces of an image as they were read, surest first where detector and recogniser decide together;
        `careful` as in `read`."""
        image = as_rgb(image)
        found = self.find(image, self.least(settings.detection), settings.side)
        return self._read_found(image, found, settings, careful)

    def _read_found(
        self, image: NDArray[np.uint8], found: tuple[Face, ...], settings: Settings, careful: bool
    ) -> tuple[Reading, ...]:
        readings = self.read(to_grey(image), found, settings.head, careful=careful)
        return self.confirmed(readings, settings.detection, least_side(image.shape, settings.side))

    def find(self, image: ImageSource, threshold: float, side: int) -> tuple[Face, ...]:
        """What the detector finds, see `Detector.detect`; not `confirmed` yet."""
        image = as_rgb(image)
        with self._lock:
            return self.detector.detect(image, threshold, side)

    def least(self, threshold: float) -> float:
        """The detector's least score of what may turn out to be a face, where `threshold` is that of a face."""
        return self.confirmation.least(threshold) if self.confirmation else threshold

    def suspected(self, image: ImageSource, settings: Settings) -> tuple[Box, ...]:
        """The boxes in an image of all that may be a face, also where that is not sure enough to be shown
        as one: what is to be hidden where faces are."""
        return tuple(face.box for face in self._suspects(image, settings))

    def _suspects(self, image: ImageSource, settings: Settings) -> tuple[Face, ...]:
        least = min(_SUSPECT * settings.detection, self.least(settings.detection))
        return self.find(image, least, settings.side)

    def confirmed(self, readings: tuple[Reading, ...], threshold: float, least: float) -> tuple[Reading, ...]:
        """The readings of faces, surest first, with what detector and recogniser together say as detection score;
        without those that lie on a better one or are smaller than `least` (pixels, the root of the area). All of them
        where the detector alone decides."""
        if self.confirmation is None:
            return readings
        judged = [
            reading._replace(face=replace(reading.face, detection=self.probability(reading.face, reading.verdict.face)))
            for reading in readings
            if reading.face.box.area >= least * least
        ]
        kept: list[Reading] = []
        for reading in sorted(judged, key=lambda reading: -reading.face.detection):
            face = reading.face
            if face.detection >= threshold and all(face.box.iou(other.face.box) < 0.3 for other in kept):
                kept.append(reading)
        return tuple(kept)

    def probability(self, face: Face, verdict: float) -> float:
        """How likely a found face is one, where the recogniser says `verdict`, 0 to 1."""
        return self.confirmation.probability(face.detection, verdict) if self.confirmation else face.detection

    def read(
        self, grey: NDArray[np.uint8], faces: tuple[Face, ...], head: str | None, *, careful: bool = False
    ) -> tuple[Reading, ...]:
        """What one call of the recogniser says of faces in a grey picture (H, W), in their order. `careful`: after
        three looks at each, which takes three times as long."""
        cut = looks if careful else crop_faces
        crops = cut(grey, faces, self.detector.geometry, self.recogniser.size)
        verdicts = self.recogniser.classify(crops, head)
        if self._witness is not self.recogniser:
            seen = self._witness.faces(crop_faces(grey, faces, self.detector.geometry, self._witness.size))
            verdicts = [replace(verdict, face=float(face)) for verdict, face in zip(verdicts, seen, strict=True)]
        return tuple(Reading(*parts) for parts in zip(faces, crops[0] if careful else crops, verdicts, strict=True))

    def analyze_upright(
        self, image: ImageSource, settings: Settings | None = None, *, order: ColorOrder = "rgb"
    ) -> Upright:
        """As `analyze`; where the faces are not plain, the image turned clockwise by 90, 180 and 270 degrees is
        tried, and taken where its faces are much plainer and one of them is sure."""
        settings, image = settings or Settings(), as_rgb(image, order=order)
        best = self._turned(image, 0, settings)
        if best.weight <= _PLAIN * len(best.readings):
            most = _CLEARER * best.weight
            trial = replace(settings, side=min(settings.side, _TRIAL))
            quarters: tuple[Quarter, ...] = (90, 270, 180)
            for quarter in quarters:
                turned = self._turned(image, quarter, trial)
                if turned.weight > most and max(map(self._weight, turned.readings)) >= _SURE:
                    most, best = turned.weight, turned
            if best.quarter and trial != settings:
                best = self._turned(image, best.quarter, settings)
        suspected = tuple(face.box for face in best.suspects)
        return Upright(best.image, _labelled(best.readings, settings.unsure), best.quarter, suspected)

    def _turned(self, image: NDArray[np.uint8], quarter: Quarter, settings: Settings) -> _Turned:
        turned = rotate(image, quarter) if quarter else image
        # One search gives both: a detector's surer finds are the same whatever less sure ones are asked for.
        suspects = self._suspects(turned, settings)
        found = tuple(face for face in suspects if face.detection >= self.least(settings.detection))
        readings = self._read_found(turned, found, settings, careful=True)
        return _Turned(turned, readings, quarter, suspects, sum(map(self._weight, readings)))

    def _weight(self, reading: Reading) -> float:
        """How sure both are that it is a face the right way up, 0 to 1: the recogniser learned upright ones only, the
        detector takes a face on its side, or the knot of a tie, for one as well. One that only proposes has no say."""
        return reading.verdict.face * (1.0 if self.detector.proposes else reading.face.detection)


class _Turned(NamedTuple):
    """What was found in a picture that was turned by `quarter` degrees clockwise."""

    image: NDArray[np.uint8]
    readings: tuple[Reading, ...]
    quarter: Quarter
    suspects: tuple[Face, ...]  # all that may be a face
    weight: float  # of the readings, together


def _labelled(readings: tuple[Reading, ...], unsure: float) -> tuple[Face, ...]:
    """The faces with their scores, and a reason where those are below `unsure`, in reading order."""
    labelled = (
        face.scored(verdict.scores, unsure_reason(face, crop, verdict, unsure)) for face, crop, verdict in readings
    )
    return reading_order(tuple(labelled))


def load_analyzer(detector: str | None = None, model: Path | None = None) -> Analyzer:
    """An analyzer with a detector by name and a model folder; None takes the best detector here and the
    shipped recogniser. Raises `ModelError` where one of them is not to be had."""
    bundle = open_bundle(model) if model else default_bundle("recogniser")
    return Analyzer(make_detector(detector), Recogniser(bundle))


def least_side(shape: tuple[int, ...], side: int) -> float:
    """Pixels of the smallest face (the root of its area) in an image (H, W, ...) that is searched with `side`.

    In a smaller one the classifier sees nothing, and to a detector the dot of an i looks like a head.
    """
    height, width = shape[:2]
    if side >= FIND_ALL:
        return max(_LEAST_FACE, _LEAST_SIDE / finest_scale(height, width, side))
    return _LEAST_SIDE / search_scale(height, width, side)


def _witness_of(detector: Detector, recogniser: Recogniser) -> Recogniser:
    """The classifier that says whether a crop shows a face: the given one, or the built-in one where the given one
    cannot tell or was not measured with the detector and the built-in one was."""
    known = detector.bundle.card.get("confirmation") if isinstance(detector, Glance) else None
    if not isinstance(recogniser, Recogniser) or (recogniser.tells_faces and known is None):
        return recogniser
    built_in = default_bundle("recogniser")
    measured = known is not None and known["recogniser"] == built_in.sha256
    if recogniser.bundle.sha256 == built_in.sha256 or (recogniser.tells_faces and not measured):
        return recogniser
    return Recogniser(built_in)


def _confirmation_of(detector: Detector, recogniser: Recogniser) -> Confirmation | None:
    """How a detector and a recogniser judge together; only for a pair that was measured, or if it must be."""
    if detector.proposes:
        return Confirmation()
    known = detector.bundle.card.get("confirmation") if isinstance(detector, Glance) else None
    if known and known["recogniser"] == recogniser.bundle.sha256:
        return Confirmation(*(float(known[name]) for name in ("detection", "face", "offset")))
    return None


def unsure_reason(face: Face, crop: NDArray[np.uint8], verdict: Verdict, threshold: float) -> str | None:
    """Why the label is not to be trusted, in words for a person; None where its confidence reaches `threshold` and the
    crop looks like a face.

    `crop` is the grey uint8 square that the recogniser read. The causes are looked at from the most to the
    least certain to have spoiled the answer. Two labels are named where the second one is at least half as probable
    as the first.
    """
    if verdict.face < _HARDLY:
        return "hardly a face"
    if verdict.scores.confidence >= threshold:
        return None
    if min(face.box.width, face.box.height) < 24:
        return f"small: {min(face.box.width, face.box.height):.0f} pixels wide"
    if face.landmarks is not None and abs(face.landmarks.turn) > 0.35:
        return "turned to the side"
    if crop.mean() < 45:
        return "dark"
    if sharpness(crop) < 0.02:
        return "blurred"
    (first, p), (second, q) = sorted(verdict.scores.items(), key=lambda item: -item[1])[:2]
    return f"between {first} and {second}" if q >= _RIVAL * p else "low confidence"


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of a grey crop over the variance of its grey levels; sharp faces have over 0.1.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy"; divided by the contrast so that
    a pale picture is not taken for a blurred one.
    """
    return float(cv2.Laplacian(crop, cv2.CV_64F).var() / max(1.0, float(crop.var())))


def reading_order(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    """Faces by rows from top to bottom, in each row from left to right.

    A row holds the faces whose centre lies above the lower edge of its topmost face.
    """
    rest = sorted(faces, key=lambda face: face.box.centre[1])
    ordered: list[Face] = []
    while rest:
        row = [face for face in rest if face.box.centre[1] <= rest[0].box.y2]
        ordered += sorted(row, key=lambda face: face.box.x1)
        rest = [face for face in rest if face.box.centre[1] > row[0].box.y2]
    return tuple(ordered)
