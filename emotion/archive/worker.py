"""A worker: it loads the analyzer once, and analyzes one piece of an archive after the other."""

from __future__ import annotations

import math
from typing import Any, Final

from emotion.archive.pieces import Piece, PieceResult, PieceWriter
from emotion.archive.reading import SourceReader
from emotion.archive.rows import make_error_row, make_face_row, make_file_row, make_thumbnail
from emotion.archive.schemas import ERRORS, FACES, FILES, VIDEOS
from emotion.archive.settings import ArchiveRequest
from emotion.archive.source_files import IMAGE, SourceFile
from emotion.errors import EmotionError
from emotion.media.capture_time import read_capture_time
from emotion.media.image_reader import decode_image
from emotion.media.video_reader import VideoReader
from emotion.tracking.settings import StreamSettings
from emotion.tracking.stream import Stream
from emotion.video.processing.track_filter import FilteredFrame, TrackFilter
from emotion.video.processing.workers import DecodedFrame, FrameSampler

_THUMBNAIL_INTERVAL_SECONDS: Final = 2.0  # between two thumbnails of one track


class ArchiveWorker:
    """Analyzes pieces; not thread-safe.

    Args:
        request: What to do, and which program and models must do it.

    Raises:
        ModelError: A model is missing on this machine.
        SettingsError: This machine has another version of the program or of a model.
    """

    def __init__(self, request: ArchiveRequest) -> None:
        self._request, self._settings = request, request.settings
        self._analyzer = request.load_analyzer()
        self._reader = SourceReader()

    def process(self, piece: Piece) -> PieceResult:
        """Analyze the files of a piece; a file that cannot be read is a row of the errors."""
        writer = PieceWriter(self._request.labels, with_features=self._settings.images.features)
        for file_id, file in enumerate(piece.files, piece.first_file_id):
            row = make_file_row(file_id, file)
            try:
                if file.kind == IMAGE:
                    self._analyze_image(file_id, file, row, writer)
                else:
                    self._analyze_video(file_id, file, row, writer)
            except EmotionError as error:
                row["has_error"] = True
                writer.add(ERRORS, make_error_row(file_id, file, str(error)))
            writer.add(FILES, row)
        return writer.finish(piece)

    def _analyze_image(self, file_id: int, file: SourceFile, row: dict[str, Any], writer: PieceWriter) -> None:
        data = self._reader.read_image(file)
        decoded = decode_image(data, name=file.name)
        result = self._analyzer.analyze_any_orientation(decoded.pixels, self._settings.images)
        height, width = result.image.shape[:2]
        row |= {
            "taken": read_capture_time(data),
            "width": width,
            "height": height,
            "rotation": result.rotation,
            "reduction": decoded.reduction,
            "num_faces": len(result.faces),
        }
        for number, face in enumerate(result.faces, 1):
            thumbnail = make_thumbnail(result.image, face) if self._settings.thumbnails else None
            writer.add(FACES, make_face_row(file_id, face, thumbnail) | {"face_index": number})

    def _analyze_video(self, file_id: int, file: SourceFile, row: dict[str, Any], writer: PieceWriter) -> None:
        settings = self._settings.videos
        with self._reader.open_video(file) as path, VideoReader(path, file.name) as video:
            row |= {"width": video.info.width, "height": video.info.height, "num_frames": 0}
            stream = Stream(self._analyzer, StreamSettings(settings.recognition))
            track_filter, sampler = TrackFilter(settings, video.info), FrameSampler(settings.frame_stride)
            frames = _VideoRows(file_id, row, writer, self._settings.thumbnails)
            end_time: float | None = None  # of a video that is read to its end
            try:
                for frame in video.frames():
                    if sampler.should_process(frame.index, frame.timestamp):
                        decoded = DecodedFrame(frame.index, frame.timestamp, frame.image(), True)
                        faces = stream.process(decoded.image, decoded.timestamp).faces
                        for filtered in track_filter.push(decoded, faces, stream.track_info):
                            frames.add(filtered)
                end_time = video.end_time
            finally:  # also after an error in the middle: what was read until then counts
                for filtered in track_filter.flush(end_time):
                    frames.add(filtered)
                row["duration"] = video.end_time


class _VideoRows:
    """Adds the rows of the frames of one video, with a thumbnail of each track from time to time."""

    def __init__(self, file_id: int, row: dict[str, Any], writer: PieceWriter, thumbnails: bool) -> None:
        self._file_id, self._row, self._writer, self._thumbnails = file_id, row, writer, thumbnails
        self._thumbnail_times: dict[int, float] = {}

    def add(self, filtered: FilteredFrame) -> None:
        """Add the faces of a processed frame."""
        frame, faces = filtered.frame, filtered.faces or ()
        self._row["num_frames"] += 1
        self._row["num_faces"] += len(faces)
        for face in faces:
            track_id, thumbnail = face.track_id or 0, None
            last = self._thumbnail_times.get(track_id, -math.inf)
            if self._thumbnails and frame.timestamp - last >= _THUMBNAIL_INTERVAL_SECONDS:
                self._thumbnail_times[track_id] = frame.timestamp
                thumbnail = make_thumbnail(frame.image, face)
            self._writer.add(
                VIDEOS,
                make_face_row(self._file_id, face, thumbnail)
                | {"frame": frame.index, "timestamp": frame.timestamp, "track_id": track_id},
            )
