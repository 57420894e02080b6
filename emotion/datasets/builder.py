"""From photos sorted by label to a data set: find the face, cut it as the app does, share out, say what was left out.

    data/sets/NAME/{train,validation,test}/LABEL/00001.png    the faces, gray
    data/sets/NAME/faces.csv                                  where each of them comes from
    data/sets/NAME/rejected.csv                               what was left out, and why
    data/sets/NAME/rejected/00001.jpg                         thumbnails of it
    data/sets/NAME/dataset.json                               config, counts, provenance

All of it is made in the folder of the job, and gets its name in one step at the end: there is no half data set.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import SPLITS, is_blank
from emotion.datasets.duplicates import Fingerprints, group_fingerprints
from emotion.datasets.loaders import center_crop, sort_labels
from emotion.datasets.photo_sources import SourcePhoto, open_source
from emotion.datasets.splitting import SplitRatios, split_groups
from emotion.errors import DataError, ImageError, JobError
from emotion.faces import Face
from emotion.field_types import check_types
from emotion.jobs.reporter import JobReporter
from emotion.jobs.result_folder import check_result_folder, check_staging_folder, complete_result
from emotion.jobs.result_manifest import DATASET, ResultManifest
from emotion.jobs.result_replacement import check_movable, check_replaceable, remove_result, replace_result
from emotion.jobs.result_replacement import staging_folder as stage_of
from emotion.media.image_reader import encode_jpeg, read_image
from emotion.model_store.store import BUILTIN_MODELS
from emotion.recognition import analyzer
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.detector_factory import trained_detectors
from emotion.results.photos import ImageArray
from emotion.storage import BYTE_ORDER_MARK, escape_formula, require_free_space, write_atomic, write_json

DATASETS_FOLDER: Final = BUILTIN_MODELS.parent / "data" / "sets"
METADATA_FILE: Final = "dataset.json"
FACES_FILE: Final = "faces.csv"
REJECTED: Final = "rejected"
SIZE_RANGE: Final = (16, 512)  # pixels, the least and the most
REJECTED_COLUMNS: Final = ("name", "label", "reason", "message", "thumbnail")  # columns of rejected.csv
REJECTION_REASONS: Final = (
    "no face",
    "several faces",
    "too small",
    "blank",
    "unreadable",
    "duplicate",
    "two labels",
    "no label",
)
MultiFacePolicy = Literal["largest", "none"]

_FACES_COLUMNS: Final = ("file", "label", "split", "photo", "x1", "y1", "x2", "y2", "detection_score", "group", "digest")
_NAME_PATTERN: Final = re.compile(r"\w[\w .()+-]{0,59}", re.ASCII)
_MIN_RELATIVE_SIDE: Final = 0.5  # a face at least so wide, as a share of the largest, makes several
_THUMBNAIL_SIDE_PX: Final = 200  # pixels of the pictures of what was left out
_MAX_THUMBNAILS: Final = 100  # of what was left out, for each reason
_MIN_FREE_BYTES: Final = 50_000_000  # bytes that stay free


@dataclass(frozen=True)
class DatasetBuildConfig:
    """What can be chosen. `multi_face_policy`: whether the largest of several faces is taken, or none. `min_face_px`: pixels, the side
    of the smallest face. `pre_cropped`: the photos are cut faces already, and nothing is searched in them."""

    size: int = 48
    split_ratios: SplitRatios = (0.8, 0.1, 0.1)
    seed: int = 1
    multi_face_policy: MultiFacePolicy = "largest"
    min_face_px: int = 32
    pre_cropped: bool = False
    detector: str = ""  # "" takes the one at work here
    detection_threshold: float = 0.6  # least score of a face, 0 to 1

    def __post_init__(self) -> None:
        check_types(self)
        if not SIZE_RANGE[0] <= self.size <= SIZE_RANGE[1]:
            raise DataError(f"Faces of {self.size} pixels cannot be made; choose {SIZE_RANGE[0]} to {SIZE_RANGE[1]}.")
        if not 0 <= self.detection_threshold <= 1:
            raise DataError(f"A least score of {self.detection_threshold} makes no sense; choose 0 to 1.")
        if not 1 <= self.min_face_px <= 4096:
            raise DataError(f"A least face of {self.min_face_px} pixels makes no sense; choose 1 to 4096.")
        if not 0 <= self.seed < 2**32:
            raise DataError(f"The seed {self.seed} cannot be used; choose a whole number from 0 to 4294967295.")


@dataclass(frozen=True)
class _CroppedFace:
    """A face that was cut: the photo, the label, where it was, its fingerprint."""

    photo_name: str
    label: str
    crop_path: Path
    box: tuple[int, int, int, int]
    detection_score: float
    digest: bytes  # a digest


class _RejectionError(Exception):
    """Why a photo gives no face: one of `REJECTION_REASONS`, and a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def validate_name(name: str, parent: Path, *, overwrite: bool = False) -> Path:
    """The folder of a data set that is to be made. `DataError` where the name is no plain one, or is taken;
    `ResultFolderError` where it is taken by what cannot be replaced (`overwrite`)."""
    if not _NAME_PATTERN.fullmatch(name) or name.endswith((".", " ")):
        raise DataError(
            f"{name[:60]!r} cannot be the name of a data set; use up to 60 letters, digits, dashes and spaces."
        )
    found = check_result_folder(parent / name, DATASET) if overwrite else None
    if found is not None:
        check_replaceable(parent / name, found, overwrite=True)
        check_movable(parent / name)
    elif os.path.lexists(parent / name):
        raise DataError(f"There is a data set {name} already; choose another name.")
    return parent / name


def build_dataset(
    source: Path,
    target: Path,
    config: DatasetBuildConfig,
    folder: Path,
    reporter: JobReporter,
    *,
    overwrite: bool = False,
) -> dict[str, Any] | None:
    """Make the data set `target` of the photos in `source`; what is not finished yet lies in `folder`, on the same
    disk. Returns what dataset.json holds, None where it was asked to stop: then nothing is left. `overwrite`: a data
    set of this program that is there already is replaced.

    Raises `DataError` where the source gives no face, `ModelError` without the detector, `JobError` without space.
    """
    staging = folder / "set"
    shutil.rmtree(staging, ignore_errors=True)  # of an attempt that was killed
    try:
        reporter.progress(0, 0, "Looking for photos")
        with open_source(source, lambda: reporter.stop_requested) as photos:
            require_free_space(folder, len(photos) * (config.size**2 + 8_000) + _MIN_FREE_BYTES)
            workshop = _DatasetBuilder(staging, config)
            for i, photo in enumerate(photos):
                reporter.progress(i, len(photos), f"Photo {i + 1:,} of {len(photos):,}: {photo.name[-60:]}")
                if reporter.stop_requested:
                    return None
                workshop.add(photo)
        reporter.progress(len(photos), len(photos), "Looking for duplicates, sharing out")
        prepared = workshop.finish(source, target.name)
        if reporter.stop_requested:
            return None
        _publish(staging, target, overwrite)
        return prepared
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror)
        raise JobError(f"{target} cannot be made ({why}): make room or check the rights, then start again.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, target: Path, overwrite: bool) -> None:
    complete_result(staging, ResultManifest(DATASET))
    if hasattr(os, "sync"):
        os.sync()  # the pictures reach the disk before their name does
    validate_name(target.name, target.parent, overwrite=overwrite)  # somebody may have been quicker
    if target.is_dir():
        if check_staging_folder(target, DATASET) is not None:
            remove_result(stage_of(target))
        os.rename(staging, stage_of(target))
        replace_result(target)
    else:
        os.rename(staging, target)


# ------------------------------------------------------------------ one photo after the other


class _DatasetBuilder:
    """Cuts faces into `staging`, remembers what was left out, and makes a data set of it."""

    def __init__(self, staging: Path, config: DatasetBuildConfig) -> None:
        self._staging, self._config = staging, config
        self._analyzer = None if config.pre_cropped else analyzer.load_analyzer(config.detector or None)
        self._faces: list[_CroppedFace] = []
        self._fingerprints: list[Fingerprints] = []
        self._index_by_digest: dict[bytes, int] = {}  # digest of the pixels -> the first place in `_faces`
        self._conflicts: set[int] = set()  # places in `_faces` with the same pixels under another label
        self._rejected: list[tuple[str, ...]] = []  # as `REJECTED_COLUMNS`
        self._num_thumbnails: Counter[str] = Counter()  # of what was left out, by reason
        self._num_photos = 0
        for inner in ("crops", REJECTED):
            (staging / inner).mkdir(parents=True)

    def add(self, photo: SourcePhoto) -> None:
        """Cut the face of a photo, or remember why not."""
        self._num_photos += 1
        image: ImageArray | None = None
        try:
            if photo.skip_reason:
                raise _RejectionError("unreadable", f"{photo.skip_reason[:1].upper()}{photo.skip_reason[1:]}.")
            if not photo.label:
                raise _RejectionError("no label", "It lies in no folder that names a label.")
            image = read_image(photo.read(), name=photo.name)
            self._add_face(photo, *_crop_face(image, self._analyzer, self._config))
        except _RejectionError as left_out:
            self._reject(photo.name, photo.label, left_out.reason, str(left_out), image)
        except ImageError as error:
            self._reject(photo.name, photo.label, "unreadable", str(error), None)

    def _add_face(self, photo: SourcePhoto, crop: ImageArray, face: Face | None) -> None:
        digest = hashlib.blake2b(crop.tobytes(), digest_size=16).digest()
        first = self._index_by_digest.setdefault(digest, len(self._faces))
        if first < len(self._faces) and self._faces[first].label == photo.label:
            same = f"Its face is, pixel for pixel, that of {self._faces[first].photo_name}."
            self._reject(photo.name, photo.label, "duplicate", same, crop)
            return
        if first < len(self._faces):
            self._conflicts |= {first, len(self._faces)}
        path = self._staging / "crops" / f"{len(self._faces)}.png"
        _write_png(path, crop)
        box, score = (face.box.to_int_xyxy(), face.detection_score) if face else ((0, 0, 0, 0), 1.0)
        self._faces.append(_CroppedFace(photo.name, photo.label, path, box, score, digest))
        self._fingerprints.append(Fingerprints.from_images(crop[None]))

    def _reject(self, name: str, label: str, reason: str, message: str, image: ImageArray | None) -> None:
        picture = ""
        if image is not None and self._num_thumbnails[reason] < _MAX_THUMBNAILS:
            self._num_thumbnails[reason] += 1
            picture = f"{REJECTED}/{len(self._rejected) + 1:05d}.jpg"
            (self._staging / picture).write_bytes(encode_jpeg(_make_thumbnail(image), 80))
        self._rejected.append((name, label, reason, message, picture))

    # -------------------------------------------------------------- the data set

    def finish(self, source: Path, name: str) -> dict[str, Any]:
        """Share out what was cut, write everything that belongs to the data set, and say what it is."""
        self._reject_conflicts()
        _write_csv(self._staging / f"{REJECTED}.csv", [REJECTED_COLUMNS, *self._rejected])
        kept = [i for i in range(len(self._faces)) if i not in self._conflicts]
        if not kept:
            raise DataError(
                f"No face is left of {self._num_photos} photos in {source.name}: {_format_reasons(self._rejected)}."
            )
        made = [self._faces[i] for i in kept]
        prints = Fingerprints(
            *(
                np.concatenate(part)
                for part in zip(
                    *((self._fingerprints[i].hashes, self._fingerprints[i].thumbnails) for i in kept), strict=True
                )
            )
        )
        groups = group_fingerprints(prints)
        names = sort_labels({one.label for one in made})
        labels = np.array([names.index(one.label) for one in made])
        split = split_groups(labels, groups, self._config.split_ratios, self._config.seed)
        rows = list(self._move_faces(made, split, groups))
        _write_csv(self._staging / FACES_FILE, [_FACES_COLUMNS, *rows])
        shutil.rmtree(self._staging / "crops")
        prepared = self._build_metadata(source, name, names, rows)
        write_json(self._staging / METADATA_FILE, prepared)
        return prepared

    def _reject_conflicts(self) -> None:
        """Nobody can say which of two labels is right."""
        labels: dict[bytes, set[str]] = {}
        for place in self._conflicts:
            labels.setdefault(self._faces[place].digest, set()).add(self._faces[place].label)
        for place in sorted(self._conflicts):
            one = self._faces[place]
            said = " and ".join(sorted(labels[one.digest]))
            crop = cv2.imread(str(one.crop_path), cv2.IMREAD_GRAYSCALE)
            self._reject(
                one.photo_name, one.label, "two labels", f"The very same face is there as {said}.", np.asarray(crop)
            )

    def _move_faces(self, faces: list[_CroppedFace], split: NDArray, groups: NDArray) -> Iterator[list[Any]]:
        """Move every face to its place; the rows of `FACES_FILE`."""
        numbers: Counter[str] = Counter()
        for one, number, group in zip(faces, split.tolist(), groups.tolist(), strict=True):
            numbers[one.label] += 1
            file = f"{SPLITS[number]}/{one.label}/{numbers[one.label]:05d}.png"
            place = self._staging / file
            place.parent.mkdir(parents=True, exist_ok=True)
            os.rename(one.crop_path, place)
            yield [
                file,
                one.label,
                SPLITS[number],
                one.photo_name,
                *one.box,
                round(one.detection_score, 4),
                group,
                one.digest.hex(),
            ]

    def _build_metadata(
        self, source: Path, name: str, label_names: tuple[str, ...], rows: list[list[Any]]
    ) -> dict[str, Any]:
        counts = Counter((row[2], row[1]) for row in rows)
        groups = Counter(row[9] for row in rows)
        return {
            "name": name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": source.name,
            "photos": self._num_photos,
            "faces": len(rows),
            "labels": list(label_names),
            "counts": {place: {label: counts[place, label] for label in label_names} for place in SPLITS},
            "near_duplicates": {
                "groups": sum(count > 1 for count in groups.values()),
                "faces": sum(count for count in groups.values() if count > 1),
            },
            "rejected": {reason: n for reason in REJECTION_REASONS if (n := _count_reasons(self._rejected)[reason])},
            "config": asdict(self._config),
            "provenance": _describe_models(self._analyzer),
            "sha256": hashlib.sha256("\n".join(f"{row[0]} {row[10]}" for row in rows).encode()).hexdigest(),
        }


def _crop_face(
    image: ImageArray, face_analyzer: Analyzer | None, config: DatasetBuildConfig
) -> tuple[ImageArray, Face | None]:
    """The face of a photo RGB uint8 (H, W, 3) as grey uint8 (size, size). Raises `_RejectionError`."""
    if face_analyzer is None:
        if min(image.shape[:2]) < config.min_face_px:
            raise _RejectionError(
                "too small", f"It has {min(image.shape[:2])} pixels; {config.min_face_px} are asked for."
            )
        crop, face = center_crop(to_gray(image), config.size), None
    else:
        asked = analyzer.AnalyzerSettings(detection_threshold=config.detection_threshold, min_confidence=0.0)
        upright = face_analyzer.analyze_any_orientation(image, asked)
        image, face = upright.image, _select_face(upright.faces, config)
        crop = crop_faces(to_gray(image), (face,), face_analyzer.detector.crop_geometry, config.size)[0]
    if is_blank(crop[None])[0]:
        raise _RejectionError("blank", "There is nothing but a single grey.")
    return crop, face


def _select_face(faces: tuple[Face, ...], config: DatasetBuildConfig) -> Face:
    """The face that the label is about. Raises `_RejectionError`."""
    if not faces:
        raise _RejectionError("no face", "No face was found, neither upright nor turned.")
    face = max(faces, key=lambda face: face.box.area)
    side = face.box.area**0.5
    if config.multi_face_policy == "none":
        beside = sum(other.box.area**0.5 >= _MIN_RELATIVE_SIDE * side for other in faces)
        if beside > 1:
            raise _RejectionError("several faces", f"It shows {beside} faces, and nobody can say whose label it is.")
    if side < config.min_face_px:
        raise _RejectionError("too small", f"The face has {side:.0f} pixels; {config.min_face_px} are asked for.")
    return face


def _make_thumbnail(image: ImageArray) -> ImageArray:
    """RGB uint8 (H, W, 3), reduced to `_THUMBNAIL_SIDE_PX`."""
    height, width = image.shape[:2]
    factor = min(1.0, _THUMBNAIL_SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), np.uint8)


def _write_png(path: Path, gray: ImageArray) -> None:
    _, png = cv2.imencode(".png", gray)
    path.write_bytes(png.tobytes())


def _write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([escape_formula(cell) for cell in row] for row in rows)
    write_atomic(path, BYTE_ORDER_MARK + text.getvalue())


def _count_reasons(rejected: list[tuple[str, ...]]) -> Counter[str]:
    return Counter(one[REJECTED_COLUMNS.index("reason")] for one in rejected)


def _format_reasons(rejected: list[tuple[str, ...]]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in _count_reasons(rejected).most_common())


def _describe_models(face_analyzer: Analyzer | None) -> dict[str, Any] | None:
    """What found the faces: the detector, with the sha256 of its network where it was trained here, and the classifier
    that said which of its boxes are faces."""
    if face_analyzer is None:
        return None
    own, judge = trained_detectors().get(face_analyzer.detector.name), face_analyzer.classifier.bundle
    return {
        "detector": {"name": face_analyzer.detector.name, "sha256": own.sha256 if own else None},
        "classifier": {"name": judge.name, "sha256": judge.sha256},
    }
