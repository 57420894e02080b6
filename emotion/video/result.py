"""The faces of one analyzed video with what can be made of them: frames, people, tables, files.

Nothing here is loaded before it is needed: `import emotion` does without pandas and PyAV.
"""

from __future__ import annotations

import json
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.errors import VideoError
from emotion.faces import Face, FrameResult
from emotion.results import serialization
from emotion.results.saving import save_by_suffix

if TYPE_CHECKING:
    import pandas as pd

    from emotion.media.video_reader import VideoInfo
    from emotion.video.analysis import VideoAnalysis
    from emotion.video.edits.markers import Marker
    from emotion.video.people import Highlight, Person


class VideoResult:
    """The faces of one video; reads the files of `folder`, which holds them all.

    Attributes:
        folder: The result folder. A temporary one is removed with this object.
    """

    def __init__(self, folder: Path, temporary_folder: tempfile.TemporaryDirectory[str] | None = None) -> None:
        self.folder = folder
        self._temporary_folder = temporary_folder  # removed as soon as nothing refers to it

    @cached_property
    def _analysis(self) -> VideoAnalysis:
        from emotion.video.analysis import VideoAnalysis

        return VideoAnalysis.open(self.folder)

    @property
    def info(self) -> VideoInfo:
        """Size, duration and codec of the video."""
        info = self._analysis.video_info
        if info is None:
            raise VideoError(f"{self.folder} holds no video that was opened; analyze the video again.")
        return info

    @cached_property
    def frames(self) -> tuple[FrameResult, ...]:
        """The processed frames in order, with the faces as they are shown: of merged people, and without hidden ones.

        Landmarks are not stored.
        """
        from emotion.video.outputs.exports import iter_frame_lines

        records = map(json.loads, iter_frame_lines(self._analysis))
        return tuple(
            FrameResult(record["index"], record["timestamp"], tuple(map(serialization.face_from_dict, record["faces"])))
            for record in records
        )

    @property
    def faces(self) -> tuple[Face, ...]:
        """The faces of all frames, frame by frame; those of one person share a `track_id`."""
        return tuple(face for frame in self.frames for face in frame.faces)

    @property
    def people(self) -> tuple[Person, ...]:
        """The people who are not hidden, with the times and expressions of each, in order of appearance."""
        from emotion.video.outputs.exports import list_visible_people

        return tuple(list_visible_people(self._analysis))

    @property
    def highlights(self) -> tuple[Highlight, ...]:
        """The strongest and the changing expressions, in order of time."""
        return tuple(self._analysis.highlights())

    @property
    def markers(self) -> tuple[Marker, ...]:
        """The moments that a person marked with a note, in order of time."""
        from emotion.video.edits.markers import read_markers

        return tuple(read_markers(self.folder))

    def annotate(self) -> Path:
        """Return the path of the video with boxes and labels; `VideoError` if it was analyzed without writing one."""
        path = self._analysis.annotated_video
        if path is None:
            raise VideoError(f"{self.folder} holds no annotated video; analyze the video again with write_video=True.")
        return path

    def to_dataframe(self) -> pd.DataFrame:
        """Make a table with one row per face and frame, see `VideoAnalysis.face_table`."""
        return self._analysis.face_table()

    def to_dict(self) -> dict[str, Any]:
        """Make a dictionary of plain values: settings, video, people, highlights, markers and all frames."""
        from emotion.video.outputs.exports import to_json

        return json.loads(to_json(self._analysis))

    def save(self, path: str | Path) -> None:
        """Write the annotated video (.mp4), the table (.csv), the dictionary (.json), subtitles (.vtt) or the report
        (.html), by the suffix of `path`.

        Raises:
            SettingsError: The suffix is another one.
            ResultFolderError: The file cannot be written.
            VideoError: There is no annotated video.
        """
        from emotion.video.outputs import exports

        save_by_suffix(
            path,
            {
                ".mp4": self.annotate,
                ".csv": lambda: exports.to_csv(self._analysis).encode(),
                ".json": lambda: exports.to_json(self._analysis).encode(),
                ".vtt": lambda: exports.to_vtt(self._analysis).encode(),
                ".html": lambda: exports.render_report(self._analysis).encode(),
            },
        )
