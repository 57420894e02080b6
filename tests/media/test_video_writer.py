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
from tests.media.videos import make_film, picture

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
def test_timestamps_are_kept(tmp_path: Path, times: list[float]) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
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


def test_timestamps_always_increase(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
        for seconds in (1.0, 1.0, 0.2, 1.04):
            film.write(GREY, seconds)
    seen = read(tmp_path / "a.mp4")[1]
    assert len(seen) == 4
    assert all(a < b for a, b in pairwise(seen))
    assert seen[-1] == pytest.approx(1.04, abs=1e-4)


def test_index_is_at_the_start_of_the_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
        film.write(GREY, 0.0)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize(("size", "even"), [((64, 48), (64, 48)), ((63, 47), (64, 48)), ((1, 1), (2, 2))])
def test_odd_sizes_are_made_even(tmp_path: Path, size: tuple[int, int], even: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 200, np.uint8)
    with VideoWriter(tmp_path / "a.mp4", *size) as film:
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
def test_other_sizes_get_black_borders(shape: tuple[int, int], part: tuple[slice, slice]) -> None:
    out = letterbox(np.full((*shape, 3), 200, np.uint8), 64, 48)
    assert out.shape == (48, 64, 3)
    inside = np.zeros((48, 64), bool)
    inside[part] = True
    assert np.array_equal(out[..., 0] == 200, inside)
    assert np.array_equal(out[..., 0] == 0, ~inside)


def test_frames_of_many_sizes_make_one_video(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
        for i, shape in enumerate([(48, 64), (64, 48), (480, 640), (7, 9)]):
            film.write(np.full((*shape, 3), 90, np.uint8), i / 10)
    pictures, _ = read(tmp_path / "a.mp4")
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * 4


def test_error_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"before")
    film = VideoWriter(tmp_path / "a.mp4", 64, 48)
    film.write(GREY, 0.0)
    film.__exit__(KeyError, KeyError(), None)
    with VideoWriter(tmp_path / "a.mp4", 64, 48):
        pass  # no frame
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    film = VideoWriter(tmp_path / "a.mp4", 64, 48)
    film.write(GREY, 0.0)
    film.close()
    film.close()
    film.discard()
    assert len(read(tmp_path / "a.mp4")[0]) == 1


def test_unwritable_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4 cannot be written to .*choose another folder\.$"):
        VideoWriter(tmp_path / "gone" / "a.mp4", 64, 48)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the encoder holds back is written at the end at the latest, and fails then."""
    opened = av.open
    monkeypatch.setattr(av, "open", lambda path, *args, **more: opened("/dev/full", *args, **more | {"options": {}}))
    (tmp_path / "a.mp4").write_bytes(b"before")
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)

    def film() -> None:
        with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
            for i in range(300):
                film.write(np.roll(noise, i, 1), i / 25)

    with pytest.raises(VideoError, match="cannot be written"):
        film()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


# ------------------------------------------------------------------ how long, and in which colours


def lengths(path: Path) -> dict[str, float]:
    """Seconds of the whole film, and at which its pictures and its sound begin and end, as its headers tell."""
    with av.open(str(path)) as container:
        out = {"whole": (container.duration or 0) / av.time_base}
        for stream in container.streams:
            base: Any = stream.time_base
            begin = float((stream.start_time or 0) * base)
            out |= {f"{stream.type} from": begin, f"{stream.type} to": begin + float((stream.duration or 0) * base)}
    return out


def copy(source: Path, target: Path, every: int = 1, most: int = 10**9) -> VideoWriter:
    """Write every n-th of the film's first frames, with its sound."""
    with VideoReader(source) as film, VideoWriter(target, film.info.width, film.info.height, source) as writer:
        for frame in film.frames():
            if frame.index >= most:
                break
            if frame.index % every == 0:
                writer.write(frame.image(), frame.timestamp)
        writer.close(film.end_time)
    return writer


@pytest.mark.parametrize("sound", [None, "aac"])
@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize(
    "times",
    [
        [0.0],
        [i / 60 for i in range(90)],
        [i * 1001 / 30_000 for i in range(50)],
        [i / 24 for i in range(50)],
        [0, 0.5, 0.54, 2, 2.04, 3.3],
    ],
    ids=["one", "60", "29.97", "24", "uneven"],
)
def test_a_video_is_as_long_as_its_source(tmp_path: Path, times: list[float], every: int, sound: str | None) -> None:
    last = times[-1] + (times[1] - times[0] if len(times) > 2 and times[2] < 0.3 else 0.04)
    source = make_film(tmp_path / "a.mp4", times, sound=sound, sound_seconds=(0, last))
    copy(source, tmp_path / "b.mp4", every)
    before, after = lengths(source), lengths(tmp_path / "b.mp4")
    assert after.keys() == before.keys()
    assert after == pytest.approx(before, abs=1 / 60)


def test_last_frame_lasts_as_long_as_the_one_before(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
        for seconds in (0.0, 0.1, 0.3):
            film.write(GREY, seconds)
    assert lengths(tmp_path / "a.mp4")["video to"] == pytest.approx(0.5, abs=0.001)
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
        film.write(GREY, 0.0)
    assert lengths(tmp_path / "a.mp4")["video to"] == pytest.approx(0.04, abs=0.001)
    source = make_film(tmp_path / "b.mp4", 10)
    with VideoWriter(tmp_path / "a.mp4", 64, 48, source) as film:  # the end that the source tells is near, and better
        for seconds in (0.0, 0.16, 0.32):
            film.write(GREY, seconds)
    assert lengths(tmp_path / "a.mp4")["video to"] == pytest.approx(0.4, abs=0.001)


def test_end_time_before_the_last_frame_is_ignored(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
        film.write(GREY, 0.0)
        film.write(GREY, 1.0)
        film.close(0.5)
    assert lengths(tmp_path / "a.mp4")["video to"] == pytest.approx(2.0, abs=0.001)


def test_colors_are_kept_and_tagged(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48) as film:
        film.write(picture(3), 0.0)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        told = context.colorspace, context.color_primaries, context.color_trc, context.color_range
        assert [int(value) for value in told] == [1, 1, 1, 1]  # BT.709, values from 16 to 235
    with VideoReader(tmp_path / "a.mp4") as film:
        image = next(film.frames()).image()
    for y, x in ((4, 4), (4, 60), (40, 30)):
        assert image[y, x].tolist() == pytest.approx(picture(3)[y, x].tolist(), abs=5)


# ------------------------------------------------------------------ sound


class Heard(NamedTuple):
    """What a film lets hear: its codec, at which second the tone begins and ends, and where it is silent between."""

    codec: str
    begin: float
    end: float
    holes: list[tuple[float, float]]


def heard(path: Path) -> Heard:
    """As a player would: what is cut off by an edit list is not heard."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        loud: list[tuple[float, bool]] = []
        for frame in container.decode(track):
            samples = frame.to_ndarray().reshape(-1) if frame.format.is_packed else frame.to_ndarray()[0]
            step = len(samples) // frame.samples
            for at in range(0, frame.samples, 48):
                level = float(np.abs(samples[at * step : (at + 48) * step]).max())
                loud.append((float(frame.pts * frame.time_base) + at / frame.sample_rate, level > 0.1))
    times = [seconds for seconds, tone in loud if tone]
    holes = [(a, b) for a, b in pairwise(times) if b - a > 0.02]
    return Heard(track.codec_context.codec.canonical_name, times[0], times[-1], holes)


SOUNDS = [
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


@pytest.mark.parametrize(("name", "codec", "kept"), SOUNDS, ids=[f"{sound[1]}-{sound[0]}" for sound in SOUNDS])
def test_audio_stays_in_sync(tmp_path: Path, name: str, codec: str, kept: str) -> None:
    pictures = "libvpx" if name.endswith("webm") else "libx264"
    start = 0.0 if name.endswith("avi") else 0.7
    source = make_film(tmp_path / name, 50, codec=pictures, sound=codec, sound_seconds=(start, 1.6))
    writer = copy(source, tmp_path / "b.mp4")
    assert writer.audio_warning is None
    came = heard(tmp_path / "b.mp4")
    assert came == (kept, pytest.approx(start, abs=0.03), pytest.approx(1.6, abs=0.03), [])
    assert (came.begin, came.end) == pytest.approx(heard(source)[1:3], abs=0.03)
    with VideoReader(source) as film:
        assert lengths(tmp_path / "b.mp4")["video to"] == pytest.approx(film.info.duration, abs=0.01)
    data = (tmp_path / "b.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_compatible_audio_is_copied(tmp_path: Path) -> None:
    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    source = make_film(tmp_path / "a.mp4", 50, sound="aac")
    copy(source, tmp_path / "b.mp4")
    assert packets(tmp_path / "b.mp4") == packets(source)


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_audio_before_the_first_frame_is_kept(tmp_path: Path, codec: str) -> None:
    times = [0.8 + i / 25 for i in range(25)]
    source = make_film(tmp_path / "a.mp4", times, sound=codec, sound_seconds=(0.3, 1.7))
    copy(source, tmp_path / "b.mp4")
    # The film begins with its sound: so does the new one, by half a second before the pictures.
    after = lengths(tmp_path / "b.mp4")
    assert (after["video from"], after["video to"]) == pytest.approx((0.5, 1.5), abs=0.03)
    assert heard(tmp_path / "b.mp4")[1:3] == pytest.approx((0.0, 1.4), abs=0.03)


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_audio_ends_with_a_shortened_video(tmp_path: Path, codec: str) -> None:
    source = make_film(tmp_path / "a.mp4", 100, sound=codec)
    copy(source, tmp_path / "b.mp4", most=25)
    after = lengths(tmp_path / "b.mp4")
    assert after["video to"] == pytest.approx(1.0, abs=0.05)
    assert after["whole"] == pytest.approx(after["video to"], abs=0.03)
    assert heard(tmp_path / "b.mp4").end == pytest.approx(after["video to"], abs=0.03)


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_audio_after_the_last_frame_is_kept(tmp_path: Path, codec: str) -> None:
    source = make_film(tmp_path / "a.mkv", 25, sound=codec, sound_seconds=(0, 3))
    copy(source, tmp_path / "b.mp4")
    after = lengths(tmp_path / "b.mp4")
    assert after["video to"] == pytest.approx(1.0, abs=0.01)
    assert after["whole"] == pytest.approx(lengths(source)["whole"], abs=0.03)


def test_audio_and_video_are_interleaved(tmp_path: Path) -> None:
    """Or a browser would have to fetch all of one before the other plays."""
    copy(make_film(tmp_path / "a.mp4", 250, sound="aac"), tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    runs = "".join(kind[0] for kind in kinds).replace("va", "v a").replace("av", "a v").split()
    assert max(len(run) for run in runs) < 60


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_gap_in_the_audio_stays_silent(tmp_path: Path, codec: str) -> None:
    source = make_film(tmp_path / "a.mkv", 100, sound=codec, sound_seconds=[(0, 1), (2, 3)])
    copy(source, tmp_path / "b.mp4")
    came = heard(tmp_path / "b.mp4")
    assert came.end == pytest.approx(3, abs=0.05)
    assert came.holes == [pytest.approx((1.0, 2.0), abs=0.08)]


def test_more_than_two_channels_become_stereo(tmp_path: Path) -> None:
    for layout, rate, expected in (("mono", 8000, (1, 16_000)), ("5.1", 96_000, (2, 48_000))):
        source = make_film(tmp_path / "a.mkv", 25, sound="flac", sound_rate=rate, sound_layout=layout)
        copy(source, tmp_path / "b.mp4")
        with av.open(str(tmp_path / "b.mp4")) as container:
            track = container.streams.audio[0]
            assert (track.channels, track.rate) == expected
        assert heard(tmp_path / "b.mp4").end == pytest.approx(1.0, abs=0.03)


def spoil_sound(path: Path, part: slice) -> None:
    """Noise in these packets of the sound."""
    with av.open(str(path)) as container:
        packets = [(packet.pos or 0, bytes(packet)) for packet in container.demux(audio=0) if packet.size]
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(2)
    for at, content in packets[part]:
        at = data.index(content, at)
        data[at : at + len(content)] = rng.bytes(len(content))
    path.write_bytes(data)


@pytest.mark.parametrize("part", [slice(0, None), slice(20, 30)])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "libopus"), ("a.mkv", "flac")])
def test_damaged_audio_does_not_end_the_video(tmp_path: Path, name: str, codec: str, part: slice) -> None:
    source = make_film(tmp_path / name, 75, sound=codec)
    spoil_sound(source, part)
    copy(source, tmp_path / "b.mp4")
    pictures, seen = read(tmp_path / "b.mp4")
    assert len(pictures) == 75
    assert seen == pytest.approx([i / 25 for i in range(75)], abs=0.001)
    if part.start and codec != "aac":
        assert heard(tmp_path / "b.mp4").end == pytest.approx(3.0, abs=0.05)


def test_unknown_audio_codec_is_left_out_with_a_warning(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mp4", 10, sound="ac3")
    source.write_bytes(source.read_bytes().replace(b"ac-3", b"zzzz"))
    writer = copy(source, tmp_path / "b.mp4")
    assert writer.audio_warning == 'The audio of "a.mp4" has an unknown codec, so the new video is silent.'
    assert len(read(tmp_path / "b.mp4")[0]) == 10


def test_missing_audio_source_gives_a_silent_video(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "b.mp4", 64, 48, tmp_path / "gone.mp4") as writer:
        writer.write(GREY, 0.0)
    assert writer.audio_warning == '"gone.mp4" was not found: check the name and the folder.'
    assert list(lengths(tmp_path / "b.mp4")) == ["whole", "video from", "video to"]


def test_audio_that_mp4_does_not_support_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a header that only its decoder finds wrong."""
    source = make_film(tmp_path / "a.mkv", 10, sound="flac")
    monkeypatch.setattr("emotion.media.audio_track._is_browser_compatible", lambda track: True)
    monkeypatch.setattr("emotion.media.audio_track.AudioTrack.attach", refuse)
    writer = copy(source, tmp_path / "b.mp4")
    assert "is damaged, so a part of the new video is silent" in str(writer.audio_warning)
    assert len(read(tmp_path / "b.mp4")[0]) == 10
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.mkv", "b.mp4"]


def refuse(*_: object) -> None:
    raise av.error.InvalidDataError(1, "no")


def test_a_discarded_video_closes_its_audio(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mp4", 10, sound="aac")
    writer = VideoWriter(tmp_path / "b.mp4", 64, 48, source)
    writer.write(GREY, 0.0)
    writer.discard()
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
