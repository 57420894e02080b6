from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.recognition.video import FilmWriter, fitted

GREY = np.full((48, 64, 3), 120, np.uint8)


def read(path: Path) -> tuple[list[NDArray[np.uint8]], list[float]]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [float(frame.time or 0) for frame in frames]


@pytest.mark.parametrize(
    "times",
    [
        [0.0],
        [0.0, 0.04, 0.08, 0.12],
        [0.5, 0.533, 0.6, 2.75, 2.751, 30.0],
        [i / 29.97 for i in range(60)],
    ],
)
def test_the_times_are_true(tmp_path: Path, times: list[float]) -> None:
    with FilmWriter(tmp_path / "a.mp4", 64, 48) as film:
        for i, seconds in enumerate(times):
            film.write(np.full_like(GREY, 4 * i), seconds)
        assert not (tmp_path / "a.mp4").exists()
    pictures, seen = read(tmp_path / "a.mp4")
    assert seen == pytest.approx(times, abs=1e-4)
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * len(times)
    assert [round(float(picture.mean())) for picture in pictures] == pytest.approx(
        [4 * i for i in range(len(times))], abs=4
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_times_that_stand_still_or_go_back_still_rise(tmp_path: Path) -> None:
    with FilmWriter(tmp_path / "a.mp4", 64, 48) as film:
        for seconds in (1.0, 1.0, 0.2, 1.04):
            film.write(GREY, seconds)
    seen = read(tmp_path / "a.mp4")[1]
    assert len(seen) == 4
    assert all(a < b for a, b in pairwise(seen))
    assert seen[-1] == pytest.approx(1.04, abs=1e-4)


def test_a_browser_can_begin_before_the_end_is_there(tmp_path: Path) -> None:
    with FilmWriter(tmp_path / "a.mp4", 64, 48) as film:
        film.write(GREY, 0.0)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize(("size", "even"), [((64, 48), (64, 48)), ((63, 47), (64, 48)), ((1, 1), (2, 2))])
def test_odd_sizes_are_made_even(tmp_path: Path, size: tuple[int, int], even: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 200, np.uint8)
    with FilmWriter(tmp_path / "a.mp4", *size) as film:
        film.write(image, 0.0)
    (picture,), _ = read(tmp_path / "a.mp4")
    assert picture.shape == (even[1], even[0], 3)
    assert picture.min() > 180  # no black line


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ((48, 64), (slice(0, 48), slice(0, 64))),
        ((96, 128), (slice(0, 48), slice(0, 64))),
        ((24, 32), (slice(0, 48), slice(0, 64))),
        ((64, 48), (slice(0, 48), slice(14, 50))),  # upright
        ((24, 64), (slice(12, 36), slice(0, 64))),
        ((1, 500), (slice(23, 24), slice(0, 64))),
        ((500, 1), (slice(0, 48), slice(31, 32))),
    ],
)
def test_other_sizes_lie_between_black_borders(shape: tuple[int, int], part: tuple[slice, slice]) -> None:
    out = fitted(np.full((*shape, 3), 200, np.uint8), 64, 48)
    assert out.shape == (48, 64, 3)
    inside = np.zeros((48, 64), bool)
    inside[part] = True
    assert np.array_equal(out[..., 0] == 200, inside)
    assert np.array_equal(out[..., 0] == 0, ~inside)


def test_frames_of_many_sizes_make_one_film(tmp_path: Path) -> None:
    with FilmWriter(tmp_path / "a.mp4", 64, 48) as film:
        for i, shape in enumerate([(48, 64), (64, 48), (480, 640), (7, 9)]):
            film.write(np.full((*shape, 3), 90, np.uint8), i / 10)
    pictures, _ = read(tmp_path / "a.mp4")
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * 4


def test_an_error_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"before")
    film = FilmWriter(tmp_path / "a.mp4", 64, 48)
    film.write(GREY, 0.0)
    film.__exit__(KeyError, KeyError(), None)
    with FilmWriter(tmp_path / "a.mp4", 64, 48):
        pass  # no frame
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    film = FilmWriter(tmp_path / "a.mp4", 64, 48)
    film.write(GREY, 0.0)
    film.close()
    film.close()
    film.discard()
    assert len(read(tmp_path / "a.mp4")[0]) == 1


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4 cannot be written to .*choose another folder\.$"):
        FilmWriter(tmp_path / "gone" / "a.mp4", 64, 48)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the encoder holds back is written at the end at the latest, and fails then."""
    opened = av.open
    monkeypatch.setattr(av, "open", lambda path, *args, **more: opened("/dev/full", *args, **more | {"options": {}}))
    (tmp_path / "a.mp4").write_bytes(b"before")
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)

    def film() -> None:
        with FilmWriter(tmp_path / "a.mp4", 64, 48) as film:
            for i in range(300):
                film.write(np.roll(noise, i, 1), i / 25)

    with pytest.raises(VideoError, match="cannot be written"):
        film()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
