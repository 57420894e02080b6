"""From photos sorted by label to a data set: find the face, cut it as the app does, share out, say what was left out.

    data/sets/NAME/{train,valid,test}/LABEL/00001.png    the faces, grey
    data/sets/NAME/faces.csv                             where each of them comes from
    data/sets/NAME/thrown_out.csv                        what was left out, and why
    data/sets/NAME/thrown_out/00001.jpg                  small pictures of it
    data/sets/NAME/prepared.json                         settings, counts, receipt

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

from emotion.datasets.dataset import blank
from emotion.datasets.duplicates import Fingerprints, near_prints
from emotion.datasets.loaders import in_order, square
from emotion.datasets.photo_sources import SourcePhoto, open_source
from emotion.datasets.splitting import Shares, split_groups
from emotion.errors import DataError, ImageError, JobError
from emotion.faces import Face
from emotion.field_types import check_types
from emotion.jobs.reporter import Reporter
from emotion.jobs.result_folder import (  # fmt: skip
    DATASET,
    Mark,
    check,
    check_movable,
    check_replaceable,
    check_stage,
    complete,
    put_in_place,
    remove,
)
from emotion.jobs.result_folder import staging as stage_of
from emotion.media.image_reader import encode_jpeg, read_image
from emotion.model_store.store import SHIPPED
from emotion.recognition import analyzer
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.cropping import crop_faces, to_grey
from emotion.recognition.detector_factory import own_detectors
from emotion.storage import BYTE_ORDER_MARK, free_space_or_raise, write_atomic, write_json

SETS: Final = SHIPPED.parent / "data" / "sets"
PREPARED: Final = "prepared.json"
FACES: Final = "faces.csv"
THROWN_OUT: Final = "thrown_out"
FOLDERS: Final = ("train", "valid", "test")  # as `SPLITS`
SIZES: Final = (16, 512)  # pixels, the least and the most
LEFT_OUT: Final = ("name", "label", "reason", "sentence", "picture")  # columns of thrown_out.csv
REASONS: Final = (
    "no face", "several faces", "too small", "blank", "unreadable", "duplicate", "two labels", "no label",
)  # fmt: skip
Several = Literal["largest", "none"]
Picture = NDArray[np.uint8]

_FACE: Final = ("file", "label", "split", "photo", "x1", "y1", "x2", "y2", "score", "group", "pixels")
_NAME: Final = re.compile(r"\w[\w .()+-]{0,59}", re.ASCII)
_BESIDE: Final = 0.5  # a face at least so wide, as a share of the largest, makes several
_SMALL_SIDE: Final = 200  # pixels of the pictures of what was left out
_MOST_PICTURES: Final = 100  # of what was left out, for each reason
_SPARE: Final = 50_000_000  # bytes that stay free


@dataclass(frozen=True)
class Settings:
    """What can be chosen. `several`: whether the largest of several faces is taken, or none. `least`: pixels, the side
    of the smallest face. `whole`: the photos are cut faces already, and nothing is searched in them."""

    size: int = 48
    shares: Shares = (0.8, 0.1, 0.1)
    seed: int = 1
    several: Several = "largest"
    least: int = 32
    whole: bool = False
    detector: str = ""  # "" takes the one at work here
    detection: float = 0.6  # least score of a face, 0 to 1

    def __post_init__(self) -> None:
        check_types(self)
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise DataError(f"Faces of {self.size} pixels cannot be made; choose {SIZES[0]} to {SIZES[1]}.")
        if not 0 <= self.detection <= 1:
            raise DataError(f"A least score of {self.detection} makes no sense; choose 0 to 1.")
        if not 1 <= self.least <= 4096:
            raise DataError(f"A least face of {self.least} pixels makes no sense; choose 1 to 4096.")
        if not 0 <= self.seed < 2**32:
            raise DataError(f"The seed {self.seed} cannot be used; choose a whole number from 0 to 4294967295.")


@dataclass(frozen=True)
class _Made:
    """A face that was cut: the photo, the label, where it was, its fingerprint."""

    name: str
    label: str
    crop: Path
    box: tuple[int, int, int, int]
    score: float
    pixels: bytes  # a digest


class _LeftOut(Exception):
    """Why a photo gives no face: one of `REASONS`, and a sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def check_name(name: str, parent: Path, *, overwrite: bool = False) -> Path:
    """The folder of a data set that is to be made. `DataError` where the name is no plain one, or is taken;
    `ResultFolderError` where it is taken by what cannot be replaced (`overwrite`)."""
    if not _NAME.fullmatch(name) or name.endswith((".", " ")):
        raise DataError(
            f"{name[:60]!r} cannot be the name of a data set; use up to 60 letters, digits, dashes and spaces."
        )
    found = check(parent / name, DATASET) if overwrite else None
    if found is not None:
        check_replaceable(parent / name, found, overwrite=True)
        check_movable(parent / name)
    elif os.path.lexists(parent / name):
        raise DataError(f"There is a data set {name} already; choose another name.")
    return parent / name


def prepare(
    source: Path, target: Path, settings: Settings, folder: Path, report: Reporter, *, overwrite: bool = False
) -> dict[str, Any] | None:
    """Make the data set `target` of the photos in `source`; what is not finished yet lies in `folder`, on the same
    disk. Returns what prepared.json holds, None where it was asked to stop: then nothing is left. `overwrite`: a data
    set of this program that is there already is replaced.

    Raises `DataError` where the source gives no face, `ModelError` without the detector, `JobError` without space.
    """
    staging = folder / "set"
    shutil.rmtree(staging, ignore_errors=True)  # of an attempt that was killed
    try:
        report.progress(0, 0, "Looking for photos")
        with open_source(source, lambda: report.stopping) as photos:
            free_space_or_raise(folder, len(photos) * (settings.size**2 + 8_000) + _SPARE)
            workshop = _Workshop(staging, settings)
            for i, photo in enumerate(photos):
                report.progress(i, len(photos), f"Photo {i + 1:,} of {len(photos):,}: {photo.name[-60:]}")
                if report.stopping:
                    return None
                workshop.take(photo)
        report.progress(len(photos), len(photos), "Looking for duplicates, sharing out")
        prepared = workshop.finish(source, target.name)
        if report.stopping:
            return None
        _publish(staging, target, overwrite)
        return prepared
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror)
        raise JobError(f"{target} cannot be made ({why}): make room or check the rights, then start again.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, target: Path, overwrite: bool) -> None:
    complete(staging, Mark(DATASET))
    if hasattr(os, "sync"):
        os.sync()  # the pictures reach the disk before their name does
    check_name(target.name, target.parent, overwrite=overwrite)  # somebody may have been quicker
    if target.is_dir():
        if check_stage(target, DATASET) is not None:
            remove(stage_of(target))
        os.rename(staging, stage_of(target))
        put_in_place(target)
    else:
        os.rename(staging, target)


# ------------------------------------------------------------------ one photo after the other


class _Workshop:
    """Cuts faces into `staging`, remembers what was left out, and makes a data set of it."""

    def __init__(self, staging: Path, settings: Settings) -> None:
        self._staging, self._settings = staging, settings
        self._analyzer = None if settings.whole else analyzer.load_analyzer(settings.detector or None)
        self._made: list[_Made] = []
        self._prints: list[Fingerprints] = []
        self._known: dict[bytes, int] = {}  # digest of the pixels -> the first place in `_made`
        self._double: set[int] = set()  # places in `_made` with the same pixels under another label
        self._thrown: list[tuple[str, ...]] = []  # as `LEFT_OUT`
        self._pictures: Counter[str] = Counter()  # of what was left out, by reason
        self._photos = 0
        for inner in ("crops", THROWN_OUT):
            (staging / inner).mkdir(parents=True)

    def take(self, photo: SourcePhoto) -> None:
        """Cut the face of a photo, or remember why not."""
        self._photos += 1
        image: Picture | None = None
        try:
            if photo.refused:
                raise _LeftOut("unreadable", f"{photo.refused[:1].upper()}{photo.refused[1:]}.")
            if not photo.label:
                raise _LeftOut("no label", "It lies in no folder that names a label.")
            image = read_image(photo.read(), name=photo.name)
            self._keep(photo, *_cut(image, self._analyzer, self._settings))
        except _LeftOut as left_out:
            self._throw(photo.name, photo.label, left_out.reason, str(left_out), image)
        except ImageError as error:
            self._throw(photo.name, photo.label, "unreadable", str(error), None)

    def _keep(self, photo: SourcePhoto, crop: Picture, face: Face | None) -> None:
        digest = hashlib.blake2b(crop.tobytes(), digest_size=16).digest()
        first = self._known.setdefault(digest, len(self._made))
        if first < len(self._made) and self._made[first].label == photo.label:
            same = f"Its face is, pixel for pixel, that of {self._made[first].name}."
            self._throw(photo.name, photo.label, "duplicate", same, crop)
            return
        if first < len(self._made):
            self._double |= {first, len(self._made)}
        path = self._staging / "crops" / f"{len(self._made)}.png"
        _write_png(path, crop)
        box, score = (face.box.rounded(), face.detection) if face else ((0, 0, 0, 0), 1.0)
        self._made.append(_Made(photo.name, photo.label, path, box, score, digest))
        self._prints.append(Fingerprints.of(crop[None]))

    def _throw(self, name: str, label: str, reason: str, sentence: str, image: Picture | None) -> None:
        picture = ""
        if image is not None and self._pictures[reason] < _MOST_PICTURES:
            self._pictures[reason] += 1
            picture = f"{THROWN_OUT}/{len(self._thrown) + 1:05d}.jpg"
            (self._staging / picture).write_bytes(encode_jpeg(_small(image), 80))
        self._thrown.append((name, label, reason, sentence, picture))

    # -------------------------------------------------------------- the data set

    def finish(self, source: Path, name: str) -> dict[str, Any]:
        """Share out what was cut, write everything that belongs to the data set, and say what it is."""
        self._throw_doubles()
        _write_csv(self._staging / f"{THROWN_OUT}.csv", [LEFT_OUT, *self._thrown])
        kept = [i for i in range(len(self._made)) if i not in self._double]
        if not kept:
            raise DataError(f"No face is left of {self._photos} photos in {source.name}: {_counted(self._thrown)}.")
        made = [self._made[i] for i in kept]
        prints = Fingerprints(*(np.concatenate(part) for part in zip(*(
            (self._prints[i].codes, self._prints[i].small) for i in kept), strict=True)))  # fmt: skip
        groups = near_prints(prints)
        names = in_order({one.label for one in made})
        labels = np.array([names.index(one.label) for one in made])
        split = split_groups(labels, groups, self._settings.shares, self._settings.seed)
        rows = list(self._placed(made, split, groups))
        _write_csv(self._staging / FACES, [_FACE, *rows])
        shutil.rmtree(self._staging / "crops")
        prepared = self._told(source, name, names, rows)
        write_json(self._staging / PREPARED, prepared)
        return prepared

    def _throw_doubles(self) -> None:
        """Nobody can say which of two labels is right."""
        labels: dict[bytes, set[str]] = {}
        for place in self._double:
            labels.setdefault(self._made[place].pixels, set()).add(self._made[place].label)
        for place in sorted(self._double):
            one = self._made[place]
            said = " and ".join(sorted(labels[one.pixels]))
            crop = cv2.imread(str(one.crop), cv2.IMREAD_GRAYSCALE)
            self._throw(one.name, one.label, "two labels", f"The very same face is there as {said}.", np.asarray(crop))

    def _placed(self, made: list[_Made], split: NDArray, groups: NDArray) -> Iterator[list[Any]]:
        """Move every face to its place; the rows of `FACES`."""
        numbers: Counter[str] = Counter()
        for one, number, group in zip(made, split.tolist(), groups.tolist(), strict=True):
            numbers[one.label] += 1
            file = f"{FOLDERS[number]}/{one.label}/{numbers[one.label]:05d}.png"
            place = self._staging / file
            place.parent.mkdir(parents=True, exist_ok=True)
            os.rename(one.crop, place)
            yield [file, one.label, FOLDERS[number], one.name, *one.box, round(one.score, 4), group, one.pixels.hex()]

    def _told(self, source: Path, name: str, names: tuple[str, ...], rows: list[list[Any]]) -> dict[str, Any]:
        counts = Counter((row[2], row[1]) for row in rows)
        groups = Counter(row[9] for row in rows)
        return {
            "name": name,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": source.name,
            "photos": self._photos,
            "faces": len(rows),
            "labels": list(names),
            "counts": {place: {label: counts[place, label] for label in names} for place in FOLDERS},
            "near_duplicates": {
                "groups": sum(count > 1 for count in groups.values()),
                "faces": sum(count for count in groups.values() if count > 1),
            },
            "thrown_out": {reason: n for reason in REASONS if (n := _reasons(self._thrown)[reason])},
            "settings": asdict(self._settings),
            "found_by": _receipt(self._analyzer),
            "sha256": hashlib.sha256("\n".join(f"{row[0]} {row[10]}" for row in rows).encode()).hexdigest(),
        }


def _cut(image: Picture, finder: Analyzer | None, settings: Settings) -> tuple[Picture, Face | None]:
    """The face of a photo RGB uint8 (H, W, 3) as grey uint8 (size, size). Raises `_LeftOut`."""
    if finder is None:
        if min(image.shape[:2]) < settings.least:
            raise _LeftOut("too small", f"It has {min(image.shape[:2])} pixels; {settings.least} are asked for.")
        crop, face = square(to_grey(image), settings.size), None
    else:
        asked = analyzer.Settings(detection=settings.detection, unsure=0.0)
        upright = finder.analyze_upright(image, asked)
        image, face = upright.image, _chosen(upright.faces, settings)
        crop = crop_faces(to_grey(image), (face,), finder.detector.geometry, settings.size)[0]
    if blank(crop[None])[0]:
        raise _LeftOut("blank", "There is nothing but a single grey.")
    return crop, face


def _chosen(faces: tuple[Face, ...], settings: Settings) -> Face:
    """The face that the label is about. Raises `_LeftOut`."""
    if not faces:
        raise _LeftOut("no face", "No face was found, neither upright nor turned.")
    face = max(faces, key=lambda face: face.box.area)
    side = face.box.area**0.5
    if settings.several == "none":
        beside = sum(other.box.area**0.5 >= _BESIDE * side for other in faces)
        if beside > 1:
            raise _LeftOut("several faces", f"It shows {beside} faces, and nobody can say whose label it is.")
    if side < settings.least:
        raise _LeftOut("too small", f"The face has {side:.0f} pixels; {settings.least} are asked for.")
    return face


def _small(image: Picture) -> Picture:
    """RGB uint8 (H, W, 3), reduced to `_SMALL_SIDE`."""
    height, width = image.shape[:2]
    factor = min(1.0, _SMALL_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), np.uint8)


def _write_png(path: Path, grey: Picture) -> None:
    _, png = cv2.imencode(".png", grey)
    path.write_bytes(png.tobytes())


def _write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    write_atomic(path, BYTE_ORDER_MARK + text.getvalue())


def _harmless(cell: object) -> object:
    """A name that a spreadsheet would run as a formula gets a quote in front."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


def _reasons(thrown: list[tuple[str, ...]]) -> Counter[str]:
    return Counter(one[LEFT_OUT.index("reason")] for one in thrown)


def _counted(thrown: list[tuple[str, ...]]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in _reasons(thrown).most_common())


def _receipt(finder: Analyzer | None) -> dict[str, Any] | None:
    """What found the faces: the detector, with the sha256 of its network where it was trained here, and the recogniser
    that said which of its boxes are faces."""
    if finder is None:
        return None
    own, judge = own_detectors().get(finder.detector.name), finder.recogniser.bundle
    return {
        "detector": {"name": finder.detector.name, "sha256": own.sha256 if own else None},
        "recogniser": {"name": judge.name, "sha256": judge.sha256},
    }
