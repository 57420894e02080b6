"""What the commands print: any character can be printed, and errors of standard output differ from those of files."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final, TextIO, cast

_ERROR_HANDLER: Final = "escaped as in JSON"
_METRIC_WIDTH: Final = 40  # characters of a metric's name, so that the values are aligned


class OutputError(OSError):
    """Standard output cannot be written, such as on a full disk; a closed pipe is a `BrokenPipeError` instead."""


class _GuardedStdout:
    """A stream whose errors are `OutputError`s."""

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
    """Flush standard output at the end of the block.

    Raises:
        OutputError: It cannot be written.
        BrokenPipeError: The reading side of the pipe is closed.
    """
    stream: TextIO | None = sys.stdout
    if stream is None:  # closed by the parent process
        yield
        return
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_ERROR_HANDLER)  # not every encoding has all characters of file names
    with redirect_stdout(cast(TextIO, _GuardedStdout(stream))):
        yield
        sys.stdout.flush()


def _escape_as_json(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding lacks by a JSON escape such as "\\u00e9", which is valid within JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def print_result(value: object, text: str | Callable[[], str], *, as_json: bool) -> None:
    """Print `value` as indented JSON, or else `text` (a function where a table is slow to make)."""
    message = json.dumps(value, indent=1) if as_json else text() if callable(text) else text
    if message:
        print(message, flush=True)


def print_progress(message: str) -> None:
    """Print a line about the progress on standard error."""
    print(f"emotion: {message}", file=sys.stderr)


def format_metrics(metrics: Mapping[str, Any], prefix: str = "") -> str:
    """One line for each number of nested metrics: `validation.fer2013.accuracy  0.7012`."""
    lines = []
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            lines.append(format_metrics(value, f"{prefix}{name}."))
        elif isinstance(value, int | float | str):
            lines.append(f"{prefix}{name:<{max(1, _METRIC_WIDTH - len(prefix))}} {value}")
    return "\n".join(filter(None, lines))


codecs.register_error(_ERROR_HANDLER, _escape_as_json)
