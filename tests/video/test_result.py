"""The result of a video in Python, beside its tables and files."""

from pathlib import Path

from emotion.video.result import VideoResult
from tests.video.conftest import Analyze


def test_merged_and_hidden_people_are_so_everywhere(analyzed: Analyze, video_of_two_places: Path) -> None:
    analysis = analyzed(video_of_two_places)
    analysis.merge(2, 1)
    result = VideoResult(analysis.folder)
    assert {face.track_id for face in result.faces} == set(result.to_dataframe()["track_id"]) == {1}
    analysis.hide(1)
    result = VideoResult(analysis.folder)
    assert (result.people, result.faces, len(result.to_dataframe())) == ((), (), 0)
    assert len(result.frames) == analysis.num_frames
