"""The command `emotion`. Every subcommand imports only what it needs, so that each of them starts quickly.

Exit codes: 0 done, 1 a problem that a person can fix (one sentence on standard error), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import shell_complete

from emotion.cli.click_extensions import EXIT_ERROR, EXIT_INTERRUPTED, Interrupted, StudioGroup
from emotion.cli.commands.analyze import analyze
from emotion.cli.commands.app import app
from emotion.cli.commands.archive import analyze_archive
from emotion.cli.commands.benchmark import benchmark
from emotion.cli.commands.classifiers.group import classifier
from emotion.cli.commands.classifiers.sweep import sweep
from emotion.cli.commands.datasets import dataset
from emotion.cli.commands.detector import detector
from emotion.cli.commands.features import features
from emotion.cli.commands.generator import generator
from emotion.cli.commands.models import models, runs
from emotion.cli.commands.video import video
from emotion.cli.output import OutputError, guard_stdout
from emotion.environment import VERSION, set_workspace
from emotion.errors import EmotionError
from emotion.storage import DISK_FULL_MESSAGE, is_disk_full

_PROGRAM = "emotion"
_COMPLETION_VAR = "_EMOTION_COMPLETE"  # as click names it: _EMOTION_COMPLETE=bash_source emotion


@click.group(
    cls=StudioGroup,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="Exit codes: 0 done, 1 a problem that you can fix, 2 wrong usage, 130 interrupted.",
)
@click.option(
    "--workspace",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of runs, data and installed models (default: EMOTION_WORKSPACE, else the checkout, else the user's "
    "data folder).",
)
@click.version_option(VERSION, prog_name="Emotion Studio", message="%(prog)s %(version)s")
def cli(workspace: Path | None) -> None:
    """Read facial expressions in images and videos, and train the models that do it."""
    if workspace is not None:
        set_workspace(workspace)


for _command in (
    analyze,
    analyze_archive,
    video,
    dataset,
    classifier,
    sweep,
    detector,
    features,
    generator,
    runs,
    models,
    benchmark,
    app,
):
    cli.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments, those of the process by default.

    Returns:
        The exit code: 0 done, 1 a problem that a person can fix, 2 wrong usage, 130 interrupted.
    """
    if instruction := os.environ.get(_COMPLETION_VAR):
        return shell_complete(cli, {}, _PROGRAM, _COMPLETION_VAR, instruction)
    try:
        with guard_stdout():
            _invoke(list(sys.argv[1:] if argv is None else argv))
    except click.exceptions.Exit as done:  # after --help
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except EmotionError as error:
        print(f"emotion: {error}", file=sys.stderr)
        return EXIT_ERROR
    except (BrokenPipeError, OutputError) as error:
        # Python flushes standard output again when it exits, and would print the error there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, OutputError):  # a closed pipe is no error, as in `emotion runs | head`
            print(f"emotion: The output cannot be written ({error.strerror}); send it elsewhere.", file=sys.stderr)
        return EXIT_ERROR
    except OSError as error:
        if not is_disk_full(error):
            raise
        print(f"emotion: {DISK_FULL_MESSAGE}", file=sys.stderr)
        return EXIT_ERROR
    except Interrupted as error:
        print(f"emotion: {error}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (KeyboardInterrupt, click.Abort):
        print("emotion: Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def start_app() -> int:
    """Start the app; the program `emotion-studio`."""
    return main(["app", *sys.argv[1:]])


def _invoke(arguments: list[str]) -> None:
    """Run a command; `click.Group.main` is not used, since it handles the errors of standard output itself."""
    with cli.make_context(_PROGRAM, arguments) as context:
        cli.invoke(context)
