"""Building blocks of the commands: typed options, value types, and hints for names that have changed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

EXIT_ERROR: Final = 1  # a problem that a person can fix; 2 is a usage error
EXIT_INTERRUPTED: Final = 130  # as shells report a process that Ctrl+C ended

RENAMED_COMMANDS: Final = {
    "train": "classifier train",
    "evaluate": "classifier evaluate",
    "shrink": "classifier quantize",
    "networks": "classifier list",
    "prepare": "dataset build",
    "use": "models install",
    "remove-model": "models remove",
    "fetch-yunet": "models download-yunet",
    "train-detector": "detector train",
    "evaluate-detector": "detector evaluate",
    "measure-crops": "detector calibrate --crops",
    "measure-confirmation": "detector calibrate --fusion",
    "train-gan": "generator train",
    "generate": "generator sample",
    "evaluate-gan": "generator evaluate",
    "gan-benefit": "generator study",
    "redraw-video": "video redraw",
    "bench": "benchmark",
}

# Each with all its successors; a command names the one that it has.
RENAMED_OPTIONS: Final = {
    "--unsure": ("--min-confidence",),
    "--detection": ("--detection-threshold",),
    "--side": ("--max-side",),
    "--blur": ("--anonymize",),
    "--every": ("--frame-stride",),
    "--film": ("--as-video",),
    "--no-video": ("--no-annotated-video",),
    "--votes": ("--ferplus-csv",),
    "--not-faces": ("--negatives",),
    "--optimiser": ("--optimizer",),
    "--schedule": ("--lr-schedule",),
    "--patience": ("--early-stopping",),
    "--batch": ("--batch-size",),
    "--teachers": ("--teacher",),
    "--teaching": ("--distillation-weight",),
    "--teacher": ("--guidance-classifier",),
    "--teacher-weight": ("--guidance-weight",),
    "--finish": ("--export-only",),
    "--wait": ("--queue",),
    "--answers": ("--save-predictions",),
    "--stress": ("--robustness",),
    "--pipeline": ("--end-to-end",),
    "--detectors": ("--detector",),
    "--keep": ("--save",),
    "--judge": ("--feature-classifier",),
    "--filter": ("--filter-classifier",),
    "--into": ("--add-to-dataset",),
    "--rare": ("--target-class",),
    "--times": ("--ratio",),
    "--several": ("--multi-face",),
    "--whole": ("--pre-cropped",),
    "--least": ("--min-face", "--min-prob"),
    "--split": ("--split-ratios",),
    "--start": ("--init-from",),
    "--landmarks": ("--landmarks-only",),
    "--only": ("--no-baselines",),
    "--held-out": ("--validation",),
    "--faces": ("--num-faces",),
}

Options = TypeVar("Options")


class Interrupted(Exception):
    """A command was stopped before its end; its text is a sentence on what is kept."""


class StudioCommand(click.Command):
    """A command that names the successor of a renamed option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse `args`; a usage error for a renamed option contains its present name."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            existing = {name for parameter in self.params for name in parameter.opts}
            successors = [name for name in RENAMED_OPTIONS.get(error.option_name, ()) if name in existing]
            if not successors:
                raise
            raise click.UsageError(f"There is no option {error.option_name}; use {successors[0]}.", ctx) from error


class StudioGroup(click.Group):
    """A group of `StudioCommand`s that names the successor of a renamed command."""

    command_class = StudioCommand

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a usage error for a renamed one contains its present name."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            successor = RENAMED_COMMANDS.get(error.command_name) if ctx.parent is None else None
            if successor is None:
                raise
            raise click.UsageError(f"There is no command {error.command_name}; use emotion {successor}.", ctx) from None


StudioGroup.group_class = StudioGroup


def with_options(
    options_class: Callable[..., Options],
) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Pass the values of a command as one object of a dataclass whose fields are its parameters."""

    def decorate(run: Callable[[Options], None]) -> Callable[..., None]:
        @functools.wraps(run)
        def call(**values: Any) -> None:
            run(options_class(**values))

        return call

    return decorate


class _Fraction(click.ParamType):
    """A number from 0 to 1; unlike `click.FloatRange` it refuses nan."""

    name = "fraction"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = click.FLOAT.convert(value, param, ctx)
        if not 0 <= number <= 1:
            self.fail(f"{value} is not between 0 and 1.", param, ctx)
        return number


class _Time(click.ParamType):
    """A time of a video as seconds, "75.5", or as minutes or hours and seconds, "1:15.5"."""

    name = "time"
    _PATTERN: Final = re.compile(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,3}):)?([0-9]{1,6}(?:\.[0-9]+)?)")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = self._PATTERN.fullmatch(str(value))
        if match is None:
            self.fail(f"{value} is no time; give seconds, as 75, or minutes and seconds, as 1:15.", param, ctx)
        hours, minutes, seconds = match.groups(default="0")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


FRACTION: Final = _Fraction()
TIME: Final = _Time()
POSITIVE: Final = click.IntRange(min=1)

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
save_option: Final = click.option("--save", is_flag=True, help="Write the result into the model's report and card.")
ferplus_option: Final = click.option("--ferplus-csv", type=click.Path(), help="fer2013new.csv, the FER+ votes.")
