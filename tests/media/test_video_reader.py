from __future__ import annotations

import ctypes
import dataclasses
import io
import os
import re
import resource
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from emotion.errors import VideoError
from emotion.media.image_reader import read_image
from emotion.media.video_container import start_time, video_display_name
from emotion.media.video_reader import _MAX_CORRUPT_PACKETS, VideoInfo, VideoLimits, VideoReader, _TimestampNormalizer
from tests.media.videos import index_of, make_film, picture

ROOT = Path(__file__).resolve().parents[2]
ONE = 65536  # of a display matrix
QUIET = {"x265-params": "log-level=none"}


class Seen(NamedTuple):
    """What a film gives: the indices that its pictures tell, the times of its frames, how many packets were broken,
    and the sentence with which it is refused, at once or in the middle."""

    indices: list[int]
    seconds: list[float]
    broken: int
    refusal: str


def seen(path: Path, **more: Any) -> Seen:
    indices, seconds, broken, sentence = list[int](), list[float](), 0, ""
    try:
        with VideoReader(path, **more) as film:
            try:
                for frame in film.frames():
                    assert frame.index == len(indices)
                    indices.append(index_of(frame.image()))
                    seconds.append(frame.timestamp)
            finally:
                broken = film.num_corrupt_packets
    except VideoError as error:
        sentence = str(error)
    return Seen(indices, seconds, broken, sentence)


def refused(path: Path, **more: Any) -> str:
    """The sentence with which the film is refused."""
    sentence = seen(path, **more).refusal
    assert re.fullmatch(r'("[^\n"]+"|The video) [^\n:]+: [^\n:]+\.', sentence), sentence
    return sentence


def corners(image: NDArray[np.uint8]) -> str:
    """Colours of the corners, from left to right and from top to bottom: red, green or none."""
    height, width = image.shape[:2]
    points = [image[y, x].astype(int) for y in (4, height - 5) for x in (4, width - 5)]
    return "".join("R" if p[0] > p[1] + 60 else "G" if p[1] > p[0] + 60 else "-" for p in points)


# ------------------------------------------------------------------ kinds of films

KINDS = [
    ("a.mp4", "libx264", "yuv420p", {}),
    ("b.mp4", "libx264", "yuv420p", {"preset": "medium"}),  # frames are stored in another order than shown
    ("10bit.mp4", "libx265", "yuv420p10le", QUIET),
    ("a.m4v", "mpeg4", "yuv420p", {"bf": "2"}),
    ("a.mov", "prores_ks", "yuva444p10le", {}),
    ("png.mov", "png", "rgba", {}),
    ("jpeg.mp4", "mjpeg", "yuvj444p", {}),
    ("a.webm", "libvpx-vp9", "yuv420p", {}),
    ("8.webm", "libvpx", "yuv420p", {}),
    ("a.mkv", "libx264", "yuv444p10le", {}),
    ("rgb.mkv", "libx264rgb", "rgb24", {}),
    ("hevc.mkv", "libx265", "yuv420p", QUIET),
    ("av1.mkv", "libsvtav1", "yuv420p10le", {}),
    ("a.avi", "mpeg4", "yuv420p", {}),
    ("b.avi", "mpeg4", "yuv420p", {"bf": "2"}),  # AVI does not store when such frames are shown
    ("c.avi", "libx264", "yuv420p", {"preset": "medium"}),
    ("raw.avi", "rawvideo", "bgr24", {}),
    ("wmv.avi", "wmv2", "yuv420p", {}),
    ("a.gif", "gif", "rgb8", {}),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "options"), KINDS, ids=[kind[0] for kind in KINDS])
def test_every_format_yields_every_frame(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    path = make_film(tmp_path / name, 12, codec=codec, pix_fmt=pix_fmt, options=options)
    with VideoReader(path) as film:
        assert (film.info.width, film.info.height, film.info.rotation, film.info.has_audio) == (64, 48, 0, False)
        assert film.info.fps == pytest.approx(25)
        assert film.info.num_frames == 12
        assert film.info.duration == pytest.approx(0.48)
        first = next(film.frames()).image()
    assert (first.shape, first.dtype, first.flags.c_contiguous) == ((48, 64, 3), np.uint8, True)
    assert corners(first) == "RG--"
    film_seen = seen(path)
    assert film_seen == (list(range(12)), pytest.approx([i / 25 for i in range(12)]), 0, "")
    assert film_seen.seconds[0] == 0.0


def test_info_of_a_video_is_read(tmp_path: Path) -> None:
    with VideoReader(make_film(tmp_path / "a.mp4", 50, sound="aac")) as film:
        assert film.info == VideoInfo(64, 48, pytest.approx(2.0), 25.0, 50, "h264", "mp4", 0, True)
        assert dataclasses.asdict(film.info)["has_audio"] is True
        assert film.num_corrupt_packets == 0


def test_odd_sizes_and_gray_are_read(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mkv", 2, size=(63, 47), codec="ffv1", pix_fmt="gray16le")
    with VideoReader(path) as film:
        image = next(film.frames()).image()
    assert image.shape == (47, 63, 3)
    assert image[40, 5].tolist() == pytest.approx([10, 10, 10], abs=2)


@pytest.mark.parametrize("colours", [0, 1, 5, 8, 9, 12, 14])  # RGB, BT.709, BT.601, YCgCo, BT.2020, and rare ones
def test_all_color_formats_are_read(tmp_path: Path, colours: int) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.colorspace = colours

    with VideoReader(make_film(tmp_path / "a.mp4", 1, prepare=prepare)) as film:
        image = next(film.frames()).image()
    assert 200 < image[4, 4, 0] < 256 or colours == 0
    assert image[4, 4, 0] > image[4, 4, 1] + 80


def test_large_videos_without_a_color_space_are_read_as_bt709(tmp_path: Path) -> None:
    """The film is coded by BT.601, tagged as nothing; a player takes a large one for BT.709, which looks different."""
    small, large = (
        make_film(tmp_path / f"{height}.mp4", 1, size=(64, height), options={"qp": "0"}) for height in (576, 720)
    )
    with VideoReader(small) as one, VideoReader(large) as other:
        assert next(one.frames()).image()[4, 60].tolist() == pytest.approx([0, 250, 0], abs=4)
        assert next(other.frames()).image()[4, 60].tolist() == pytest.approx([0, 210, 0], abs=4)


# ------------------------------------------------------------------ upright, with square pixels


def matrix(a: int, b: int, c: int, d: int) -> list[int]:
    """Point (x, y) of a frame is shown at (a x + c y, b x + d y), y downward."""
    return [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]


TURNS = [
    ((1, 0, 0, 1), "RG--", 0),
    ((0, 1, -1, 0), "-R-G", 90),
    ((-1, 0, 0, -1), "--GR", 180),
    ((0, -1, 1, 0), "G-R-", 270),
    ((-1, 0, 0, 1), "GR--", 0),
    ((1, 0, 0, -1), "--RG", 180),
    ((0, 1, 1, 0), "R-G-", 90),
    ((0, -1, -1, 0), "-G-R", 270),
    ((0, 0, 0, 0), "RG--", 0),
]


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
@pytest.mark.parametrize(("turn", "shown", "degrees"), TURNS)
def test_frames_are_upright(
    tmp_path: Path, turn: tuple[int, int, int, int], shown: str, degrees: int, kind: str
) -> None:
    path = make_film(tmp_path / f"a.{kind}", 2, prepare=lambda stream: stream.set_display_matrix(matrix(*turn)))
    with VideoReader(path) as film:
        for frame in film.frames():
            image = frame.image()
            assert corners(image) == shown
            assert image.flags.c_contiguous
        assert image.shape == ((48, 64, 3) if degrees % 180 == 0 else (64, 48, 3))
        assert (film.info.height, film.info.width) == image.shape[:2]
        assert film.info.rotation == degrees


@pytest.mark.parametrize(("degrees", "shown"), [(10, "RG--"), (80, "-R-G"), (100, "-R-G"), (-95, "G-R-")])
def test_display_matrix_is_rounded_to_quarter_turns(tmp_path: Path, degrees: float, shown: str) -> None:
    path = make_film(tmp_path / "a.mp4", 1, prepare=lambda stream: stream.set_display_rotation(-degrees))
    with VideoReader(path) as film:
        assert corners(next(film.frames()).image()) == shown


def test_unknown_side_data_does_not_hide_the_rotation(tmp_path: Path) -> None:
    """Cameras that film in JPEG leave their EXIF in each frame."""
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    file = io.BytesIO()
    Image.fromarray(picture(0)).save(file, "JPEG", exif=exif)
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        packet = av.Packet(file.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 25)
        container.mux(packet)
    with VideoReader(tmp_path / "a.avi") as film:
        assert corners(next(film.frames()).image()) == "-R-G"
        assert film.info.rotation == 90


@pytest.mark.parametrize(
    ("pixel", "shown"),
    [
        (Fraction(2), (128, 48)),
        (Fraction(1, 2), (64, 96)),
        (Fraction(64, 45), (91, 48)),
        (Fraction(100), (64, 48)),  # no film is meant to be like this
        (Fraction(1, 300), (64, 48)),
    ],
)
@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi"])
def test_pixels_become_square(tmp_path: Path, pixel: Fraction, shown: tuple[int, int], kind: str) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = pixel

    with VideoReader(make_film(tmp_path / f"a.{kind}", 1, prepare=prepare)) as film:
        image = next(film.frames()).image()
        assert image.shape == (shown[1], shown[0], 3)
        assert (film.info.width, film.info.height) == shown
        assert corners(image) == "RG--"


# ------------------------------------------------------------------ times


def test_uneven_timestamps_are_kept(tmp_path: Path) -> None:
    times = [0, 0.5, 0.54, 2, 2.04, 7.123]
    for name in ("a.mp4", "a.mkv"):
        film = make_film(tmp_path / name, times)
        assert seen(film) == ([0, 1, 2, 3, 4, 5], pytest.approx(times, abs=0.001), 0, "")


def test_a_video_begins_at_its_first_frame(tmp_path: Path) -> None:
    assert seen(make_film(tmp_path / "a.mp4", [3, 3.04, 3.08])).seconds == pytest.approx([0, 0.04, 0.08])
    assert seen(make_film(tmp_path / "a.mkv", [3, 3.04, 3.08])).seconds == pytest.approx([0, 0.04, 0.08])


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "libopus"), ("a.mkv", "aac")])
def test_a_video_begins_at_its_audio_if_that_comes_first(tmp_path: Path, name: str, codec: str) -> None:
    """A player begins there, too, so that its clock and the film's are one."""
    times = [0.5 + i / 25 for i in range(25)]
    with VideoReader(make_film(tmp_path / name, times, sound=codec, sound_seconds=(0, 1.5))) as film:
        assert [frame.timestamp for frame in film.frames()] == pytest.approx(times, abs=0.03)
        assert film.info.duration == pytest.approx(1.5, abs=0.03)
        assert film.end_time == pytest.approx(1.5, abs=0.03)
    late = make_film(tmp_path / name, [3 + i / 25 for i in range(25)], sound=codec, sound_seconds=(3.5, 4))
    assert seen(late).seconds == pytest.approx([i / 25 for i in range(25)], abs=0.03)


def test_end_time_is_the_end_of_the_last_frame(tmp_path: Path) -> None:
    def last_for(seconds: float) -> Path:
        """A GIF whose last frame is shown so long."""
        data = bytearray(make_film(tmp_path / "a.gif", 3, codec="gif", pix_fmt="rgb8").read_bytes())
        at = data.rindex(b"\x21\xf9\x04")
        data[at + 4 : at + 6] = struct.pack("<H", round(seconds * 100))
        (tmp_path / "b.gif").write_bytes(data)
        return tmp_path / "b.gif"

    with VideoReader(last_for(2.5)) as film:
        frames = film.frames()
        next(frames)
        assert film.end_time == pytest.approx(0.04)
        assert [frame.timestamp for frame in frames] == pytest.approx([0.04, 0.08])
        assert film.end_time == pytest.approx(2.58)
    with VideoReader(last_for(600), limits=VideoLimits(max_seconds=30)) as film:
        assert [frame.index for frame in film.frames()] == [0, 1, 2]
        assert film.end_time == 30.0


def test_edit_list_shortens_the_last_frame(tmp_path: Path) -> None:
    data = bytearray(make_film(tmp_path / "a.mp4", 10).read_bytes())
    at = boxes(data, "moov trak edts elst") + 16
    assert struct.unpack_from(">I", data, at) == (400,)
    struct.pack_into(">I", data, at, 375)
    (tmp_path / "b.mp4").write_bytes(data)
    with VideoReader(tmp_path / "b.mp4") as film:
        assert [frame.timestamp for frame in film.frames()][-1] == pytest.approx(0.36)
        assert film.end_time == pytest.approx(0.375)


def test_audio_priming_does_not_shift_the_start() -> None:
    def begins(*starts: int | None) -> float | None:
        streams = [SimpleNamespace(start_time=start, time_base=Fraction(1, 1000)) for start in starts]
        container: Any = SimpleNamespace(streams=SimpleNamespace(audio=streams[1:]))
        picture: Any = streams[0]
        return start_time(container, picture)

    assert begins(40, -21) == 0.0
    assert begins(-80, -21) == -0.08
    assert begins(40, 20) == 0.02
    assert begins(40, None) == begins(40) == begins(40, 50) == 0.04
    assert begins(None, 20) is None


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        ([], []),
        ([0.0, 0.1, 0.2], [0.0, 0.1, 0.2]),
        ([5.0, 5.1], [0.0, 0.1]),
        ([None, None, None], [0.0, 0.1, 0.2]),
        ([None, 7.0, None, 7.4], [0.0, 0.1, 0.2, 0.5]),  # the first stamp says where 0 is
        ([0.0, None, 0.3], [0.0, 0.1, 0.3]),
        ([0.0, 0.4, 0.2, 0.5], [0.0, 0.4, 0.4, 0.5]),  # untidy
        ([0.0, 4.0, 0.0, 0.1, 0.5], [0.0, 4.0, 4.1, 4.2, 4.6]),  # begins again
        ([9.0, 3.0, 3.1], [0.0, 0.1, 0.2]),
        ([0.0, 36000.0], [0.0, 36000.0]),
    ],
)
def test_odd_timestamps_are_normalized(stamps: list[float | None], seconds: list[float]) -> None:
    clock = _TimestampNormalizer(None, 0.1)
    assert [clock.normalize(stamp) for stamp in stamps] == pytest.approx(seconds)


def test_start_time_after_the_first_frame_is_ignored() -> None:
    clock = _TimestampNormalizer(900.0, 0.1)
    assert [clock.normalize(stamp) for stamp in (2.0, 2.1)] == pytest.approx([0.0, 0.1])


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6), max_size=50),
    st.none() | st.floats(-1e6, 1e6),
    st.floats(0.001, 1),
)
def test_timestamps_never_decrease(stamps: list[float | None], start: float | None, step: float) -> None:
    clock = _TimestampNormalizer(start, step)
    seconds = [clock.normalize(stamp) for stamp in stamps]
    assert all(second >= 0 for second in seconds)
    assert all(a <= b for a, b in pairwise(seconds))


def test_restarting_timestamps_continue(tmp_path: Path) -> None:
    """As in films that were joined without care."""
    times = [*(i / 25 for i in range(75)), *(1000 + i / 25 for i in range(5))]
    data = make_film(tmp_path / "a.mkv", times, codec="mjpeg", pix_fmt="yuvj420p").read_bytes()
    start = bytes.fromhex("e7830f4240")  # a cluster at 1000 s
    assert data.count(start) == 1
    (tmp_path / "b.mkv").write_bytes(data.replace(start, bytes.fromhex("e783000000")))
    times = pytest.approx([i / 25 for i in range(80)], abs=0.002)
    assert seen(tmp_path / "b.mkv") == ([i % 20 for i in range(80)], times, 0, "")


# ------------------------------------------------------------------ limits


def test_gap_over_the_limit_is_refused(tmp_path: Path) -> None:
    for name, options in (("a.mkv", {}), ("a.mp4", {"video_track_timescale": "1000"})):
        came = seen(make_film(tmp_path / name, [0, 0.04, 0.08, 36000, 36000.04], file_options=options))
        assert came.seconds == pytest.approx([0, 0.04, 0.08])
        assert came.refusal == (
            f'"{name}" is longer than 30 minutes, the most that is read: cut it into shorter videos.'
        )


def test_video_over_the_limit_yields_the_frames_before_it(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mp4", 50)
    came = seen(path, limits=VideoLimits(max_seconds=1.0))
    assert len(came.indices) == 25
    assert "longer than 0.0167 minutes" in came.refusal
    assert len(seen(path, limits=VideoLimits(max_seconds=2.0)).indices) == 50


@pytest.mark.slow
@pytest.mark.parametrize("size", [(7680, 4320), (4098, 16), (16, 4098)])
def test_frames_over_the_limit_are_refused_by_the_header(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make_film(tmp_path / "a.mp4", 1, size=size)
    sentence = refused(path)
    assert f"{size[0]} x {size[1]} pixels and at most 4096 on a side" in sentence


def test_size_limit_counts_displayed_pixels(tmp_path: Path) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4)

    path = make_film(tmp_path / "a.mp4", 1, prepare=prepare)
    assert "64 x 48 pixels" in refused(path, limits=VideoLimits(max_side=255))
    assert seen(path, limits=VideoLimits(max_side=256)).indices == [0]


def join(path: Path, codec: str, pix_fmt: str, sizes: Sequence[tuple[int, int]], options: dict[str, str]) -> Path:
    """A film of three frames of each size, one encoder after the other."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *sizes[0], pix_fmt
        for k, size in enumerate(sizes):
            encoder: Any = av.CodecContext.create(codec, "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *size, pix_fmt, Fraction(1, 25)
            encoder.options = options
            packets = []
            for i in range(3 * k, 3 * k + 3):
                image = np.full((size[1], size[0], 3), 10 + 12 * i, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = i, Fraction(1, 25)
                packets += encoder.encode(frame)
            for packet in packets + encoder.encode(None):
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                container.mux(packet)
    return path


CHANGING = [
    ("a.avi", "mjpeg", "yuvj420p", {}),
    ("a.mkv", "mjpeg", "yuvj420p", {}),
    ("a.webm", "libvpx-vp9", "yuv420p", {"cpu-used": "8"}),
    ("8.webm", "libvpx", "yuv420p", {}),
    ("b.avi", "libx264", "yuv420p", {"preset": "ultrafast"}),
    ("b.mkv", "libx265", "yuv420p", {"x265-params": "log-level=none:repeat-headers=1"}),
    ("c.mkv", "libsvtav1", "yuv420p", {"preset": "12"}),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "options"), CHANGING, ids=[kind[0] for kind in CHANGING])
def test_frames_may_change_their_size(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    path = join(tmp_path / name, codec, pix_fmt, [(64, 64), (128, 96), (96, 160)], options)
    with VideoReader(path) as film:
        assert (film.info.width, film.info.height) == (64, 64)
        frames = [frame.image() for frame in film.frames()]
    shapes = [frame.shape[:2] for frame in frames]
    assert shapes == [(64, 64)] * 3 + [(96, 128)] * 3 + [(160, 96)] * 3
    assert [index_of(frame) for frame in frames] == list(range(9))


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "options"), CHANGING, ids=[kind[0] for kind in CHANGING])
@pytest.mark.parametrize("size", [(320, 64), (640, 480)])
def test_frames_that_grow_over_the_limit_end_the_video(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str], size: tuple[int, int]
) -> None:
    path = join(tmp_path / name, codec, pix_fmt, [(64, 64), size, (64, 64)], options)
    came = seen(path, limits=VideoLimits(max_side=160))
    assert came.indices == [0, 1, 2][: len(came.indices)]
    # A decoder that holds frames back, to sort them, may lose those.
    assert len(came.indices) == 3 or codec in ("libx265", "libsvtav1")
    assert "at most 160 on a side can be read: save it in a smaller size" in came.refusal
    # Much larger ones are never decoded, so that nobody knows their size.
    assert ("of more pixels" in came.refusal) == (size == (640, 480))


# ------------------------------------------------------------------ damage


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Place and size of each packet of pictures in the file."""
    with av.open(str(path)) as container:
        return [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]


def spoil(path: Path, which: Sequence[int], seed: int = 3) -> Path:
    """The same film with noise in those packets."""
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    places = packets_of(path)
    for index in which:
        at, size = places[index]
        data[at : at + size] = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
    path.with_stem("spoilt").write_bytes(data)
    return path.with_stem("spoilt")


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"), [("a.mp4", "libx264", "yuv420p"), ("a.avi", "mjpeg", "yuvj420p")]
)
def test_corrupt_frame_does_not_end_the_video(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    path = spoil(make_film(tmp_path / name, 12, codec=codec, pix_fmt=pix_fmt, options={"g": "1"}), [4, 5])
    good = [i for i in range(12) if i not in (4, 5)]
    assert seen(path) == (good, pytest.approx([i / 25 for i in good]), 2, "")


def test_video_without_decodable_frames_is_refused(tmp_path: Path) -> None:
    path = spoil(make_film(tmp_path / "a.mp4", 12, options={"g": "1"}), range(12))
    assert "holds no frame that can be decoded" in refused(path)


def test_reading_ends_after_many_corrupt_packets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.media.video_reader._MAX_CORRUPT_PACKETS", 20)
    assert _MAX_CORRUPT_PACKETS > 1000
    path = spoil(make_film(tmp_path / "a.mp4", 60, options={"g": "1"}), range(10, 50))
    came = seen(path)
    assert (len(came.indices), came.broken, came.refusal) == (10, 21, "")


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.gif", "a.webm"])
def test_truncated_videos_end_or_are_refused(tmp_path: Path, name: str) -> None:
    codec = {"a.gif": "gif", "a.webm": "libvpx"}.get(name, "mpeg4")
    path = make_film(tmp_path / name, 20, codec=codec, pix_fmt="rgb8" if codec == "gif" else "yuv420p")
    data, cut, counts = path.read_bytes(), tmp_path / f"cut{path.suffix}", []
    for part in (0, 1, 3, 4, 11, 40, 200, *(len(data) * i // 8 for i in range(1, 9))):
        cut.write_bytes(data[:part])
        came = seen(cut)
        counts.append(len(came.indices))
        assert bool(came.refusal) == (counts[-1] == 0)
    assert counts[:3] == [0] * 3
    assert counts[-1] == 20
    if name not in ("a.mp4", "a.mov"):  # they have their index at the end
        assert counts == sorted(counts)
        assert len(set(counts)) > 2


def test_truncated_video_with_a_leading_index_yields_its_frames(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mp4", 20, options={"g": "1"}, file_options={"movflags": "+faststart"})
    at = packets_of(path)[12][0]
    path.write_bytes(path.read_bytes()[: at + 10])
    with VideoReader(path) as film:
        assert film.info.num_frames == 20  # as the file tells
        assert [index_of(frame.image()) for frame in film.frames()] == list(range(12))
        assert film.num_corrupt_packets >= 1
    data = make_film(tmp_path / "b.mp4", 20).read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[: boxes(data, "moov")])
    assert "because its index is missing: copy it again" in refused(tmp_path / "b.mp4")


def boxes(data: bytes, names: str) -> int:
    """Where the box begins that lies in these boxes: `boxes(data, "moov trak tkhd")`."""
    at, end = 0, len(data)
    for name in names.encode().split():
        while data[at + 4 : at + 8] != name:
            at += struct.unpack_from(">I", data, at)[0]
            assert at < end, name
        found, at = at, at + 8
        end = found + struct.unpack_from(">I", data, found)[0]
    return found


def with_box(data: bytes, names: str, new: bytes) -> bytes:
    """The file with another box in that place, the boxes around it as large as is right then."""
    at = boxes(data, names)
    (size,) = struct.unpack_from(">I", data, at)
    out = bytearray(data[:at] + new + data[at + size :])
    parts = names.split()
    for i in range(1, len(parts)):
        around = boxes(data, " ".join(parts[:i]))
        (before,) = struct.unpack_from(">I", data, around)
        struct.pack_into(">I", out, around, before + len(new) - size)
    return bytes(out)


def test_wrong_header_values_are_survived(tmp_path: Path) -> None:
    """About how long the film is, in two places, and about how large its frames are."""
    data = bytearray(make_film(tmp_path / "a.mp4", 10).read_bytes())
    struct.pack_into(">I", data, boxes(data, "moov mvhd") + 24, 2**31)
    struct.pack_into(">I", data, boxes(data, "moov trak mdia mdhd") + 24, 2**31)
    struct.pack_into(">HH", data, boxes(data, "moov trak mdia minf stbl stsd") + 48, 16, 9000)
    struct.pack_into(">II", data, boxes(data, "moov trak tkhd") + 84, 9000 << 16, 16 << 16)
    (tmp_path / "b.mp4").write_bytes(data)
    with VideoReader(tmp_path / "b.mp4") as film:
        assert (film.info.width, film.info.height) == (64, 48)
        assert len(list(film.frames())) == 10
        assert film.end_time == pytest.approx(0.4)


STBL = "moov trak mdia minf stbl "


@pytest.mark.slow
@pytest.mark.parametrize("claim", ["constant", "compact", "edits", "packed", "fragment", "free", "boxes"])
def test_index_bomb_is_refused(tmp_path: Path, claim: str) -> None:
    """A few bytes that make FFmpeg write down millions of samples: 3.5 GB in the first case."""
    data = make_film(tmp_path / "a.mp4", 12).read_bytes()
    if claim in ("constant", "free"):
        data = with_box(data, STBL + "stsz", struct.pack(">I4sIII", 20, b"stsz", 0, 1, 50_000_000))
    if claim == "compact":
        data = with_box(data, STBL + "stsz", struct.pack(">I4sIII", 20, b"stz2", 0, 8, 50_000_000))
    if claim == "edits":
        edits = struct.pack(">IiI", 480, 0, ONE) * 500_000
        edits = struct.pack(">I4sII", 16 + len(edits), b"elst", 0, 500_000) + edits
        data = with_box(data, "moov trak edts elst", edits)
    if claim == "packed":
        data = with_box(data, "moov trak", struct.pack(">I4s", 16, b"cmov") + bytes(8))
    if claim == "fragment":
        run = struct.pack(">I4sII", 16, b"trun", 0, 50_000_000)
        data += struct.pack(">I4sI4s", 16 + len(run), b"moof", 8 + len(run), b"traf") + run
    if claim == "boxes":
        data += struct.pack(">I4s", 8, b"skip") * 600_000
    if claim == "free":  # FFmpeg looks there if it finds no index elsewhere
        at = boxes(data, "moov")
        data = data[: at + 4] + b"free" + data[at + 8 :]
    (tmp_path / "b.mp4").write_bytes(data)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    assert "claims to hold more frames than any video does" in refused(tmp_path / "b.mp4")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
    assert time.monotonic() - start < 10


def test_long_pcm_audio_is_no_bomb(tmp_path: Path) -> None:
    """It has an index of so many entries, too, of which FFmpeg takes a thousand for one."""
    path = make_film(tmp_path / "a.mov", 3, sound="pcm_s16le", sound_rate=192_000, sound_seconds=(0, 30))
    assert seen(path).indices == [0, 1, 2]


# ------------------------------------------------------------------ what is no film


def test_an_animated_webp_is_an_image_and_not_a_damaged_video(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert "is a WebP image" in refused(path)
    assert "open it as a photo" in refused(path)
    assert (read_image(path) == (255, 0, 0)).all()


def test_files_without_video_are_refused(tmp_path: Path) -> None:
    def sound(name: str, cover: bool) -> Path:
        with av.open(str(tmp_path / name), "w", format="mp4") as container:
            track: Any = container.add_stream("aac", rate=48_000, layout="mono")
            picture: Any = container.add_stream("mjpeg", rate=25) if cover else None
            if cover:
                picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
                picture.disposition = Disposition.attached_pic
                container.mux(picture.encode(av.VideoFrame(64, 48, "yuvj420p")))
                container.mux(picture.encode(None))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 48_000
            container.mux(track.encode(silence))
            container.mux(track.encode(None))
        return tmp_path / name

    assert "holds audio only: choose" in refused(sound("a.m4a", False))
    with av.open(str(sound("b.m4a", True))) as container:
        assert len(container.streams.video) == 1
    assert "holds audio only: choose" in refused(sound("b.m4a", True))
    assert "neither video nor audio" in refused(make_film(tmp_path / "none.mp4", 0))
    assert "damaged" in refused(make_film(tmp_path / "none.mkv", 0))


def test_unknown_codec_is_refused(tmp_path: Path) -> None:
    data = make_film(tmp_path / "a.mp4", 3).read_bytes().replace(b"avc1", b"zzzz")
    (tmp_path / "b.mp4").write_bytes(data)
    assert "holds video of an unknown codec" in refused(tmp_path / "b.mp4")


def test_best_video_stream_is_chosen(tmp_path: Path) -> None:
    """A small picture to seek by comes first."""
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        streams: list[Any] = [container.add_stream("mjpeg", rate=25) for _ in range(2)]
        for stream, width in zip(streams, (16, 128), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuvj420p"
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(stream.width, 48, "yuvj420p")))
            container.mux(stream.encode(None))
    with VideoReader(tmp_path / "a.mkv") as film:
        assert film.info.width == 128


def test_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "was not found: check the name and the folder" in refused(tmp_path / "gone.mp4")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in refused(tmp_path / "empty.mp4")
    assert "cannot be opened" in refused(tmp_path / "nul\0l.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "is not a regular file" in refused(tmp_path / "pipe.mp4")
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    assert "not a video of a supported format" in refused(tmp_path / "noise.mp4")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "concat:x|y.mp4").write_text("x")
    assert "plain text" in refused(Path("concat:x|y.mp4"))


def test_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mp4", 1)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("whoever runs this may read everything")
    assert "cannot be opened: check that you may read it" in refused(path)


def test_names_with_colons_are_no_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data:a.mp4", "concat:a.mp4", "http:a.mp4", "-i.mp4", "%03d.mp4"):
        make_film(tmp_path / "a.mp4", 1).rename(name)
        assert seen(Path(name)).indices == [0]


def test_messages_contain_the_display_name(tmp_path: Path) -> None:
    (tmp_path / "source.mp4").write_text("hello")
    assert refused(tmp_path / "source.mp4", name="C:\\clips\\party\n.mp4").startswith('"party.mp4" is plain text')
    assert video_display_name("x" * 100 + ".mp4") == '"' + "x" * 44 + "…" + "x" * 11 + '.mp4"'
    assert video_display_name("\x1b\n") == "The video"


def test_undecodable_metadata_is_survived(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mkv", 1)
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"\xff\xfe\xc0f"))
    assert seen(path).indices == [0]


class Watch:
    """Tells whether somebody opens a file (Linux)."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._handle, os.fsencode(path), 0x20) >= 0  # IN_OPEN

    def opened(self) -> bool:
        try:
            return bool(os.read(self._handle, 4096))
        except BlockingIOError:
            return False


LISTS = {
    "concat.ffconcat": "ffconcat version 1.0\nfile 'secret.mp4'\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "parts.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' profiles="
    "'urn:mpeg:dash:profile:isoff-on-demand:2011' mediaPresentationDuration='PT1S'><Period><AdaptationSet mimeType="
    "'video/mp4'><Representation id='1' bandwidth='1'><BaseURL>secret.mp4</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>",
    "call.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "words.srt": "1\n00:00:00,000 --> 00:00:01,000\nhello\n",
    "picture.svg": "<svg xmlns='http://www.w3.org/2000/svg'><image href='secret.mp4'/></svg>",
}


@pytest.mark.skipif(sys.platform != "linux", reason="only there can a test see who opens a file")
@pytest.mark.parametrize("disguise", ["", ".mp4"])
@pytest.mark.parametrize("name", LISTS)
def test_playlists_open_no_other_file(tmp_path: Path, name: str, disguise: str) -> None:
    secret = make_film(tmp_path / "secret.mp4", 3)
    path = tmp_path / (name + disguise)
    path.write_text(LISTS[name])
    watch = Watch(secret)
    assert "is plain text, perhaps a playlist, and not a video" in refused(path)
    assert not watch.opened()
    if name == "concat.ffconcat":  # what happens without the precautions
        with av.open(str(path)):
            assert watch.opened()


def alias(path: Path) -> bytes:
    """The box of a MOV file that says that its pictures are in another file."""
    target, name = os.fsencode(path), os.fsencode(path.name)
    body = bytes(14) + b"\x01" + b"v".ljust(27, b"\0") + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0")
    body += bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    body += struct.pack(">HH", 2, len(target)) + target + bytes(len(target) % 2) + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4s", len(body) + 8, b"alis") + body
    return struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry


@pytest.mark.skipif(sys.platform != "linux", reason="only there can a test see who opens a file")
def test_external_data_references_are_not_opened(tmp_path: Path) -> None:
    secret = make_film(tmp_path / "secret.mov", 5, codec="mjpeg", pix_fmt="yuvj420p")
    (tmp_path / "a.mov").write_bytes(with_box(secret.read_bytes(), "moov trak mdia minf dinf dref", alias(secret)))
    watch = Watch(secret)
    with av.open(str(tmp_path / "a.mov"), options={"enable_drefs": "1"}) as container:
        assert len(list(container.decode(video=0))) == 5
    assert watch.opened()  # so the file does what it is meant to
    refused(tmp_path / "a.mov")
    assert not watch.opened()


# ------------------------------------------------------------------ one frame at a time


def test_frames_continue_after_an_interruption(tmp_path: Path) -> None:
    with VideoReader(make_film(tmp_path / "a.mp4", 6)) as film:
        assert next(film.frames()).index == 0
        assert next(film.frames()).index == 1
        assert [frame.index for frame in film.frames()] == [2, 3, 4, 5]
        assert list(film.frames()) == []


def test_a_closed_video_has_no_frames(tmp_path: Path) -> None:
    film = VideoReader(make_film(tmp_path / "a.mp4", 30))
    frames = film.frames()
    frame = next(frames)
    film.close()
    film.close()
    assert list(frames) == []
    assert list(film.frames()) == []
    assert corners(frame.image()) == "RG--"  # what was given stays


def test_a_refused_video_is_closed(tmp_path: Path) -> None:
    path = spoil(make_film(tmp_path / "a.mp4", 3), range(3))
    refused(path)
    here = os.listdir("/proc/self/fd") if sys.platform == "linux" else []
    assert str(path) not in [os.path.realpath(f"/proc/self/fd/{handle}") for handle in here]


def test_frames_are_converted_on_demand(tmp_path: Path) -> None:
    with VideoReader(make_film(tmp_path / "a.mp4", 3)) as film:
        frames = list(film.frames())
        one, other = frames[1].image(), frames[1].image()
    assert one is not other
    assert np.array_equal(one, other)
    assert "VideoFrame" not in repr(frames[0])


@pytest.mark.slow
@pytest.mark.parametrize("turned", [False, True])
def test_read_frames_are_freed(tmp_path: Path, turned: bool) -> None:
    """A frame of a 4K video takes 12 MB as decoded and 25 MB as an image: 48 of them are 1.8 GB."""

    def prepare(stream: Any) -> None:
        if turned:
            stream.set_display_matrix(matrix(0, 1, -1, 0))

    path = make_film(tmp_path / "a.mp4", 48, size=(3840, 2160), prepare=prepare)
    code = """
        import sys
        from pathlib import Path

        import psutil

        from emotion.media.video_reader import VideoReader

        process, peak, count = psutil.Process(), 0, 0
        with VideoReader(Path(sys.argv[1])) as film:
            for frame in film.frames():
                frame.image()
                peak, count = max(peak, process.memory_info().rss), count + 1
        print(count, film.info.rotation, peak)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    count, degrees, peak = map(int, subprocess.check_output(command, cwd=ROOT, text=True).split())
    assert (count, degrees) == (48, 90 if turned else 0)
    assert peak < 300e6


@pytest.mark.slow
def test_many_frames_are_read_in_constant_memory(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.avi", 30_000, size=(16, 16), codec="mpeg4", rate=100)
    with VideoReader(path) as film:
        count, used = 0, []
        for frame in film.frames():
            frame.image()
            count += 1
            if count in (2_000, 30_000):
                used.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4 if sys.platform == "linux" else 0)
    assert count == 30_000
    assert used[1] - used[0] < 10_000  # kB


# ------------------------------------------------------------------ whatever comes


def mutants(rng: np.random.Generator, data: bytes) -> bytes:
    """The file with some bytes changed, a part cut out, doubled, swapped or overwritten."""
    out, kind = bytearray(data), rng.integers(6)
    a, b = sorted(int(i) for i in rng.integers(0, len(out), 2))
    if kind <= 1:
        for at in rng.integers(0, len(out) if kind else min(len(out), 2000), int(rng.integers(1, 40))):
            out[at] = rng.integers(256)
    elif kind == 2:
        del out[a : min(b, a + 500)]
    elif kind == 3:
        out[a:a] = out[a : min(b, a + 500)]
    elif kind == 4:
        out = out[:b]
    else:
        out[a : min(b, a + 200)] = rng.bytes(min(b, a + 200) - a)
    return bytes(out)


FUZZED = [
    ("a.mp4", "libx264", "yuv420p", {"preset": "medium"}),
    ("b.mp4", "mpeg4", "yuv420p", {}),
    ("a.mkv", "libx265", "yuv420p", QUIET),
    ("a.webm", "libvpx-vp9", "yuv420p", {}),
    ("a.avi", "mjpeg", "yuvj420p", {}),
    ("a.gif", "gif", "rgb8", {}),
    ("a.mov", "prores_ks", "yuv422p10le", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "codec", "pix_fmt", "options"), FUZZED, ids=[kind[0] for kind in FUZZED])
def test_damaged_videos_end_or_are_refused(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    sound = "aac" if name == "a.mp4" else None
    data = make_film(tmp_path / name, 15, codec=codec, pix_fmt=pix_fmt, options=options, sound=sound).read_bytes()
    rng, path = np.random.default_rng(7), tmp_path / f"mutant{Path(name).suffix}"
    whole, sentences = 0, []
    for number in range(24):
        path.write_bytes(mutants(rng, data))
        start, last = time.monotonic(), 0.0
        try:
            with VideoReader(path, limits=VideoLimits(max_seconds=60, max_side=1024)) as film:
                for frame in film.frames():
                    assert frame.timestamp >= last
                    last = frame.timestamp
                    assert frame.image().ndim == 3
                whole += 1
        except VideoError as error:
            sentences.append(str(error))
        assert time.monotonic() - start < 20, number
    assert whole
    assert [sentence for sentence in sentences if not sentence.startswith('"mutant')] == []
