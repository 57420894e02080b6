from __future__ import annotations

import ctypes
import dataclasses
import io
import os
import re
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
from emotion.media.containers.timestamps import TimestampNormalizer
from emotion.media.containers.tone_mapping import map_tones
from emotion.media.containers.video_container import start_time, video_display_name
from emotion.media.image_reader import read_image
from emotion.media.video_reader import MAX_CORRUPT_PACKETS, VideoInfo, VideoLimits, VideoReader
from tests.media.videos import draw_frame, make_video, read_index

ROOT = Path(__file__).resolve().parents[2]
FIXED_POINT_ONE = 65536  # of a display matrix
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="The peak of the memory is read from /proc.")
QUIET_X265 = {"x265-params": "log-level=none"}


class VideoContents(NamedTuple):
    """The frame indices, timestamps, number of corrupt packets and error message that reading a video gives."""

    indices: list[int]
    seconds: list[float]
    num_corrupt: int
    error: str


def read_video(path: Path, **options: Any) -> VideoContents:
    indices, seconds, num_corrupt, message = list[int](), list[float](), 0, ""
    try:
        with VideoReader(path, **options) as video:
            try:
                for frame in video.frames():
                    assert frame.index == len(indices)
                    indices.append(read_index(frame.image()))
                    seconds.append(frame.timestamp)
            finally:
                num_corrupt = video.num_corrupt_packets
    except VideoError as error:
        message = str(error)
    return VideoContents(indices, seconds, num_corrupt, message)


def get_error(path: Path, **options: Any) -> str:
    """Return the error message of a refused video."""
    message = read_video(path, **options).error
    assert re.fullmatch(r'("[^\n"]+"|The video) [^\n:]+: [^\n:]+\.', message), message
    return message


class MeasuredReading(NamedTuple):
    """What reading a video in a process of its own takes: bytes of memory after each frame and at most."""

    memory: list[int]
    peak: int
    rotation: int


def measure_reading(path: Path) -> MeasuredReading:
    """Read a video in a process of its own; the memory of this one also changes by what the other tests hold."""
    code = """
        import sys
        from pathlib import Path

        import psutil

        from emotion.errors import VideoError
        from emotion.media.video_reader import VideoReader
        from tests.fuzz.child import read_memory

        memory, rotation = [], 0
        try:
            with VideoReader(Path(sys.argv[1])) as video:
                rotation = video.info.rotation
                for frame in video.frames():
                    frame.image()
                    memory.append(psutil.Process().memory_info().rss)
        except VideoError:
            pass
        print(int(read_memory("VmHWM") * 2**20), rotation, *memory)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    peak, rotation, *memory = map(int, subprocess.check_output(command, cwd=ROOT, text=True).split())
    return MeasuredReading(memory, peak, rotation)


def read_corners(image: NDArray[np.uint8]) -> str:
    """Return the colors of the corners in reading order: R (red), G (green) or - (gray)."""
    height, width = image.shape[:2]
    points = [image[y, x].astype(int) for y in (4, height - 5) for x in (4, width - 5)]
    return "".join("R" if p[0] > p[1] + 60 else "G" if p[1] > p[0] + 60 else "-" for p in points)


# ------------------------------------------------------------------ formats

KINDS = [
    ("a.mp4", "libx264", "yuv420p", {}),
    ("b.mp4", "libx264", "yuv420p", {"preset": "medium"}),  # with reordered frames
    ("10bit.mp4", "libx265", "yuv420p10le", QUIET_X265),
    ("a.m4v", "mpeg4", "yuv420p", {"bf": "2"}),
    ("a.mov", "prores_ks", "yuva444p10le", {}),
    ("png.mov", "png", "rgba", {}),
    ("jpeg.mp4", "mjpeg", "yuvj444p", {}),
    ("a.webm", "libvpx-vp9", "yuv420p", {}),
    ("8.webm", "libvpx", "yuv420p", {}),
    ("a.mkv", "libx264", "yuv444p10le", {}),
    ("rgb.mkv", "libx264rgb", "rgb24", {}),
    ("hevc.mkv", "libx265", "yuv420p", QUIET_X265),
    ("av1.mkv", "libsvtav1", "yuv420p10le", {}),
    ("a.avi", "mpeg4", "yuv420p", {}),
    ("b.avi", "mpeg4", "yuv420p", {"bf": "2"}),  # AVI stores no timestamps of reordered frames
    ("c.avi", "libx264", "yuv420p", {"preset": "medium"}),
    ("raw.avi", "rawvideo", "bgr24", {}),
    ("wmv.avi", "wmv2", "yuv420p", {}),
    ("a.gif", "gif", "rgb8", {}),
]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"), KINDS, ids=[container_format[0] for container_format in KINDS]
)
def test_every_format_yields_every_frame(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    path = make_video(tmp_path / name, 12, codec=codec, pix_fmt=pix_fmt, options=options)
    with VideoReader(path) as video:
        assert (video.info.width, video.info.height, video.info.rotation, video.info.has_audio) == (64, 48, 0, False)
        assert video.info.fps == pytest.approx(25)
        assert video.info.num_frames == 12
        assert video.info.duration == pytest.approx(0.48)
        first = next(video.frames()).image()
    assert (first.shape, first.dtype, first.flags.c_contiguous) == ((48, 64, 3), np.uint8, True)
    assert read_corners(first) == "RG--"
    contents = read_video(path)
    assert contents == (list(range(12)), pytest.approx([i / 25 for i in range(12)]), 0, "")
    assert contents.seconds[0] == 0.0


def test_info_of_a_video_is_read(tmp_path: Path) -> None:
    with VideoReader(make_video(tmp_path / "a.mp4", 50, audio_codec="aac")) as video:
        assert video.info == VideoInfo(64, 48, pytest.approx(2.0), 25.0, 50, "h264", "mp4", 0, True)
        assert dataclasses.asdict(video.info)["has_audio"] is True
        assert video.num_corrupt_packets == 0


def test_odd_sizes_and_gray_are_read(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", 2, size=(63, 47), codec="ffv1", pix_fmt="gray16le")
    with VideoReader(path) as video:
        image = next(video.frames()).image()
    assert image.shape == (47, 63, 3)
    assert image[40, 5].tolist() == pytest.approx([10, 10, 10], abs=2)


@pytest.mark.parametrize("color_space", [0, 1, 5, 8, 9, 12, 14])  # RGB, BT.709, BT.601, YCgCo, BT.2020 and rare ones
def test_all_color_formats_are_read(tmp_path: Path, color_space: int) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.colorspace = color_space

    with VideoReader(make_video(tmp_path / "a.mp4", 1, prepare=prepare)) as video:
        image = next(video.frames()).image()
    assert 200 < image[4, 4, 0] < 256 or color_space == 0
    assert image[4, 4, 0] > image[4, 4, 1] + 80


def test_large_videos_without_a_color_space_are_read_as_bt709(tmp_path: Path) -> None:
    """The videos are encoded as BT.601 without a tag; players assume BT.709 for large ones."""
    small, large = (
        make_video(tmp_path / f"{height}.mp4", 1, size=(64, height), options={"qp": "0"}) for height in (576, 720)
    )
    with VideoReader(small) as small_video, VideoReader(large) as large_video:
        assert next(small_video.frames()).image()[4, 60].tolist() == pytest.approx([0, 250, 0], abs=4)
        assert next(large_video.frames()).image()[4, 60].tolist() == pytest.approx([0, 210, 0], abs=4)


# ------------------------------------------------------------------ orientation and pixel aspect ratio


def display_matrix(a: int, b: int, c: int, d: int) -> list[int]:
    """Return the matrix that displays a point (x, y) at (a x + c y, b x + d y), y downward."""
    return [a * FIXED_POINT_ONE, b * FIXED_POINT_ONE, 0, c * FIXED_POINT_ONE, d * FIXED_POINT_ONE, 0, 0, 0, 1 << 30]


DISPLAY_MATRICES = [
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


@pytest.mark.parametrize("container_format", ["mp4", "mkv"])
@pytest.mark.parametrize(("matrix_values", "expected", "degrees"), DISPLAY_MATRICES)
def test_frames_are_upright(
    tmp_path: Path, matrix_values: tuple[int, int, int, int], expected: str, degrees: int, container_format: str
) -> None:
    path = make_video(
        tmp_path / f"a.{container_format}",
        2,
        prepare=lambda stream: stream.set_display_matrix(display_matrix(*matrix_values)),
    )
    with VideoReader(path) as video:
        for frame in video.frames():
            image = frame.image()
            assert read_corners(image) == expected
            assert image.flags.c_contiguous
        assert image.shape == ((48, 64, 3) if degrees % 180 == 0 else (64, 48, 3))
        assert (video.info.height, video.info.width) == image.shape[:2]
        assert video.info.rotation == degrees


@pytest.mark.parametrize(("degrees", "expected"), [(10, "RG--"), (80, "-R-G"), (100, "-R-G"), (-95, "G-R-")])
def test_display_matrix_is_rounded_to_quarter_turns(tmp_path: Path, degrees: float, expected: str) -> None:
    path = make_video(tmp_path / "a.mp4", 1, prepare=lambda stream: stream.set_display_rotation(-degrees))
    with VideoReader(path) as video:
        assert read_corners(next(video.frames()).image()) == expected


def test_unknown_side_data_does_not_hide_the_rotation(tmp_path: Path) -> None:
    """Cameras that record motion JPEG store EXIF data in each frame."""
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    file = io.BytesIO()
    Image.fromarray(draw_frame(0)).save(file, "JPEG", exif=exif)
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        packet = av.Packet(file.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 25)
        container.mux(packet)
    with VideoReader(tmp_path / "a.avi") as video:
        assert read_corners(next(video.frames()).image()) == "-R-G"
        assert video.info.rotation == 90


@pytest.mark.parametrize(
    ("pixel_ratio", "expected"),
    [
        (Fraction(2), (128, 48)),
        (Fraction(1, 2), (64, 96)),
        (Fraction(64, 45), (91, 48)),
        (Fraction(100), (64, 48)),  # implausible, therefore ignored
        (Fraction(1, 300), (64, 48)),
    ],
)
@pytest.mark.parametrize("container_format", ["mp4", "mkv", "avi"])
def test_pixels_become_square(
    tmp_path: Path, pixel_ratio: Fraction, expected: tuple[int, int], container_format: str
) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = pixel_ratio

    with VideoReader(make_video(tmp_path / f"a.{container_format}", 1, prepare=prepare)) as video:
        image = next(video.frames()).image()
        assert image.shape == (expected[1], expected[0], 3)
        assert (video.info.width, video.info.height) == expected
        assert read_corners(image) == "RG--"


# ------------------------------------------------------------------ timestamps


def test_uneven_timestamps_are_kept(tmp_path: Path) -> None:
    times = [0, 0.5, 0.54, 2, 2.04, 7.123]
    for name in ("a.mp4", "a.mkv"):
        video = make_video(tmp_path / name, times)
        assert read_video(video) == ([0, 1, 2, 3, 4, 5], pytest.approx(times, abs=0.001), 0, "")


def test_a_video_begins_at_its_first_frame(tmp_path: Path) -> None:
    assert read_video(make_video(tmp_path / "a.mp4", [3, 3.04, 3.08])).seconds == pytest.approx([0, 0.04, 0.08])
    assert read_video(make_video(tmp_path / "a.mkv", [3, 3.04, 3.08])).seconds == pytest.approx([0, 0.04, 0.08])


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "libopus"), ("a.mkv", "aac")])
def test_a_video_begins_at_its_audio_if_that_comes_first(tmp_path: Path, name: str, codec: str) -> None:
    """A player starts there, too, so that both have the same timestamps."""
    times = [0.5 + i / 25 for i in range(25)]
    with VideoReader(make_video(tmp_path / name, times, audio_codec=codec, audio_seconds=(0, 1.5))) as video:
        assert [frame.timestamp for frame in video.frames()] == pytest.approx(times, abs=0.03)
        assert video.info.duration == pytest.approx(1.5, abs=0.03)
        assert video.end_time == pytest.approx(1.5, abs=0.03)
    late = make_video(tmp_path / name, [3 + i / 25 for i in range(25)], audio_codec=codec, audio_seconds=(3.5, 4))
    assert read_video(late).seconds == pytest.approx([i / 25 for i in range(25)], abs=0.03)


def test_end_time_is_the_end_of_the_last_frame(tmp_path: Path) -> None:
    def make_gif(seconds: float) -> Path:
        """Return a GIF whose last frame lasts `seconds`."""
        data = bytearray(make_video(tmp_path / "a.gif", 3, codec="gif", pix_fmt="rgb8").read_bytes())
        at = data.rindex(b"\x21\xf9\x04")
        data[at + 4 : at + 6] = struct.pack("<H", round(seconds * 100))
        (tmp_path / "b.gif").write_bytes(data)
        return tmp_path / "b.gif"

    with VideoReader(make_gif(2.5)) as video:
        frames = video.frames()
        next(frames)
        assert video.end_time == pytest.approx(0.04)
        assert [frame.timestamp for frame in frames] == pytest.approx([0.04, 0.08])
        assert video.end_time == pytest.approx(2.58)
    with VideoReader(make_gif(600), limits=VideoLimits(max_seconds=30)) as video:
        assert [frame.index for frame in video.frames()] == [0, 1, 2]
        assert video.end_time == 30.0


def test_edit_list_shortens_the_last_frame(tmp_path: Path) -> None:
    data = bytearray(make_video(tmp_path / "a.mp4", 10).read_bytes())
    at = find_box(data, "moov trak edts elst") + 16
    assert struct.unpack_from(">I", data, at) == (400,)
    struct.pack_into(">I", data, at, 375)
    (tmp_path / "b.mp4").write_bytes(data)
    with VideoReader(tmp_path / "b.mp4") as video:
        assert [frame.timestamp for frame in video.frames()][-1] == pytest.approx(0.36)
        assert video.end_time == pytest.approx(0.375)


def test_audio_priming_does_not_shift_the_start() -> None:
    def get_start(*starts: int | None) -> float | None:
        streams = [SimpleNamespace(start_time=start, time_base=Fraction(1, 1000)) for start in starts]
        container: Any = SimpleNamespace(streams=SimpleNamespace(audio=streams[1:]))
        video_stream: Any = streams[0]
        return start_time(container, video_stream)

    assert get_start(40, -21) == 0.0
    assert get_start(-80, -21) == -0.08
    assert get_start(40, 20) == 0.02
    assert get_start(40, None) == get_start(40) == get_start(40, 50) == 0.04
    assert get_start(None, 20) is None


@pytest.mark.parametrize(
    ("timestamps", "seconds"),
    [
        ([], []),
        ([0.0, 0.1, 0.2], [0.0, 0.1, 0.2]),
        ([5.0, 5.1], [0.0, 0.1]),
        ([None, None, None], [0.0, 0.1, 0.2]),
        ([None, 7.0, None, 7.4], [0.0, 0.1, 0.2, 0.5]),  # the first timestamp defines 0
        ([0.0, None, 0.3], [0.0, 0.1, 0.3]),
        ([0.0, 0.4, 0.2, 0.5], [0.0, 0.4, 0.4, 0.5]),  # out of order
        ([0.0, 4.0, 0.0, 0.1, 0.5], [0.0, 4.0, 4.1, 4.2, 4.6]),  # restarts
        ([9.0, 3.0, 3.1], [0.0, 0.1, 0.2]),
        ([0.0, 36000.0], [0.0, 36000.0]),
    ],
)
def test_odd_timestamps_are_normalized(timestamps: list[float | None], seconds: list[float]) -> None:
    normalizer = TimestampNormalizer(None, 0.1)
    assert [normalizer.normalize(timestamp) for timestamp in timestamps] == pytest.approx(seconds)


def test_start_time_after_the_first_frame_is_ignored() -> None:
    normalizer = TimestampNormalizer(900.0, 0.1)
    assert [normalizer.normalize(timestamp) for timestamp in (2.0, 2.1)] == pytest.approx([0.0, 0.1])


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6), max_size=50),
    st.none() | st.floats(-1e6, 1e6),
    st.floats(0.001, 1),
)
def test_timestamps_never_decrease(timestamps: list[float | None], start: float | None, step: float) -> None:
    normalizer = TimestampNormalizer(start, step)
    seconds = [normalizer.normalize(timestamp) for timestamp in timestamps]
    assert all(second >= 0 for second in seconds)
    assert all(a <= b for a, b in pairwise(seconds))


def test_restarting_timestamps_continue(tmp_path: Path) -> None:
    """Timestamps restart in carelessly joined videos."""
    times = [*(i / 25 for i in range(75)), *(1000 + i / 25 for i in range(5))]
    data = make_video(tmp_path / "a.mkv", times, codec="mjpeg", pix_fmt="yuvj420p").read_bytes()
    start = bytes.fromhex("e7830f4240")  # a cluster at 1000 s
    assert data.count(start) == 1
    (tmp_path / "b.mkv").write_bytes(data.replace(start, bytes.fromhex("e783000000")))
    times = pytest.approx([i / 25 for i in range(80)], abs=0.002)
    assert read_video(tmp_path / "b.mkv") == ([i % 20 for i in range(80)], times, 0, "")


# ------------------------------------------------------------------ limits


def test_gap_over_the_limit_is_refused(tmp_path: Path) -> None:
    for name, options in (("a.mkv", {}), ("a.mp4", {"video_track_timescale": "1000"})):
        contents = read_video(make_video(tmp_path / name, [0, 0.04, 0.08, 36000, 36000.04], file_options=options))
        assert contents.seconds == pytest.approx([0, 0.04, 0.08])
        assert contents.error == (
            f'"{name}" is longer than 30 minutes, the most that is read: cut it into shorter videos.'
        )


def test_video_over_the_limit_yields_the_frames_before_it(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 50)
    contents = read_video(path, limits=VideoLimits(max_seconds=1.0))
    assert len(contents.indices) == 25
    assert "longer than 0.0167 minutes" in contents.error
    assert len(read_video(path, limits=VideoLimits(max_seconds=2.0)).indices) == 50


@pytest.mark.slow
@pytest.mark.parametrize("size", [(7680, 4320), (4098, 16), (16, 4098)])
def test_frames_over_the_limit_are_refused_by_the_header(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make_video(tmp_path / "a.mp4", 1, size=size)
    message = get_error(path)
    assert f"{size[0]} x {size[1]} pixels and at most 4096 on a side" in message


def test_size_limit_counts_displayed_pixels(tmp_path: Path) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4)

    path = make_video(tmp_path / "a.mp4", 1, prepare=prepare)
    assert "64 x 48 pixels" in get_error(path, limits=VideoLimits(max_side=255))
    assert read_video(path, limits=VideoLimits(max_side=256)).indices == [0]


def make_mixed_size_video(
    path: Path, codec: str, pix_fmt: str, sizes: Sequence[tuple[int, int]], options: dict[str, str]
) -> Path:
    """Write a video with three frames of each size from separate encoders."""
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


MIXED_SIZE_FORMATS = [
    ("a.avi", "mjpeg", "yuvj420p", {}),
    ("a.mkv", "mjpeg", "yuvj420p", {}),
    ("a.webm", "libvpx-vp9", "yuv420p", {"cpu-used": "8"}),
    ("8.webm", "libvpx", "yuv420p", {}),
    ("b.avi", "libx264", "yuv420p", {"preset": "ultrafast"}),
    ("b.mkv", "libx265", "yuv420p", {"x265-params": "log-level=none:repeat-headers=1"}),
    ("c.mkv", "libsvtav1", "yuv420p", {"preset": "12"}),
]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    MIXED_SIZE_FORMATS,
    ids=[container_format[0] for container_format in MIXED_SIZE_FORMATS],
)
def test_frames_may_change_their_size(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    path = make_mixed_size_video(tmp_path / name, codec, pix_fmt, [(64, 64), (128, 96), (96, 160)], options)
    with VideoReader(path) as video:
        assert (video.info.width, video.info.height) == (64, 64)
        frames = [frame.image() for frame in video.frames()]
    shapes = [frame.shape[:2] for frame in frames]
    assert shapes == [(64, 64)] * 3 + [(96, 128)] * 3 + [(160, 96)] * 3
    assert [read_index(frame) for frame in frames] == list(range(9))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    MIXED_SIZE_FORMATS,
    ids=[container_format[0] for container_format in MIXED_SIZE_FORMATS],
)
@pytest.mark.parametrize("size", [(320, 64), (640, 480)])
def test_frames_that_grow_over_the_limit_end_the_video(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str], size: tuple[int, int]
) -> None:
    path = make_mixed_size_video(tmp_path / name, codec, pix_fmt, [(64, 64), size, (64, 64)], options)
    contents = read_video(path, limits=VideoLimits(max_side=160))
    assert contents.indices == [0, 1, 2][: len(contents.indices)]
    # A decoder that delays frames to reorder them may drop the delayed ones.
    assert len(contents.indices) == 3 or codec in ("libx265", "libsvtav1")
    assert "at most 160 on a side can be read: save it in a smaller size" in contents.error
    # Much larger frames are never decoded, so that their size is unknown.
    assert ("of more pixels" in contents.error) == (size == (640, 480))


# ------------------------------------------------------------------ damage


def find_packets(path: Path) -> list[tuple[int, int]]:
    """Return the position and size of each video packet in the file."""
    with av.open(str(path)) as container:
        return [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]


def damage_packets(path: Path, indices: Sequence[int], seed: int = 3) -> Path:
    """Return a copy of the video with noise in the given packets."""
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    positions = find_packets(path)
    for index in indices:
        at, size = positions[index]
        data[at : at + size] = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
    path.with_stem("damaged").write_bytes(data)
    return path.with_stem("damaged")


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"), [("a.mp4", "libx264", "yuv420p"), ("a.avi", "mjpeg", "yuvj420p")]
)
def test_corrupt_frame_does_not_end_the_video(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    path = damage_packets(make_video(tmp_path / name, 12, codec=codec, pix_fmt=pix_fmt, options={"g": "1"}), [4, 5])
    valid = [i for i in range(12) if i not in (4, 5)]
    assert read_video(path) == (valid, pytest.approx([i / 25 for i in valid]), 2, "")


def test_video_without_decodable_frames_is_refused(tmp_path: Path) -> None:
    path = damage_packets(make_video(tmp_path / "a.mp4", 12, options={"g": "1"}), range(12))
    assert "holds no frame that can be decoded" in get_error(path)


def test_reading_ends_after_many_corrupt_packets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.media.video_reader.MAX_CORRUPT_PACKETS", 20)
    assert MAX_CORRUPT_PACKETS > 1000
    path = damage_packets(make_video(tmp_path / "a.mp4", 60, options={"g": "1"}), range(10, 50))
    contents = read_video(path)
    assert (len(contents.indices), contents.num_corrupt, contents.error) == (10, 21, "")


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.gif", "a.webm"])
def test_truncated_videos_end_or_are_refused(tmp_path: Path, name: str) -> None:
    codec = {"a.gif": "gif", "a.webm": "libvpx"}.get(name, "mpeg4")
    path = make_video(tmp_path / name, 20, codec=codec, pix_fmt="rgb8" if codec == "gif" else "yuv420p")
    data, truncated, frame_counts = path.read_bytes(), tmp_path / f"cut{path.suffix}", []
    for length in (0, 1, 3, 4, 11, 40, 200, *(len(data) * i // 8 for i in range(1, 9))):
        truncated.write_bytes(data[:length])
        contents = read_video(truncated)
        frame_counts.append(len(contents.indices))
        assert bool(contents.error) == (frame_counts[-1] == 0)
    assert frame_counts[:3] == [0] * 3
    assert frame_counts[-1] == 20
    if name not in ("a.mp4", "a.mov"):  # MP4 and MOV have their index at the end
        assert frame_counts == sorted(frame_counts)
        assert len(set(frame_counts)) > 2


def test_truncated_video_with_a_leading_index_yields_its_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 20, options={"g": "1"}, file_options={"movflags": "+faststart"})
    at = find_packets(path)[12][0]
    path.write_bytes(path.read_bytes()[: at + 10])
    with VideoReader(path) as video:
        assert video.info.num_frames == 20  # according to the header
        assert [read_index(frame.image()) for frame in video.frames()] == list(range(12))
        assert video.num_corrupt_packets >= 1
    data = make_video(tmp_path / "b.mp4", 20).read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[: find_box(data, "moov")])
    assert "because its index is missing: copy it again" in get_error(tmp_path / "b.mp4")


def find_box(data: bytes, names: str) -> int:
    """Return the offset of a nested box: `find_box(data, "moov trak tkhd")`."""
    at, end = 0, len(data)
    for name in names.encode().split():
        while data[at + 4 : at + 8] != name:
            at += struct.unpack_from(">I", data, at)[0]
            assert at < end, name
        found, at = at, at + 8
        end = found + struct.unpack_from(">I", data, found)[0]
    return found


def replace_box(data: bytes, names: str, new_box: bytes) -> bytes:
    """Return the file with a replaced box and updated sizes of its parents."""
    at = find_box(data, names)
    (size,) = struct.unpack_from(">I", data, at)
    out = bytearray(data[:at] + new_box + data[at + size :])
    parts = names.split()
    for i in range(1, len(parts)):
        parent = find_box(data, " ".join(parts[:i]))
        (before,) = struct.unpack_from(">I", data, parent)
        struct.pack_into(">I", out, parent, before + len(new_box) - size)
    return bytes(out)


def test_wrong_header_values_do_not_prevent_reading(tmp_path: Path) -> None:
    """The wrong values are the duration, twice, and the frame size."""
    data = bytearray(make_video(tmp_path / "a.mp4", 10).read_bytes())
    struct.pack_into(">I", data, find_box(data, "moov mvhd") + 24, 2**31)
    struct.pack_into(">I", data, find_box(data, "moov trak mdia mdhd") + 24, 2**31)
    struct.pack_into(">HH", data, find_box(data, "moov trak mdia minf stbl stsd") + 48, 16, 9000)
    struct.pack_into(">II", data, find_box(data, "moov trak tkhd") + 84, 9000 << 16, 16 << 16)
    (tmp_path / "b.mp4").write_bytes(data)
    with VideoReader(tmp_path / "b.mp4") as video:
        assert (video.info.width, video.info.height) == (64, 48)
        assert len(list(video.frames())) == 10
        assert video.end_time == pytest.approx(0.4)


STBL = "moov trak mdia minf stbl "


@pytest.fixture(scope="module")
def usual_peak(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return the bytes of memory that reading a video of twelve small frames takes at most."""
    reading = measure_reading(make_video(tmp_path_factory.mktemp("videos") / "a.mp4", 12))
    assert len(reading.memory) == 12
    return reading.peak


@pytest.mark.slow
@only_linux
@pytest.mark.parametrize("claim", ["constant", "compact", "edits", "packed", "fragment", "free", "boxes"])
def test_index_bomb_is_refused(tmp_path: Path, usual_peak: int, claim: str) -> None:
    """A few bytes would make FFmpeg allocate millions of index entries, 3.5 GB in the first case."""
    data = make_video(tmp_path / "a.mp4", 12).read_bytes()
    if claim in ("constant", "free"):
        data = replace_box(data, STBL + "stsz", struct.pack(">I4sIII", 20, b"stsz", 0, 1, 50_000_000))
    if claim == "compact":
        data = replace_box(data, STBL + "stsz", struct.pack(">I4sIII", 20, b"stz2", 0, 8, 50_000_000))
    if claim == "edits":
        edits = struct.pack(">IiI", 480, 0, FIXED_POINT_ONE) * 500_000
        edits = struct.pack(">I4sII", 16 + len(edits), b"elst", 0, 500_000) + edits
        data = replace_box(data, "moov trak edts elst", edits)
    if claim == "packed":
        data = replace_box(data, "moov trak", struct.pack(">I4s", 16, b"cmov") + bytes(8))
    if claim == "fragment":
        run = struct.pack(">I4sII", 16, b"trun", 0, 50_000_000)
        data += struct.pack(">I4sI4s", 16 + len(run), b"moof", 8 + len(run), b"traf") + run
    if claim == "boxes":
        data += struct.pack(">I4s", 8, b"skip") * 600_000
    if claim == "free":  # FFmpeg uses this box if there is no other index
        at = find_box(data, "moov")
        data = data[: at + 4] + b"free" + data[at + 8 :]
    (tmp_path / "b.mp4").write_bytes(data)
    start = time.monotonic()
    assert "claims to hold more frames than any video does" in get_error(tmp_path / "b.mp4")
    assert time.monotonic() - start < 10
    refused = measure_reading(tmp_path / "b.mp4")
    assert len(refused.memory) == 0
    assert refused.peak - usual_peak < 20e6


def test_long_pcm_audio_is_no_bomb(tmp_path: Path) -> None:
    """Its index has as many entries, but FFmpeg combines a thousand of them."""
    path = make_video(tmp_path / "a.mov", 3, audio_codec="pcm_s16le", audio_rate=192_000, audio_seconds=(0, 30))
    assert read_video(path).indices == [0, 1, 2]


# ------------------------------------------------------------------ invalid files


def test_an_animated_webp_is_an_image_and_not_a_damaged_video(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert "is a WebP image" in get_error(path)
    assert "open it as a photo" in get_error(path)
    assert (read_image(path) == (255, 0, 0)).all()


def test_files_without_video_are_refused(tmp_path: Path) -> None:
    def make_audio_file(name: str, cover: bool) -> Path:
        with av.open(str(tmp_path / name), "w", format="mp4") as container:
            track: Any = container.add_stream("aac", rate=48_000, layout="mono")
            cover_stream: Any = container.add_stream("mjpeg", rate=25) if cover else None
            if cover:
                cover_stream.width, cover_stream.height, cover_stream.pix_fmt = 64, 48, "yuvj420p"
                cover_stream.disposition = Disposition.attached_pic
                container.mux(cover_stream.encode(av.VideoFrame(64, 48, "yuvj420p")))
                container.mux(cover_stream.encode(None))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 48_000
            container.mux(track.encode(silence))
            container.mux(track.encode(None))
        return tmp_path / name

    assert "holds audio only: choose" in get_error(make_audio_file("a.m4a", False))
    with av.open(str(make_audio_file("b.m4a", True))) as container:
        assert len(container.streams.video) == 1
    assert "holds audio only: choose" in get_error(make_audio_file("b.m4a", True))
    assert "neither video nor audio" in get_error(make_video(tmp_path / "none.mp4", 0))
    assert "damaged" in get_error(make_video(tmp_path / "none.mkv", 0))


def test_unknown_codec_is_refused(tmp_path: Path) -> None:
    data = make_video(tmp_path / "a.mp4", 3).read_bytes().replace(b"avc1", b"zzzz")
    (tmp_path / "b.mp4").write_bytes(data)
    assert "holds video of an unknown codec" in get_error(tmp_path / "b.mp4")


def test_best_video_stream_is_chosen(tmp_path: Path) -> None:
    """The first stream is a small preview."""
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        streams: list[Any] = [container.add_stream("mjpeg", rate=25) for _ in range(2)]
        for stream, width in zip(streams, (16, 128), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuvj420p"
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(stream.width, 48, "yuvj420p")))
            container.mux(stream.encode(None))
    with VideoReader(tmp_path / "a.mkv") as video:
        assert video.info.width == 128


def test_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "was not found: check the name and the folder" in get_error(tmp_path / "gone.mp4")
    assert "is a folder" in get_error(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in get_error(tmp_path / "empty.mp4")
    assert "cannot be opened" in get_error(tmp_path / "nul\0l.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "is not a regular file" in get_error(tmp_path / "pipe.mp4")
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    assert "not a video of a supported format" in get_error(tmp_path / "noise.mp4")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "concat:x|y.mp4").write_text("x")
    assert "plain text" in get_error(Path("concat:x|y.mp4"))


def test_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 1)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    assert "cannot be opened: check that you may read it" in get_error(path)


def test_names_with_colons_are_no_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data:a.mp4", "concat:a.mp4", "http:a.mp4", "-i.mp4", "%03d.mp4"):
        make_video(tmp_path / "a.mp4", 1).rename(name)
        assert read_video(Path(name)).indices == [0]


def test_messages_contain_the_display_name(tmp_path: Path) -> None:
    (tmp_path / "source.mp4").write_text("hello")
    assert get_error(tmp_path / "source.mp4", name="C:\\clips\\party\n.mp4").startswith('"party.mp4" is plain text')
    assert video_display_name("x" * 100 + ".mp4") == '"' + "x" * 44 + "…" + "x" * 11 + '.mp4"'
    assert video_display_name("\x1b\n") == "The video"


def test_undecodable_metadata_is_ignored(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", 1)
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"\xff\xfe\xc0f"))
    assert read_video(path).indices == [0]


class FileWatch:
    """Detects whether a file is opened (Linux)."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._handle, os.fsencode(path), 0x20) >= 0  # IN_OPEN

    def opened(self) -> bool:
        try:
            return bool(os.read(self._handle, 4096))
        except BlockingIOError:
            return False


PLAYLISTS = {
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


@pytest.mark.skipif(sys.platform != "linux", reason="inotify exists only on Linux")
@pytest.mark.parametrize("extension", ["", ".mp4"])
@pytest.mark.parametrize("name", PLAYLISTS)
def test_playlists_open_no_other_file(tmp_path: Path, name: str, extension: str) -> None:
    secret = make_video(tmp_path / "secret.mp4", 3)
    path = tmp_path / (name + extension)
    path.write_text(PLAYLISTS[name])
    file_watch = FileWatch(secret)
    assert "is plain text, perhaps a playlist, and not a video" in get_error(path)
    assert not file_watch.opened()
    if name == "concat.ffconcat":  # without the precautions FFmpeg opens it
        with av.open(str(path)):
            assert file_watch.opened()


def make_alias_box(path: Path) -> bytes:
    """Return the box of a MOV file that refers to samples in another file."""
    target, name = os.fsencode(path), os.fsencode(path.name)
    body = bytes(14) + b"\x01" + b"v".ljust(27, b"\0") + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0")
    body += bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    body += struct.pack(">HH", 2, len(target)) + target + bytes(len(target) % 2) + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4s", len(body) + 8, b"alis") + body
    return struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry


@pytest.mark.skipif(sys.platform != "linux", reason="inotify exists only on Linux")
def test_external_data_references_are_not_opened(tmp_path: Path) -> None:
    secret = make_video(tmp_path / "secret.mov", 5, codec="mjpeg", pix_fmt="yuvj420p")
    (tmp_path / "a.mov").write_bytes(
        replace_box(secret.read_bytes(), "moov trak mdia minf dinf dref", make_alias_box(secret))
    )
    file_watch = FileWatch(secret)
    with av.open(str(tmp_path / "a.mov"), options={"enable_drefs": "1"}) as container:
        assert len(list(container.decode(video=0))) == 5
    assert file_watch.opened()  # the reference works
    get_error(tmp_path / "a.mov")
    assert not file_watch.opened()


# ------------------------------------------------------------------ iteration


def test_frames_continue_after_an_interruption(tmp_path: Path) -> None:
    with VideoReader(make_video(tmp_path / "a.mp4", 6)) as video:
        assert next(video.frames()).index == 0
        assert next(video.frames()).index == 1
        assert [frame.index for frame in video.frames()] == [2, 3, 4, 5]
        assert list(video.frames()) == []


def test_a_closed_video_has_no_frames(tmp_path: Path) -> None:
    video = VideoReader(make_video(tmp_path / "a.mp4", 30))
    frames = video.frames()
    frame = next(frames)
    video.close()
    video.close()
    assert list(frames) == []
    assert list(video.frames()) == []
    assert read_corners(frame.image()) == "RG--"  # a returned frame remains valid


def test_a_refused_video_is_closed(tmp_path: Path) -> None:
    path = damage_packets(make_video(tmp_path / "a.mp4", 3), range(3))
    get_error(path)
    handles = os.listdir("/proc/self/fd") if sys.platform == "linux" else []
    assert str(path) not in [os.path.realpath(f"/proc/self/fd/{handle}") for handle in handles]


def test_frames_are_converted_on_demand(tmp_path: Path) -> None:
    with VideoReader(make_video(tmp_path / "a.mp4", 3)) as video:
        frames = list(video.frames())
        first, second = frames[1].image(), frames[1].image()
    assert first is not second
    assert np.array_equal(first, second)
    assert "VideoFrame" not in repr(frames[0])


@pytest.mark.slow
@only_linux
@pytest.mark.parametrize("is_rotated", [False, True])
def test_read_frames_are_freed(tmp_path: Path, is_rotated: bool) -> None:
    """A frame of a 4K video takes 12 MB decoded and 6 MB as an image; 36 of either would exceed the limit."""

    def prepare(stream: Any) -> None:
        if is_rotated:
            stream.set_display_matrix(display_matrix(0, 1, -1, 0))

    path = make_video(tmp_path / "a.mp4", 36, size=(3840, 2160), prepare=prepare)
    reading = measure_reading(path)
    assert (len(reading.memory), reading.rotation) == (36, 90 if is_rotated else 0)
    assert reading.peak < 300e6


@pytest.mark.slow
@only_linux
def test_many_frames_are_read_in_constant_memory(tmp_path: Path) -> None:
    memory = measure_reading(make_video(tmp_path / "a.avi", 30_000, size=(16, 16), codec="mpeg4", rate=100)).memory
    assert len(memory) == 30_000
    assert memory[-1] - memory[2_000] < 10e6


# ------------------------------------------------------------------ random damage


def mutate(rng: np.random.Generator, data: bytes) -> bytes:
    """Return the file with some bytes changed, or a part deleted, doubled or overwritten."""
    out, container_format = bytearray(data), rng.integers(6)
    a, b = sorted(int(i) for i in rng.integers(0, len(out), 2))
    if container_format <= 1:
        for at in rng.integers(0, len(out) if container_format else min(len(out), 2000), int(rng.integers(1, 40))):
            out[at] = rng.integers(256)
    elif container_format == 2:
        del out[a : min(b, a + 500)]
    elif container_format == 3:
        out[a:a] = out[a : min(b, a + 500)]
    elif container_format == 4:
        out = out[:b]
    else:
        out[a : min(b, a + 200)] = rng.bytes(min(b, a + 200) - a)
    return bytes(out)


DAMAGED_FORMATS = [
    ("a.mp4", "libx264", "yuv420p", {"preset": "medium"}),
    ("b.mp4", "mpeg4", "yuv420p", {}),
    ("a.mkv", "libx265", "yuv420p", QUIET_X265),
    ("a.webm", "libvpx-vp9", "yuv420p", {}),
    ("a.avi", "mjpeg", "yuvj420p", {}),
    ("a.gif", "gif", "rgb8", {}),
    ("a.mov", "prores_ks", "yuv422p10le", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    DAMAGED_FORMATS,
    ids=[container_format[0] for container_format in DAMAGED_FORMATS],
)
def test_damaged_videos_end_or_are_refused(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    audio_codec = "aac" if name == "a.mp4" else None
    data = make_video(
        tmp_path / name, 15, codec=codec, pix_fmt=pix_fmt, options=options, audio_codec=audio_codec
    ).read_bytes()
    rng, path = np.random.default_rng(7), tmp_path / f"mutant{Path(name).suffix}"
    num_complete, messages = 0, []
    for index in range(24):
        path.write_bytes(mutate(rng, data))
        start, last = time.monotonic(), 0.0
        try:
            with VideoReader(path, limits=VideoLimits(max_seconds=60, max_side=1024)) as video:
                for frame in video.frames():
                    assert frame.timestamp >= last
                    last = frame.timestamp
                    assert frame.image().ndim == 3
                num_complete += 1
        except VideoError as error:
            messages.append(str(error))
        assert time.monotonic() - start < 20, index
    assert num_complete
    assert [message for message in messages if not message.startswith('"mutant')] == []


# --- Large and HDR videos


@pytest.mark.parametrize(("size", "expected"), [((2560, 1440), (1920, 1080)), ((1440, 2560), (1080, 1920))])
def test_large_frames_are_reduced(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    with VideoReader(make_video(tmp_path / "a.mp4", 2, size=size)) as video:
        assert (video.info.width, video.info.height) == expected
        assert video.info.reduction == pytest.approx(4 / 3, abs=0.001)
        images = [frame.image() for frame in video.frames()]
    assert [image.shape for image in images] == [(expected[1], expected[0], 3)] * 2
    assert [read_index(image) for image in images] == [0, 1]


@pytest.mark.parametrize("size", [(1920, 1080), (1920, 1200)])
def test_frames_up_to_full_hd_are_not_reduced(tmp_path: Path, size: tuple[int, int]) -> None:
    with VideoReader(make_video(tmp_path / "a.mp4", 1, size=size)) as video:
        assert (video.info.width, video.info.height, video.info.reduction) == (*size, 1.0)


def test_the_limit_of_pixels_can_be_raised(tmp_path: Path) -> None:
    limits = VideoLimits(max_pixels=2560 * 1440)
    with VideoReader(make_video(tmp_path / "a.mp4", 1, size=(2560, 1440)), limits=limits) as video:
        assert (video.info.width, video.info.height, video.info.reduction) == (2560, 1440, 1.0)


def test_frames_of_too_many_bytes_are_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", 1, size=(4096, 2304), codec="libx264", pix_fmt="yuv444p10le")
    message = get_error(path)
    assert "4096 x 2304 pixels in yuv444p10le, which take too much memory" in message
    assert "smaller size or with 8 bits" in message


@pytest.mark.parametrize("transfer", [16, 18])  # PQ, HLG
def test_hdr_is_mapped_to_the_range_of_a_screen(tmp_path: Path, transfer: int) -> None:
    def prepare(stream: Any) -> None:
        context = stream.codec_context
        context.colorspace = context.color_primaries = 9
        context.color_trc = transfer

    options: Any = {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": QUIET_X265}
    images = list[NDArray[np.uint8]]()
    for name, change in (("plain.mp4", None), ("hdr.mp4", prepare)):
        with VideoReader(make_video(tmp_path / name, 10, prepare=change, **options)) as video:
            images.append([frame.image() for frame in video.frames()][9])
    plain, mapped = images
    expected = map_tones(plain, transfer)
    assert np.abs(mapped[36:].astype(int) - expected[36:]).max() <= 3
    assert abs(int(mapped[40, 32, 0]) - int(plain[40, 32, 0])) > 5
