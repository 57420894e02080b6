"""Standard output as the commands write to it: every character fits in, and its errors are told from those of files."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final, TextIO, cast

_ERROR_HANDLER: Final = "escaped as in JSON"


class OutputError(OSError):
    """Standard output cannot be written, as where its disk is full; who reads it may leave, that is none."""


class _GuardedStdout:
    """`stream`, whose errors are each an `OutputError`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _raise_output_errors():
            return self._stream.write(text)

    def flush(self) -> None:
        with _raise_output_errors():
            self._stream.flush()


@contextmanager
def _raise_output_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.errno, error.strerror) from error


@contextmanager
def guard_stdout() -> Iterator[None]:
    """All that is printed within gets to standard output, at the latest at the end; otherwise raises `OutputError`,
    or `BrokenPipeError` where nobody reads it any more."""
    stream: TextIO | None = sys.stdout
    if stream is None:  # closed by who started this: nothing shall be said
        yield
        return
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_ERROR_HANDLER)  # names of files have characters that not every encoding has
    with redirect_stdout(cast(TextIO, _GuardedStdout(stream))):
        yield
        sys.stdout.flush()


def _escape_as_json(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks as "\\u00e9", which can be read in a sentence and is right within JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_ERROR_HANDLER, _escape_as_json)
