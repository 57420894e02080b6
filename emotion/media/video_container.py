"""Open films: what FFmpeg may see of a file, its streams, and where it begins and ends; or a VideoError."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from emotion.errors import VideoError
from emotion.media.mp4_index_check import is_decompression_bomb

# Kinds of files that hold their pictures themselves. Without this list, FFmpeg takes a playlist under any name for
# a film and opens what it lists. The second list is for what such a file might still ask for.
_FORMATS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
_OPEN_OPTIONS: Final = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_FORMATS_ADVICE: Final = "choose an MP4, MOV, WebM, MKV or AVI film, or an animated GIF"
_READ_TIMEOUT_SECONDS: Final = 30.0  # seconds for one reading from the disk
_COVER_DISPOSITIONS: Final = (
    Disposition.attached_pic | Disposition.timed_thumbnails
)  # covers of music, small pictures to seek by
_MAX_SECONDS: Final = 1e6  # seconds; headers that tell of more lie

DECODE_ERRORS: Final = (FFmpegError, ValueError, MemoryError)  # what damaged films bring out of PyAV


def open_video(path: Path, name: str | None, max_side: int) -> InputContainer:
    """The file, its streams known; VideoError if it is no film of a kind that is read. `name` is what people call it,
    `max_side` the most pixels on a side of its frames."""
    label = video_display_name(name or path.name)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise video_error(label, "is a folder", "choose a film in it")
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise video_error(label, "is not a plain file", _FORMATS_ADVICE)
        with open(path, "rb") as file:
            start = file.read(512)
        if not start:
            raise video_error(label, "is empty", _FORMATS_ADVICE)
        if is_decompression_bomb(path):
            raise video_error(
                label, "claims to hold more frames than any film does, so it is damaged or made to do harm"
            )
    except FileNotFoundError as error:
        raise video_error(label, "was not found", "check the name and the folder") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise video_error(label, "cannot be opened", "check that you may read it") from error
    try:
        # Absolute, for FFmpeg takes what stands before a colon for a protocol.
        return av.open(
            str(path.absolute()),
            options=_OPEN_OPTIONS | decoder_options(max_side),
            metadata_errors="replace",
            timeout=_READ_TIMEOUT_SECONDS,
        )
    except DECODE_ERRORS as error:
        raise video_error(label, *_describe_problem(start)) from error


def video_stream(container: InputContainer, label: str) -> VideoStream:
    """The best stream of moving pictures; VideoError if there is none that can be decoded."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _COVER_DISPOSITIONS]
    readable = [stream for stream in streams if stream.codec_context is not None]
    if not container.streams:
        raise video_error(label, "holds neither pictures nor sound, so it is damaged or cut off", "copy it anew")
    if not readable:
        held = "pictures of an unknown kind" if streams else "sound only" if container.streams.audio else "no pictures"
        raise video_error(label, f"holds {held}", _FORMATS_ADVICE)
    best = container.streams.best("video")
    return next((stream for stream in readable if stream is best), readable[0])


def start_time(container: InputContainer, stream: VideoStream) -> float | None:
    """The time stamp, in seconds, where a player begins; None if the file does not tell."""
    begins = to_seconds(stream.start_time, stream)
    if begins is None:
        return None
    sounds = (to_seconds(sound.start_time, sound) for sound in container.streams.audio[:1])
    # Sound that is stamped below 0 is a run-up that nobody hears.
    return min([begins, *(max(0.0, sound) for sound in sounds if sound is not None)])


def video_end_time(container: InputContainer, stream: VideoStream) -> float | None:
    """The second of the film, as the file tells, at which the last frame is over; None if it does not tell."""
    start, length = start_time(container, stream), _stream_duration(stream)
    if length is not None:
        end = (to_seconds(stream.start_time, stream) or 0.0) + length - (start or 0.0)
    elif container.duration is not None:
        end = container.duration / av.time_base
    else:
        return None
    return end if 0 < end < _MAX_SECONDS else None


def decoder_options(max_side: int) -> dict[str, str]:
    """Options for decoders: FFmpeg allots memory by what is written in a frame before anybody else sees it, and some
    of them add margins."""
    return {"max_pixels": str((max_side + 256) ** 2)}


def discard_other_streams(stream: Stream) -> None:
    """Read nothing else of its film from the disk."""
    for other in stream.container.streams:
        if other is not stream:
            other.discard = Discard.all


def to_seconds(timestamp: int | None, stream: Stream) -> float | None:
    """A time stamp of that stream, None where there is none."""
    return None if timestamp is None or not stream.time_base else float(timestamp * stream.time_base)


def video_display_name(name: str) -> str:
    """What messages call a film: its base name in quotes, without control characters, at most 60 long."""
    text = "".join(c for c in re.split(r"[/\\]", name)[-1] if c.isprintable()).strip()
    text = text if len(text) <= 60 else f"{text[:44]}…{text[-15:]}"
    return f'"{text}"' if text else "The film"


def video_error(label: str, problem: str, advice: str = "save it anew as MP4 and use that") -> VideoError:
    """The sentence of all refusals: what came, and what to do."""
    return VideoError(f"{label} {problem}: {advice}.")


def _describe_problem(header: bytes) -> tuple[str, str]:
    """What a file is that begins like this and cannot be opened as a film, and what to do."""
    if header[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "is damaged or cut off, for the part that says where its pictures are is missing", "copy it anew"
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return "is a WebP image, which is not read as a video", "open it as a photo, which shows its first frame"
    if header[:4] in (b"\x1aE\xdf\xa3", b"RIFF", b"GIF8"):
        return "is damaged or cut off", "copy it anew"
    text = header.decode(errors="replace")[:-1]  # the last character may have been cut in two
    if all((c.isprintable() and c != "\ufffd") or c.isspace() for c in text):
        return "is plain text, a playlist perhaps, and no film", _FORMATS_ADVICE
    return "is not a film of a kind that can be read", _FORMATS_ADVICE


def _stream_duration(stream: VideoStream) -> float | None:
    """Seconds from the first frame to the end of the last, None where the file does not tell."""
    told = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", ""))  # as Matroska does
    if told is not None:
        return int(told[1]) * 3600 + int(told[2]) * 60 + float(told[3]) - (to_seconds(stream.start_time, stream) or 0.0)
    return to_seconds(stream.duration, stream)
