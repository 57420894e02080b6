"""Open video files: the formats that FFmpeg may see, the streams, and where a video begins and ends."""

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
from emotion.media.containers.mp4_index_check import is_decompression_bomb
from emotion.media.messages import display_name, is_plain_text
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

# Formats that contain their frames. Without this list, FFmpeg takes a playlist under any name for a video and opens
# the files that it lists. The protocol list covers what an allowed file might still refer to.
_FORMATS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
_OPEN_OPTIONS: Final = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_FORMATS_ADVICE: Final = gettext_noop("choose an MP4, MOV, WebM, MKV or AVI video, or an animated GIF")
_UNNAMED_VIDEO: Final = gettext_noop("The video")
_HEADER_BYTES: Final = 512  # read to tell what a file is that FFmpeg cannot open
_READ_TIMEOUT_SECONDS: Final = 30.0  # for one read from the disk
# Cover images of audio files, and thumbnails for seeking.
_COVER_DISPOSITIONS: Final = Disposition.attached_pic | Disposition.timed_thumbnails
_MAX_SECONDS: Final = 1e6  # headers that state a longer duration are wrong
_DECODER_MARGIN_PX: Final = 256  # some decoders add padding to the frame size

DECODE_ERRORS: Final = (FFmpegError, ValueError, MemoryError)  # what PyAV raises for damaged videos


def open_video(path: Path, name: str | None, max_side: int) -> InputContainer:
    """Open a video file.

    Args:
        path: The file.
        name: What messages call it, None: its file name.
        max_side: The most pixels on a side of its frames.

    Raises:
        VideoError: The file is missing, unreadable or no video of a supported format.
    """
    label = video_display_name(name or path.name)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise video_error(label, _("is a folder"), _("choose a video in it"))
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise video_error(label, _("is not a regular file"), _(_FORMATS_ADVICE))
        with open(path, "rb") as file:
            header = file.read(_HEADER_BYTES)
        if not header:
            raise video_error(label, _("is empty"), _(_FORMATS_ADVICE))
        if is_decompression_bomb(path):
            problem = _("claims to hold more frames than any video does, so it is damaged or malicious")
            raise video_error(label, problem)
    except FileNotFoundError as error:
        raise video_error(label, _("was not found"), _("check the name and the folder")) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise video_error(label, _("cannot be opened"), _("check that you may read it")) from error
    try:
        # An absolute path, because FFmpeg takes what stands before a colon for a protocol.
        return av.open(
            str(path.absolute()),
            options=_OPEN_OPTIONS | decoder_options(max_side),
            metadata_errors="replace",
            timeout=_READ_TIMEOUT_SECONDS,
        )
    except DECODE_ERRORS as error:
        raise video_error(label, *_describe_problem(header)) from error


def video_stream(container: InputContainer, label: str) -> VideoStream:
    """Return the best video stream; VideoError if there is none that can be decoded."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _COVER_DISPOSITIONS]
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not container.streams:
        problem = _("holds neither video nor audio, so it is damaged or cut off")
        raise video_error(label, problem, _("copy it again"))
    if not decodable:
        problem = _("holds audio only") if container.streams.audio else _("holds no video")
        if streams:
            problem = _("holds video of an unknown codec")
        raise video_error(label, problem, _(_FORMATS_ADVICE))
    best = container.streams.best("video")
    return next((stream for stream in decodable if stream is best), decodable[0])


def start_time(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the timestamp in seconds at which a player begins, None if the file does not state it."""
    video_start = to_seconds(stream.start_time, stream)
    if video_start is None:
        return None
    audio_starts = (to_seconds(audio.start_time, audio) for audio in container.streams.audio[:1])
    # Audio before timestamp 0 is encoder priming, which players skip.
    return min([video_start, *(max(0.0, start) for start in audio_starts if start is not None)])


def video_end_time(container: InputContainer, stream: VideoStream) -> float | None:
    """Return when the last frame ends, in seconds since `start_time`, None if the file does not state it."""
    start, duration = start_time(container, stream), _stream_duration(stream)
    if duration is not None:
        end = (to_seconds(stream.start_time, stream) or 0.0) + duration - (start or 0.0)
    elif container.duration is not None:
        end = container.duration / av.time_base
    else:
        return None
    return end if 0 < end < _MAX_SECONDS else None


def decoder_options(max_side: int) -> dict[str, str]:
    """Return decoder options that bound the memory that FFmpeg allocates by the size written in a frame."""
    return {"max_pixels": str((max_side + _DECODER_MARGIN_PX) ** 2)}


def discard_other_streams(stream: Stream) -> None:
    """Read no other stream of its file from the disk."""
    for other in stream.container.streams:
        if other is not stream:
            other.discard = Discard.all


def to_seconds(timestamp: int | None, stream: Stream) -> float | None:
    """Convert a timestamp of that stream to seconds, None where there is none."""
    return None if timestamp is None or not stream.time_base else float(timestamp * stream.time_base)


def video_display_name(name: str) -> str:
    """Return what messages call a video, see `messages.display_name`."""
    return display_name(name, _(_UNNAMED_VIDEO))


def video_error(label: str, problem: str, advice: str = "") -> VideoError:
    """Make the error of one sentence: which video, its problem, and what to do, by default to convert it."""
    # Translators: the name of a file, its problem, and what to do.
    text = _("{subject} {problem}: {advice}.")
    return VideoError(text.format(subject=label, problem=problem, advice=advice or _("save it as MP4 and use that")))


def _describe_problem(header: bytes) -> tuple[str, str]:
    """Return the problem of a file that FFmpeg cannot open, by its first bytes, and what to do."""
    if header[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _("is damaged or cut off, because its index is missing"), _("copy it again")
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        problem = _("is a WebP image, which is not read as a video")
        return problem, _("open it as a photo, which shows its first frame")
    if header[:4] in (b"\x1aE\xdf\xa3", b"RIFF", b"GIF8"):
        return _("is damaged or cut off"), _("copy it again")
    if is_plain_text(header):
        return _("is plain text, perhaps a playlist, and not a video"), _(_FORMATS_ADVICE)
    return _("is not a video of a supported format"), _(_FORMATS_ADVICE)


def _stream_duration(stream: VideoStream) -> float | None:
    """Return the seconds from the first frame to the end of the last, None where the file does not state it."""
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", ""))  # Matroska
    if tag is not None:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - (to_seconds(stream.start_time, stream) or 0.0)
    return to_seconds(stream.duration, stream)
