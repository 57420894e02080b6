"""The flow from frame after frame to faces with identity: the only part that remembers."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.checks import check_count, check_number, check_time
from emotion.errors import EmotionError, SettingsError
from emotion.faces import Face, FrameResult
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.recognition.analyzer import Analyzer, ColorOrder, Settings, least_side
from emotion.recognition.cropping import to_grey
from emotion.tracking.label_smoothing import NEUTRAL, Memory, Note
from emotion.tracking.region_search import WINDOW, Scene, find_near, pixels
from emotion.tracking.tracker import Track, Tracker

_TRACKED: Final = 0.6  # share of the least score that is enough for a face that is known
_BEAT: Final = 0.75  # frames do not fall on the beat: a reading a little early is better than one much too late
_AWAY: Final = 0.3  # seconds after which a face that comes back may look quite different
_SAME: Final = 0.3  # overlap (IoU) from which a proposal is taken for the face that is known there

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamSettings:
    """What can be chosen for a stream; seconds are those of the frames."""

    recognition: Settings = field(default_factory=lambda: Settings(side=640))  # a camera's picture is searched whole
    half_life: float = 0.5  # seconds after which a reading counts half; 0 shows every reading as it is
    margin: float = 0.2  # lead (a probability) by which another label is shown at once
    hold: float = 0.6  # seconds for which another label must lead by less; at 0.4 noise changed labels twice as often
    rate: float = 12.0  # readings of each face in a second; expressions last longer than 1/25 s, and each costs 2 ms
    interval: float = 0.5  # seconds between two searches of the whole picture: how late a new face may be seen
    eager: float = 0.1  # the same while nobody is there, somebody was just lost or the picture has changed
    windows: int = 4  # faces looked for near their places in one frame, the longest unseen first
    batch: int = 8  # faces read in one frame, the longest unread first
    keep: float = 1.0  # seconds for which a lost face is waited for under its number

    def __post_init__(self) -> None:
        if not isinstance(self.recognition, Settings):
            raise SettingsError(f"The setting recognition is {self.recognition!r}; expected Settings.")
        for name in ("half_life", "hold", "rate", "interval", "eager", "keep"):
            check_number(name, getattr(self, name), 0)
        check_number("margin", self.margin, 0, 1)
        check_count("windows", self.windows, 0)
        check_count("batch", self.batch, 1)


@dataclass(frozen=True)
class StreamStats:
    """What a stream did so far, and the milliseconds that its last frame took."""

    frames: int = 0
    full_searches: int = 0  # of the whole picture
    near_searches: int = 0  # windows around known faces
    readings: int = 0  # faces read by the recogniser
    faults: int = 0  # exceptions of detector and recogniser that were caught
    last_fault: str | None = None  # what the last one said
    search_ms: float = 0.0
    read_ms: float = 0.0
    total_ms: float = 0.0


class _Frame(NamedTuple):
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    grey: NDArray[np.uint8]  # (H, W)
    seconds: float
    settings: StreamSettings  # as they were when it came


class Stream:
    """Frame and time -> faces with numbers, calm labels and reasons. One for each camera session or film.

    May be used from many threads; the calls of `look` wait for each other, nothing else waits for them. `settings`
    may be replaced at any time. What is kept of a face goes with its track, so the memory stays bounded.
    """

    def __init__(self, analyzer: Analyzer, settings: StreamSettings | None = None) -> None:
        self.settings = settings or StreamSettings()
        self.stats = StreamStats()
        self.last = FrameResult(-1, 0.0)
        self.notes: Mapping[int, Note] = MappingProxyType({})  # of the faces in `last`, by their numbers
        self._analyzer = analyzer
        self._tracker = Tracker()
        self._scene = Scene()
        self._memories: dict[int, Memory] = {}
        self._shape: tuple[int, int] = (0, 0)  # height, width of the last frame
        self._searched = -math.inf  # seconds of the last search of a whole picture
        self._wish: float | None = None  # seconds of a calibration to begin, 0 to end all
        self._rest_until: float | None = None
        self.rested: bool | None = None  # whether the last calibration took a resting face; None where none ended
        self._lock = threading.Lock()

    def look(self, image: ImageSource, seconds: float, *, order: ColorOrder = "rgb") -> FrameResult:
        """The faces of the next frame by number; `seconds` is the frame's own time.

        The frame may be all that `as_rgb` takes, the colors of an array in the `order` "rgb" or "bgr".

        Where detector or recogniser raise, the fault is counted in `stats`, and the faces known so far are shown
        where they should be, for at most `keep` seconds. Everybody is new where the time goes backwards or jumps by
        over 3 seconds, at a cut, and where the picture gets another shape (not where it only gets another size).
        Raises `ImageError` for what is no image, and `SettingsError` for a time that is no number and for a head that
        the model does not have.
        """
        image = as_rgb(image, order=order)
        check_time(seconds)
        with self._lock:
            started = time.perf_counter()
            frame = _Frame(image, to_grey(image), seconds, self.settings)
            self._fit(frame)
            self._grant_wish(seconds)
            with self._caught():
                self._search(frame)
            searched = time.perf_counter()
            faces = self._tracker.predict(seconds)
            self._keep_memories(faces, seconds)
            with self._caught():
                self._read(frame, faces)
            read = time.perf_counter()
            self._publish(frame, faces)
            self._count(frames=1)
            stages = {
                "search_ms": searched - started,
                "read_ms": read - searched,
                "total_ms": time.perf_counter() - started,
            }
            self.stats = replace(self.stats, **{name: round(1e3 * passed, 3) for name, passed in stages.items()})
            return self.last

    def calibrate(self, seconds: float = 3.0) -> None:
        """From the next frame on and for that long, what the visible faces show is their resting face; then their
        scores are read against it, see `shift_of_rest`. `EmotionError` where no face was read in the last frame or
        the labels have no "neutral"."""
        shown = [face.scores for face in self.last.faces if face.scores is not None]
        if not shown:
            raise EmotionError("No face is visible that could rest; look into the camera and start again.")
        if NEUTRAL not in shown[0]:
            raise EmotionError(
                f"The chosen answer has the labels {', '.join(shown[0])}; a resting face needs one with {NEUTRAL!r}."
            )
        self._wish = seconds

    def uncalibrate(self) -> None:
        """From the next frame on, show all scores as the recogniser gives them."""
        self._wish = 0.0

    @property
    def calibrating(self) -> float | None:
        """Seconds that the resting faces are still looked at; None while they are not."""
        until = self._rest_until  # read once: the next frame may end it
        return self._wish or (until and max(0.0, until - self.last.seconds))

    def _fit(self, frame: _Frame) -> None:
        """Bring what is known of places in line with a picture of another size, another shape or another shot."""
        (height, width), (height0, width0) = frame.grey.shape, self._shape
        self._tracker.keep = frame.settings.keep
        alike = abs(width * height0 - height * width0) < 0.02 * width * height0
        if self._scene.see(frame.grey) or not alike:
            self._tracker.clear()
            self._searched = -math.inf
        elif width != width0:
            self._tracker.scale(width / width0)
        self._shape = height, width

    def _grant_wish(self, seconds: float) -> None:
        """Begin or end what `calibrate` and `uncalibrate` asked for."""
        wish, self._wish = self._wish, None
        if wish is not None:
            self.rested = None
        if wish == 0:
            self._rest_until = None
            for memory in self._memories.values():
                memory.forget_rest()
        elif wish is not None:
            self._rest_until = seconds + wish
            for face in self.last.faces:
                self._of(face).begin_rest()
        elif self._rest_until is not None and seconds >= self._rest_until:
            self._rest_until = None
            ended = [memory.end_rest() for memory in self._memories.values()]
            self.rested = any(ended)

    def _search(self, frame: _Frame) -> None:
        """Search near the known faces or the whole picture; also the whole where one of them is not in its place."""
        recognition, seconds = frame.settings.recognition, frame.seconds
        least = self._analyzer.least(_TRACKED * recognition.detection)
        near = self._near(frame)
        if near:
            self._count(near_searches=len(near))
            boxes = [track.at(seconds).box for track in near]
            self._match(frame, find_near(self._analyzer, frame.image, boxes, least), near)
        missed = any(track.lost for track in near or ())
        if near is None or (missed and self._passed(seconds) >= frame.settings.eager):
            self._count(full_searches=1)
            self._searched = seconds
            self._scene.searched()
            self._match(frame, self._analyzer.find(frame.image, least, recognition.side), None)

    def _near(self, frame: _Frame) -> list[Track] | None:
        """The tracks to look for near their places in this frame, perhaps none; None: search the whole picture."""
        (height, width), settings, passed = self._shape, frame.settings, self._passed(frame.seconds)
        self._tracker.predict(frame.seconds)  # forgets them all where the time jumped
        present = self._tracker.present
        boxes = [track.at(frame.seconds).box for track in present]
        restless = not present or len(present) < len(self._tracker.tracks)
        if passed >= settings.interval:
            return None
        if passed >= settings.eager and (restless or self._scene.changed(boxes, width, height)):
            return None
        near = sorted(present, key=lambda track: track.found)[: settings.windows]
        dearer = len(near) * WINDOW**2 >= pixels(width, height, settings.recognition.side)
        return None if near and dearer else near

    def _passed(self, seconds: float) -> float:
        """Seconds since the last search of a whole picture; endless where the time went backwards."""
        return seconds - self._searched if seconds >= self._searched else math.inf

    def _match(self, frame: _Frame, found: tuple[Face, ...], sought: list[Track] | None) -> None:
        """Give what was found to the tracker; what lies where no face is known must be confirmed first."""
        recognition = frame.settings.recognition
        if self._analyzer.confirmation:
            places = [track.at(frame.seconds).box for track in self._tracker.present]
            known = [face for face in found if any(face.box.iou(place) >= _SAME for place in places)]
            new = tuple(face for face in found if face not in known)
            readings = self._analyzer.read(frame.grey, new, recognition.head) if new else ()
            least = least_side(frame.grey.shape, recognition.side)
            readings = self._analyzer.confirmed(readings, recognition.detection, least)
            found = (*known, *(reading.face for reading in readings))
        self._tracker.update(found, frame.seconds, sought, recognition.detection)

    def _keep_memories(self, faces: tuple[Face, ...], seconds: float) -> None:
        """One for each track, and none besides; what was away for long is read anew."""
        known = {track.number for track in self._tracker.tracks}
        self._memories = {number: memory for number, memory in self._memories.items() if number in known}
        present = {face.track for face in faces if face.track is not None}
        for number in present:
            self._memories.setdefault(number, Memory()).come(seconds, _AWAY)
        for number in self._memories.keys() - present:
            self._memories[number].go(self.last.seconds)

    def _of(self, face: Face) -> Memory:
        """What is remembered of a face that the tracker gave."""
        return self._memories[face.track or 0]

    def _read(self, frame: _Frame, faces: tuple[Face, ...]) -> None:
        """Read the faces that are due, all in one call."""
        settings, recognition = frame.settings, frame.settings.recognition
        due = [face for face in faces if frame.seconds - self._of(face).read >= _BEAT / settings.rate]
        due = tuple(sorted(due, key=lambda face: self._of(face).read)[: settings.batch])
        if due:
            self._count(readings=len(due))
            for reading in self._analyzer.read(frame.grey, due, recognition.head):
                self._of(reading.face).hear(reading, frame.seconds, settings.half_life)

    def _publish(self, frame: _Frame, faces: tuple[Face, ...]) -> None:
        """Make the result; where the recogniser has a say, those stay that it goes on to take for faces."""
        if self._analyzer.confirmation:
            least = _TRACKED * frame.settings.recognition.detection
            judged = [replace(face, detection=self._analyzer.probability(face, self._of(face).face)) for face in faces]
            for face in judged:
                if face.detection < least:
                    self._tracker.drop(face.track)
            faces = tuple(face for face in judged if face.detection >= least)
        settings = frame.settings
        rule = frame.seconds, settings.recognition.unsure, settings.margin, settings.hold
        shown = tuple(self._of(face).tell(face, *rule) for face in faces)
        notes = {face.track: note for face in faces if face.track is not None and (note := self._of(face).note)}
        self.last, self.notes = FrameResult(self.last.index + 1, frame.seconds, shown), MappingProxyType(notes)

    def _count(self, **more: int) -> None:
        self.stats = replace(self.stats, **{name: getattr(self.stats, name) + n for name, n in more.items()})

    @contextmanager
    def _caught(self) -> Iterator[None]:
        """What a stage raises is counted, and written to the log when it is not the same as before."""
        try:
            yield
        except SettingsError:  # no fault of this frame: it would be the same for all
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if text != self.stats.last_fault:
                log.exception("a frame could not be read wholly")
            self._count(faults=1)
            self.stats = replace(self.stats, last_fault=text)
