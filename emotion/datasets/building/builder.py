"""Build a data set from photos sorted by label: crop the faces, reject what gives none, split what is left.

    data/sets/NAME/{train,validation,test}/LABEL/00001.png    the faces, gray
    data/sets/NAME/dataset.json, faces.csv                    see `metadata`
    data/sets/NAME/rejected.csv, rejected/                    see `rejections`

Everything is written into the folder of the job and renamed in one step at the end, so that no data set is ever
incomplete.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.building.config import BuildMode, DatasetBuildConfig
from emotion.datasets.building.existing import LabeledFace, find_face_size, read_existing_faces
from emotion.datasets.building.face_crops import crop_labeled_face
from emotion.datasets.building.publishing import publish
from emotion.datasets.building.rejections import REJECTION_REASONS, RejectionError, RejectionLog
from emotion.datasets.dataset import SPLITS
from emotion.datasets.duplicates import Fingerprints, group_fingerprints
from emotion.datasets.metadata import (
    FACES_COLUMNS,
    FACES_FILE,
    METADATA_FILE,
    SYNTHETIC_FACES_FILE,
    BuildProvenance,
    DatasetMetadata,
    read_metadata,
    write_csv,
)
from emotion.datasets.readers.image_folders import center_crop, sort_labels
from emotion.datasets.readers.photo_sources import SourcePhoto, open_source
from emotion.datasets.splitting import split_groups
from emotion.errors import DataError, ImageError, JobError
from emotion.jobs.reporter import JobReporter
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.recognition import analyzer
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.cropping import to_gray
from emotion.recognition.detectors.detector_factory import trained_detectors
from emotion.storage import require_free_space, write_json
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

_MAX_SHOWN_NAME: Final = 60  # characters of a name in a message
_BYTES_PER_PHOTO: Final = 8_000  # beside the pixels of its face: a thumbnail, rows of the tables, a file entry
_MIN_FREE_BYTES: Final = 50_000_000  # stay free on the disk
_CROPS_FOLDER: Final = "crops"
_DIGEST_BYTES: Final = 16


def build_dataset(
    source: Path,
    target: Path,
    config: DatasetBuildConfig,
    folder: Path,
    reporter: JobReporter,
    *,
    mode: BuildMode = "new",
) -> DatasetMetadata | None:
    """Build the data set `target` from the photos in `source`.

    Args:
        source: A folder or ZIP of photos, sorted by label.
        target: The folder of the data set.
        config: The settings.
        folder: The folder of the job, on the same disk; it holds the data set until it is complete.
        reporter: Receives the progress, and may request a stop.
        mode: What happens to an existing data set that was built here, see `BuildMode`.

    Returns:
        The content of dataset.json, or None after a stop, which leaves nothing behind.

    Raises:
        DataError: No photo gives a face, or the name is taken.
        ModelError: The detector is missing.
        JobError: The disk is full or may not be written to.
    """
    staging = folder / "set"
    shutil.rmtree(staging, ignore_errors=True)  # left by a job that was killed
    try:
        existing = target if mode == "extend" else None
        config = replace(config, size=find_face_size(existing)) if existing else config
        builder = _crop_photos(source, staging, config, reporter, existing)
        if builder is None:
            return None
        metadata = builder.finish(source, target.name)
        if reporter.stop_requested:
            return None
        publish(staging, target, overwrite=mode != "new")
        return metadata
    except OSError as error:
        reason = _("the disk is full") if error.errno == errno.ENOSPC else str(error.strerror)
        problem = _("{path} cannot be written ({reason}): free disk space or check the permissions, then start again.")
        raise JobError(problem.format(path=target, reason=reason)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _crop_photos(
    source: Path, staging: Path, config: DatasetBuildConfig, reporter: JobReporter, existing: Path | None
) -> _DatasetBuilder | None:
    """Crop the faces of all photos into `staging`, beside those of the data set `existing`; None after a stop."""
    reporter.progress(0, 0, gettext_noop("Looking for photos"))
    with open_source(source, lambda: reporter.stop_requested) as photos:
        require_free_space(staging.parent, len(photos) * (config.size**2 + _BYTES_PER_PHOTO) + _MIN_FREE_BYTES)
        builder = _DatasetBuilder(staging, config)
        if existing:
            builder.add_existing(existing)
        for i, photo in enumerate(photos):
            reporter.progress(i, len(photos), f"Photo {i + 1:,} of {len(photos):,}: {photo.name[-_MAX_SHOWN_NAME:]}")
            if reporter.stop_requested:
                return None
            builder.add(photo)
    reporter.progress(len(photos), len(photos), gettext_noop("Looking for duplicates, splitting"))
    return builder


@dataclass(frozen=True)
class _CroppedFace:
    photo_name: str
    label: str
    crop_path: Path
    box: tuple[int, int, int, int]
    detection_score: float
    digest: bytes  # of the pixels
    split: int = -1  # that it has already, an index into `SPLITS`


class _FaceRow(NamedTuple):
    """The fields of a row of faces.csv that the metadata count."""

    file: str
    label: str
    split: str
    group: int
    digest: str


class _DatasetBuilder:
    """Crops faces into `staging`, logs the rejected photos, and makes a data set of them."""

    def __init__(self, staging: Path, config: DatasetBuildConfig) -> None:
        self._staging, self._config = staging, config
        self._analyzer = None if config.pre_cropped else analyzer.load_analyzer(config.detector or None)
        self._faces: list[_CroppedFace] = []
        self._fingerprints: list[Fingerprints] = []
        self._first_index: dict[bytes, int] = {}  # digest -> the first index in `_faces`
        self._conflicts: set[int] = set()  # indices in `_faces` of equal pixels with different labels
        self._num_photos = 0
        self._rejections = RejectionLog(staging)
        (staging / _CROPS_FOLDER).mkdir()

    def add(self, photo: SourcePhoto) -> None:
        """Crop the face of a photo, or log why there is none."""
        self._num_photos += 1
        image: ImageArray | None = None
        try:
            if photo.skip_reason:
                raise RejectionError("unreadable", f"{photo.skip_reason[:1].upper()}{photo.skip_reason[1:]}.")
            if not photo.label:
                raise RejectionError("no label", "The photo is in no folder that names a label.")
            image = read_image(photo.read(), name=photo.name)
            crop, face = crop_labeled_face(image, self._analyzer, self._config)
            box, score = (face.box.to_int_xyxy(), face.detection_score) if face else ((0, 0, 0, 0), 1.0)
            self._add_face(LabeledFace(photo.label, -1, crop, photo.name, box, score))
        except RejectionError as error:
            self._rejections.add(photo.name, photo.label, error, image)
        except ImageError as error:
            self._rejections.add(photo.name, photo.label, RejectionError("unreadable", str(error)), None)

    def add_existing(self, folder: Path) -> None:
        """Add the faces of a data set, which keep their splits, and what is known of rejected and synthetic ones."""
        for face in read_existing_faces(folder):
            self._add_face(face._replace(crop=center_crop(face.crop, self._config.size)))
        self._rejections.add_existing(folder)
        if (folder / SYNTHETIC_FACES_FILE).is_file():
            shutil.copy2(folder / SYNTHETIC_FACES_FILE, self._staging)
        self._num_photos += (read_metadata(folder) or {}).get("photos", 0)

    def _add_face(self, face: LabeledFace) -> None:
        index = len(self._faces)
        digest = hashlib.blake2b(face.crop.tobytes(), digest_size=_DIGEST_BYTES).digest()
        first = self._first_index.setdefault(digest, index)
        if first < index:
            twin = self._faces[first]
            if twin.label == face.label:
                message = f"The face has the same pixels as that of {twin.photo_name}."
                return self._rejections.add(face.photo, face.label, RejectionError("duplicate", message), face.crop)
            if twin.split >= 0:  # somebody may have corrected the label of a face that is there already
                message = f"The face is in the data set already, labeled {twin.label}."
                return self._rejections.add(face.photo, face.label, RejectionError("two labels", message), face.crop)
            self._conflicts |= {first, index}
        path = self._staging / _CROPS_FOLDER / f"{index}.png"
        _write_png(path, face.crop)
        cropped = _CroppedFace(face.photo, face.label, path, face.box, face.detection_score, digest, face.split)
        self._faces.append(cropped)
        self._fingerprints.append(Fingerprints.from_images(face.crop[None]))

    def finish(self, source: Path, name: str) -> DatasetMetadata:
        """Split the faces, write all files of the data set, and return the content of dataset.json.

        Raises:
            DataError: No face is left.
        """
        self._reject_conflicts()
        self._rejections.write()
        kept = [i for i in range(len(self._faces)) if i not in self._conflicts]
        if not kept:
            problem, reasons = _("No face is left of {count} photos in {name}: {reasons}."), self._rejections.describe()
            raise DataError(problem.format(count=self._num_photos, name=source.name, reasons=reasons))
        faces = [self._faces[i] for i in kept]
        groups = group_fingerprints(Fingerprints.concatenate([self._fingerprints[i] for i in kept]))
        names = sort_labels({face.label for face in faces})
        labels = np.array([names.index(face.label) for face in faces])
        existing_split = np.array([face.split for face in faces], np.int8)
        split = split_groups(labels, groups, self._config.split_ratios, self._config.seed, existing_split)
        rows = self._move_faces(faces, split, groups)
        shutil.rmtree(self._staging / _CROPS_FOLDER)
        metadata = self._make_metadata(source, name, names, rows)
        write_json(self._staging / METADATA_FILE, metadata)
        return metadata

    def _reject_conflicts(self) -> None:
        """Reject equal pixels with different labels: which label is right cannot be decided."""
        labels: dict[bytes, set[str]] = {}
        for index in self._conflicts:
            labels.setdefault(self._faces[index].digest, set()).add(self._faces[index].label)
        for index in sorted(self._conflicts):
            face = self._faces[index]
            message = f"The same face is also labeled {' and '.join(sorted(labels[face.digest] - {face.label}))}."
            crop = to_gray(read_image(face.crop_path.read_bytes()))
            self._rejections.add(face.photo_name, face.label, RejectionError("two labels", message), crop)

    def _move_faces(
        self, faces: list[_CroppedFace], split: NDArray[np.int8], groups: NDArray[np.intp]
    ) -> list[_FaceRow]:
        """Move every face into its split and write faces.csv."""
        counts: Counter[str] = Counter()
        rows, lines = [], []
        for face, number, group in zip(faces, split.tolist(), groups.tolist(), strict=True):
            counts[face.label] += 1
            file = f"{SPLITS[number]}/{face.label}/{counts[face.label]:05d}.png"
            path = self._staging / file
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(face.crop_path, path)
            row = _FaceRow(file, face.label, SPLITS[number], group, face.digest.hex())
            rows.append(row)
            lines.append((*row[:3], face.photo_name, *face.box, round(face.detection_score, 4), *row[3:]))
        write_csv(self._staging / FACES_FILE, [FACES_COLUMNS, *lines])
        return rows

    def _make_metadata(
        self, source: Path, name: str, label_names: tuple[str, ...], rows: list[_FaceRow]
    ) -> DatasetMetadata:
        counts = Counter((row.split, row.label) for row in rows)
        group_sizes = [size for size in Counter(row.group for row in rows).values() if size > 1]
        reasons = self._rejections.count_reasons()
        digests = "\n".join(f"{row.file} {row.digest}" for row in rows)
        return {
            "name": name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": source.name,
            "photos": self._num_photos,
            "faces": len(rows),
            "labels": list(label_names),
            "counts": {split: {label: counts[split, label] for label in label_names} for split in SPLITS},
            "near_duplicates": {"groups": len(group_sizes), "faces": sum(group_sizes)},
            "rejected": {reason: reasons[reason] for reason in REJECTION_REASONS if reasons[reason]},
            "config": asdict(self._config),
            "provenance": _describe_models(self._analyzer) if self._analyzer else None,
            "sha256": hashlib.sha256(digests.encode()).hexdigest(),
        }


def _write_png(path: Path, gray: ImageArray) -> None:
    path.write_bytes(cv2.imencode(".png", gray)[1].tobytes())


def _describe_models(face_analyzer: Analyzer) -> BuildProvenance:
    name, classifier = face_analyzer.detector.name, face_analyzer.classifier.bundle
    trained = trained_detectors().get(name)
    return {
        "detector": {"name": name, "sha256": trained.sha256 if trained else None},
        "classifier": {"name": classifier.name, "sha256": classifier.sha256},
    }
