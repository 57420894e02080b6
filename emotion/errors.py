"""What a person can fix.

    EmotionError
    ├── ImageError     a picture cannot be read or is over a limit
    ├── VideoError     a film cannot be read or written, or is over a limit
    ├── ModelError     a model folder is missing, damaged or does not fit this program
    ├── DataError      a data set cannot be read or does not make sense
    ├── SettingsError  a setting is out of its range or of a wrong type
    ├── Diverged       a training's loss is no longer a number
    ├── JobError       a long task cannot be started, found or stopped
    └── ResultFolderError   a result cannot go where it was asked to go

The message of every one of them is one sentence for a person: what came, what was expected, what to do.
Everything that is not an `EmotionError` is a defect of the program and fails loudly.
"""

from __future__ import annotations


class EmotionError(Exception):
    """Base of all errors that a person can fix; `str(error)` is fit to be shown."""


class ImageError(EmotionError):
    """A picture cannot be read or is over a limit."""


class VideoError(EmotionError):
    """A film cannot be read or written, or is over a limit."""


class ModelError(EmotionError):
    """A model folder is missing, damaged or does not fit this program."""


class DataError(EmotionError):
    """A data set cannot be read or does not make sense."""


class SettingsError(EmotionError):
    """A setting is out of its range, of a wrong type, or names what the model does not have."""


class DivergenceError(EmotionError):
    """A training's loss is no longer a number; what it learned before is kept."""


class JobError(EmotionError):
    """A long task cannot be started, found or stopped."""


class ResultFolderError(EmotionError):
    """A result cannot go where it was asked to go."""
