"""The errors that a person can fix, as one tree of exceptions.

    EmotionError
    ├── ImageError          an image cannot be read or exceeds a limit
    ├── VideoError          a video cannot be read or written, or exceeds a limit
    ├── ModelError          a model folder is missing, damaged or does not fit this program
    ├── DataError           a data set cannot be read or is inconsistent
    ├── SettingsError       a setting is out of its range or of a wrong type
    ├── DivergenceError     the loss of a training is not finite
    ├── JobError            a job cannot be started, found or stopped
    └── ResultFolderError   a result cannot be written to its folder

Each message is one sentence: what came, what was expected, what to do. An exception that is not an `EmotionError` is a
defect of the program and is not caught.
"""

from __future__ import annotations


class EmotionError(Exception):
    """Base class of the errors that a person can fix; `str(error)` can be displayed."""


class ImageError(EmotionError):
    """An image cannot be read or exceeds a limit."""


class VideoError(EmotionError):
    """A video cannot be read or written, or exceeds a limit."""


class ModelError(EmotionError):
    """A model folder is missing, damaged or does not fit this program."""


class DataError(EmotionError):
    """A data set cannot be read or is inconsistent."""


class SettingsError(EmotionError):
    """A setting is out of its range, of a wrong type, or names a head or label that the model does not have."""


class DivergenceError(EmotionError):
    """The loss of a training is not finite; the best weights so far are kept."""


class JobError(EmotionError):
    """A job cannot be started, found or stopped."""


class ResultFolderError(EmotionError):
    """A result cannot be written to its folder."""
