from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.media.video_reader import VideoReader
from emotion.media.video_writer import VideoWriter, letterbox
from tests.media.videos import draw_frame, make_video

GRAY = np.full((48, 64, 3), 120, np.uint8)


def read_frames(path: Path) -> tuple[list[NDArray[np.uint8]], list[float]]:
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
def test_timestamps_are_kept(tmp_path: Path, times: list[float]) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
        for i, seconds in enumerate(times):
            video.write(np.full_like(GRAY, 4 * i), seconds)
        assert not (tmp_path / "a.mp4").exists()
    frames, timestamps = read_frames(tmp_path / "a.mp4")
    assert timestamps == pytest.approx(times, abs=1e-4)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * len(times)
    assert [round(float(frame.mean())) for frame in frames] == pytest.approx([4 * i for i in range(len(times))], abs=4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_timestamps_always_increase(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
        for seconds in (1.0, 1.0, 0.2, 1.04):
            video.write(GRAY, seconds)
    timestamps = read_frames(tmp_path / "a.mp4")[1]
    assert len(timestamps) == 4
    assert all(a < b for a, b in pairwise(timestamps))
    assert timestamps[-1] == pytest.approx(1.04, abs=1e-4)


def test_index_is_at_the_start_of_the_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
        video.write(GRAY, 0.0)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize(("size", "expected_size"), [((64, 48), (64, 48)), ((63, 47), (64, 48)), ((1, 1), (2, 2))])
def test_odd_sizes_are_made_even(tmp_path: Path, size: tuple[int, int], expected_size: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 200, np.uint8)
    with VideoWriter(tmp_path / "a.mp4", *size) as video:
        video.write(image, 0.0)
    (frame,), _ = read_frames(tmp_path / "a.mp4")
    assert frame.shape == (expected_size[1], expected_size[0], 3)
    assert frame.min() > 180  # no black line


@pytest.mark.parametrize(
    ("shape", "region"),
    [
        ((48, 64), (slice(0, 48), slice(0, 64))),
        ((96, 128), (slice(0, 48), slice(0, 64))),
        ((24, 32), (slice(0, 48), slice(0, 64))),
        ((64, 48), (slice(0, 48), slice(14, 50))),  # portrait
        ((24, 64), (slice(12, 36), slice(0, 64))),
        ((1, 500), (slice(23, 24), slice(0, 64))),
        ((500, 1), (slice(0, 48), slice(31, 32))),
    ],
)
def test_other_sizes_get_black_borders(shape: tuple[int, int], region: tuple[slice, slice]) -> None:
    out = letterbox(np.full((*shape, 3), 200, np.uint8), 64, 48)
    assert out.shape == (48, 64, 3)
    inside = np.zeros((48, 64), bool)
    inside[region] = True
    assert np.array_equal(out[..., 0] == 200, inside)
    assert np.array_equal(out[..., 0] == 0, ~inside)


def test_frames_of_many_sizes_make_one_video(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
        for i, shape in enumerate([(48, 64), (64, 48), (480, 640), (7, 9)]):
            video.write(np.full((*shape, 3), 90, np.uint8), i / 10)
    frames, _ = read_frames(tmp_path / "a.mp4")
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 4


def test_error_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"before")
    video = VideoWriter(tmp_path / "a.mp4", 64, 48)
    video.write(GRAY, 0.0)
    video.__exit__(KeyError, KeyError(), None)
    with VideoWriter(tmp_path / "a.mp4", 64, 48):
        pass  # without a frame
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / "a.mp4", 64, 48)
    video.write(GRAY, 0.0)
    video.close()
    video.close()
    video.discard()
    assert len(read_frames(tmp_path / "a.mp4")[0]) == 1


def test_unwritable_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4 cannot be written to .*choose another folder\.$"):
        VideoWriter(tmp_path / "gone" / "a.mp4", 64, 48)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delayed frames are written when the video is closed, at the latest."""
    open_container = av.open
    monkeypatch.setattr(
        av, "open", lambda path, *args, **options: open_container("/dev/full", *args, **options | {"options": {}})
    )
    (tmp_path / "a.mp4").write_bytes(b"before")
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)

    def write_noise() -> None:
        with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
            for i in range(300):
                video.write(np.roll(noise, i, 1), i / 25)

    with pytest.raises(VideoError, match="cannot be written"):
        write_noise()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


# ------------------------------------------------------------------ durations and colors


def get_stream_times(path: Path) -> dict[str, float]:
    """Return the duration of the file and the start and end of each stream in seconds, from its headers."""
    with av.open(str(path)) as container:
        out = {"file": (container.duration or 0) / av.time_base}
        for stream in container.streams:
            time_base: Any = stream.time_base
            start = float((stream.start_time or 0) * time_base)
            out |= {
                f"{stream.type} from": start,
                f"{stream.type} to": start + float((stream.duration or 0) * time_base),
            }
    return out


def copy_video(source: Path, target: Path, step: int = 1, max_frames: int = 10**9) -> VideoWriter:
    """Write every `step`-th of the first frames with the audio."""
    with VideoReader(source) as video, VideoWriter(target, video.info.width, video.info.height, source) as writer:
        for frame in video.frames():
            if frame.index >= max_frames:
                break
            if frame.index % step == 0:
                writer.write(frame.image(), frame.timestamp)
        writer.close(video.end_time)
    return writer


@pytest.mark.parametrize(("step", "audio_codec"), [(1, "aac"), (4, None)])
@pytest.mark.parametrize(
    "times",
    [
        [0.0],
        [i / 60 for i in range(90)],
        [i * 1001 / 30_000 for i in range(50)],
        [i / 24 for i in range(50)],
        [0, 0.5, 0.54, 2, 2.04, 3.3],
    ],
    ids=["single", "60", "29.97", "24", "uneven"],
)
def test_a_video_is_as_long_as_its_source(
    tmp_path: Path, times: list[float], step: int, audio_codec: str | None
) -> None:
    last = times[-1] + (times[1] - times[0] if len(times) > 2 and times[2] < 0.3 else 0.04)
    source = make_video(tmp_path / "a.mp4", times, audio_codec=audio_codec, audio_seconds=(0, last))
    copy_video(source, tmp_path / "b.mp4", step)
    source_times, target_times = get_stream_times(source), get_stream_times(tmp_path / "b.mp4")
    assert target_times.keys() == source_times.keys()
    assert target_times == pytest.approx(source_times, abs=1 / 60)


def test_last_frame_lasts_as_long_as_the_one_before(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
        for seconds in (0.0, 0.1, 0.3):
            video.write(GRAY, seconds)
    assert get_stream_times(tmp_path / "a.mp4")["video to"] == pytest.approx(0.5, abs=0.001)
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
        video.write(GRAY, 0.0)
    assert get_stream_times(tmp_path / "a.mp4")["video to"] == pytest.approx(0.04, abs=0.001)
    source = make_video(tmp_path / "b.mp4", 10)
    with VideoWriter(tmp_path / "a.mp4", 64, 48, source) as video:  # the end time of the source is close and more exact
        for seconds in (0.0, 0.16, 0.32):
            video.write(GRAY, seconds)
    assert get_stream_times(tmp_path / "a.mp4")["video to"] == pytest.approx(0.4, abs=0.001)


def test_end_time_before_the_last_frame_is_ignored(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
        video.write(GRAY, 0.0)
        video.write(GRAY, 1.0)
        video.close(0.5)
    assert get_stream_times(tmp_path / "a.mp4")["video to"] == pytest.approx(2.0, abs=0.001)


def test_colors_are_kept_and_tagged(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as video:
        video.write(draw_frame(3), 0.0)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        color_properties = context.colorspace, context.color_primaries, context.color_trc, context.color_range
        assert [int(value) for value in color_properties] == [1, 1, 1, 1]  # BT.709, values from 16 to 235
    with VideoReader(tmp_path / "a.mp4") as video:
        image = next(video.frames()).image()
    for y, x in ((4, 4), (4, 60), (40, 30)):
        assert image[y, x].tolist() == pytest.approx(draw_frame(3)[y, x].tolist(), abs=5)


# ------------------------------------------------------------------ audio


class AudioContents(NamedTuple):
    """The codec, the start and end of the tone in seconds, and the silent gaps between them."""

    codec: str
    start: float
    end: float
    gaps: list[tuple[float, float]]


def read_audio(path: Path) -> AudioContents:
    """Decode the audio like a player, which applies edit lists."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        levels: list[tuple[float, bool]] = []
        for frame in container.decode(track):
            samples = frame.to_ndarray().reshape(-1) if frame.format.is_packed else frame.to_ndarray()[0]
            step = len(samples) // frame.samples
            for offset in range(0, frame.samples, 48):
                level = float(np.abs(samples[offset * step : (offset + 48) * step]).max())
                levels.append((float(frame.pts * frame.time_base) + offset / frame.sample_rate, level > 0.1))
    times = [seconds for seconds, tone in levels if tone]
    gaps = [(a, b) for a, b in pairwise(times) if b - a > 0.02]
    return AudioContents(track.codec_context.codec.canonical_name, times[0], times[-1], gaps)


AUDIO_FORMATS = [
    ("a.mp4", "aac", "aac"),
    ("a.mkv", "aac", "aac"),
    ("a.mp4", "libmp3lame", "mp3"),
    ("a.avi", "libmp3lame", "mp3"),
    ("a.mkv", "libopus", "aac"),
    ("a.webm", "libopus", "aac"),
    ("a.mkv", "flac", "aac"),
    ("a.mov", "pcm_s16le", "aac"),
    ("a.avi", "pcm_s16le", "aac"),
    ("a.mp4", "ac3", "aac"),
]


@pytest.mark.parametrize(
    ("name", "codec", "expected_codec"),
    AUDIO_FORMATS,
    ids=[f"{audio_codec[1]}-{audio_codec[0]}" for audio_codec in AUDIO_FORMATS],
)
def test_audio_stays_in_sync(tmp_path: Path, name: str, codec: str, expected_codec: str) -> None:
    video_codec = "libvpx" if name.endswith("webm") else "libx264"
    start = 0.0 if name.endswith("avi") else 0.7
    source = make_video(tmp_path / name, 50, codec=video_codec, audio_codec=codec, audio_seconds=(start, 1.6))
    writer = copy_video(source, tmp_path / "b.mp4")
    assert writer.audio_warning is None
    contents = read_audio(tmp_path / "b.mp4")
    assert contents == (expected_codec, pytest.approx(start, abs=0.03), pytest.approx(1.6, abs=0.03), [])
    assert (contents.start, contents.end) == pytest.approx(read_audio(source)[1:3], abs=0.03)
    with VideoReader(source) as video:
        assert get_stream_times(tmp_path / "b.mp4")["video to"] == pytest.approx(video.info.duration, abs=0.01)
    data = (tmp_path / "b.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_compatible_audio_is_copied(tmp_path: Path) -> None:
    def read_packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    source = make_video(tmp_path / "a.mp4", 50, audio_codec="aac")
    copy_video(source, tmp_path / "b.mp4")
    assert read_packets(tmp_path / "b.mp4") == read_packets(source)


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_audio_before_the_first_frame_is_kept(tmp_path: Path, codec: str) -> None:
    times = [0.8 + i / 25 for i in range(25)]
    source = make_video(tmp_path / "a.mp4", times, audio_codec=codec, audio_seconds=(0.3, 1.7))
    copy_video(source, tmp_path / "b.mp4")
    # Like the source, the new video starts with its audio, half a second before its frames.
    target_times = get_stream_times(tmp_path / "b.mp4")
    assert (target_times["video from"], target_times["video to"]) == pytest.approx((0.5, 1.5), abs=0.03)
    assert read_audio(tmp_path / "b.mp4")[1:3] == pytest.approx((0.0, 1.4), abs=0.03)


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_audio_ends_with_a_shortened_video(tmp_path: Path, codec: str) -> None:
    source = make_video(tmp_path / "a.mp4", 100, audio_codec=codec)
    copy_video(source, tmp_path / "b.mp4", max_frames=25)
    target_times = get_stream_times(tmp_path / "b.mp4")
    assert target_times["video to"] == pytest.approx(1.0, abs=0.05)
    assert target_times["file"] == pytest.approx(target_times["video to"], abs=0.03)
    assert read_audio(tmp_path / "b.mp4").end == pytest.approx(target_times["video to"], abs=0.03)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "libopus"), ("a.mkv", "libmp3lame")])
def test_audio_of_a_part_stays_in_sync(tmp_path: Path, name: str, codec: str) -> None:
    source = make_video(tmp_path / name, 100, audio_codec=codec, audio_seconds=[(0, 2.5), (3, 4)])
    with VideoReader(source) as video, VideoWriter(tmp_path / "b.mp4", 64, 48, source, audio_start=1.0) as writer:
        frames = [(frame.timestamp - 1, frame.image()) for frame in video.frames() if frame.timestamp >= 1]
        for timestamp, image in frames:
            writer.write(image, timestamp)
        writer.close(video.end_time - 1)
    assert writer.audio_warning is None
    contents = read_audio(tmp_path / "b.mp4")
    assert (contents.start, contents.end) == pytest.approx((0.0, 3.0), abs=0.06)
    assert contents.gaps == [(pytest.approx(1.5, abs=0.06), pytest.approx(2.0, abs=0.06))]


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_audio_after_the_last_frame_is_kept(tmp_path: Path, codec: str) -> None:
    source = make_video(tmp_path / "a.mkv", 25, audio_codec=codec, audio_seconds=(0, 3))
    copy_video(source, tmp_path / "b.mp4")
    target_times = get_stream_times(tmp_path / "b.mp4")
    assert target_times["video to"] == pytest.approx(1.0, abs=0.01)
    assert target_times["file"] == pytest.approx(get_stream_times(source)["file"], abs=0.03)


def test_audio_and_video_are_interleaved(tmp_path: Path) -> None:
    """Otherwise a browser would have to download one stream completely before the other plays."""
    copy_video(make_video(tmp_path / "a.mp4", 100, audio_codec="aac"), tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    runs = "".join(kind[0] for kind in kinds).replace("va", "v a").replace("av", "a v").split()
    assert max(len(run) for run in runs) < 60


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_gap_in_the_audio_stays_silent(tmp_path: Path, codec: str) -> None:
    source = make_video(tmp_path / "a.mkv", 100, audio_codec=codec, audio_seconds=[(0, 1), (2, 3)])
    copy_video(source, tmp_path / "b.mp4")
    contents = read_audio(tmp_path / "b.mp4")
    assert contents.end == pytest.approx(3, abs=0.05)
    assert contents.gaps == [pytest.approx((1.0, 2.0), abs=0.08)]


def test_more_than_two_channels_become_stereo(tmp_path: Path) -> None:
    for layout, rate, expected in (("mono", 8000, (1, 16_000)), ("5.1", 96_000, (2, 48_000))):
        source = make_video(tmp_path / "a.mkv", 25, audio_codec="flac", audio_rate=rate, audio_layout=layout)
        copy_video(source, tmp_path / "b.mp4")
        with av.open(str(tmp_path / "b.mp4")) as container:
            track = container.streams.audio[0]
            assert (track.channels, track.rate) == expected
        assert read_audio(tmp_path / "b.mp4").end == pytest.approx(1.0, abs=0.03)


def damage_audio(path: Path, region: slice) -> None:
    """Overwrite these audio packets with noise."""
    with av.open(str(path)) as container:
        audio_packets = [(packet.pos or 0, bytes(packet)) for packet in container.demux(audio=0) if packet.size]
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(2)
    for offset, content in audio_packets[region]:
        offset = data.index(content, offset)
        data[offset : offset + len(content)] = rng.bytes(len(content))
    path.write_bytes(data)


@pytest.mark.parametrize("region", [slice(0, None), slice(20, 30)])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "libopus"), ("a.mkv", "flac")])
def test_damaged_audio_does_not_end_the_video(tmp_path: Path, name: str, codec: str, region: slice) -> None:
    source = make_video(tmp_path / name, 75, audio_codec=codec)
    damage_audio(source, region)
    copy_video(source, tmp_path / "b.mp4")
    frames, timestamps = read_frames(tmp_path / "b.mp4")
    assert len(frames) == 75
    assert timestamps == pytest.approx([i / 25 for i in range(75)], abs=0.001)
    if region.start and codec != "aac":
        assert read_audio(tmp_path / "b.mp4").end == pytest.approx(3.0, abs=0.05)


def test_unknown_audio_codec_is_left_out_with_a_warning(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", 10, audio_codec="ac3")
    source.write_bytes(source.read_bytes().replace(b"ac-3", b"zzzz"))
    writer = copy_video(source, tmp_path / "b.mp4")
    assert writer.audio_warning == 'The audio of "a.mp4" has an unknown codec, so the new video is silent.'
    assert len(read_frames(tmp_path / "b.mp4")[0]) == 10


def test_missing_audio_source_gives_a_silent_video(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "b.mp4", 64, 48, tmp_path / "gone.mp4") as writer:
        writer.write(GRAY, 0.0)
    assert writer.audio_warning == '"gone.mp4" was not found: check the name and the folder.'
    assert list(get_stream_times(tmp_path / "b.mp4")) == ["file", "video from", "video to"]


def test_audio_that_mp4_does_not_support_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example is a header that only the decoder rejects."""
    source = make_video(tmp_path / "a.mkv", 10, audio_codec="flac")
    monkeypatch.setattr("emotion.media.audio_track.is_browser_compatible", lambda track: True)
    monkeypatch.setattr("emotion.media.audio_track.AudioTrack.attach", raise_invalid_data)
    writer = copy_video(source, tmp_path / "b.mp4")
    assert "is damaged, so a part of the new video is silent" in str(writer.audio_warning)
    assert len(read_frames(tmp_path / "b.mp4")[0]) == 10
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.mkv", "b.mp4"]


def raise_invalid_data(*_: object) -> None:
    raise av.error.InvalidDataError(1, "no")


def test_a_discarded_video_closes_its_audio(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", 10, audio_codec="aac")
    writer = VideoWriter(tmp_path / "b.mp4", 64, 48, source)
    writer.write(GRAY, 0.0)
    writer.discard()
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
