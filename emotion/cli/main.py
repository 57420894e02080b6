"""The command line. Every command imports only what it needs, so that `analyze` starts at once."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from emotion.cli import analyze, classifier, datasets, generator, video
from emotion.cli.analyze import _analyze_video
from emotion.cli.benchmark import _run_benchmark
from emotion.cli.detector import (
    _calibrate_crops,
    _calibrate_fusion,
    _download_yunet,
    _evaluate_detector,
    _train_detector,
)
from emotion.cli.stdout import OutputError, guard_stdout
from emotion.errors import EmotionError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 where something could not be done, 2 for wrong arguments."""
    options = _build_parser().parse_args(argv)
    try:
        with guard_stdout():
            return options.run(options)
    except EmotionError as error:
        print(f"emotion: {error}", file=sys.stderr)
        return 1
    except (BrokenPipeError, OutputError) as error:
        # Python writes what is left once more at its end, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, OutputError):  # otherwise who read it has seen enough, as in `... | head`
            print(f"emotion: The output cannot be written ({error.strerror}); send it elsewhere.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("emotion: stopped.", file=sys.stderr)
        return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emotion", description="Reads expressions in faces.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(run=run)
        return one

    analyze.add_command(command)

    one = command("analyze-video", _analyze_video, "Analyze the video of a folder that the app prepared, in its turn.")
    one.add_argument("folder", type=Path, metavar="DIR")

    video.add_commands(command)
    datasets.add_commands(command)

    classifier.add_commands(command)
    generator.add_commands(command)

    one = command("train-detector", _train_detector, "Train a face detector; run it again to go on where it stopped.")
    one.add_argument("--data", type=Path, required=True, metavar="DIR", help="labelled photos: train/ and train.json")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run folder")
    one.add_argument("--start", type=Path, metavar="MODEL_OR_RUN", help="a finished detector to teach further")
    one.add_argument("--landmarks", action="store_true", help="teach it nothing but its landmarks; needs --start")
    one.add_argument("--epochs", type=int, default=48, help="(%(default)s)")
    one.add_argument("--learning-rate", type=float, default=2e-3, help="its peak (%(default)s)")
    one.add_argument("--seed", type=int, default=1, help="(%(default)s)")

    one = command("evaluate-detector", _evaluate_detector, "Score face detectors on labelled photos, in one table.")
    one.add_argument("model", type=Path, nargs="?", metavar="MODEL_OR_RUN", help="(default: the shipped one)")
    one.add_argument("--data", type=Path, required=True, metavar="DIR", help="photos as in eval.json and train.json")
    one.add_argument("--only", action="store_true", help="without the other detectors of this machine")
    one.add_argument("--held-out", action="store_true", help="on the held-out part of train/ instead of eval/")
    one.add_argument("--keep", action="store_true", help="write the table into the model's report")
    one.add_argument("--json", action="store_true")

    one = command("bench", _run_benchmark, "Milliseconds of every step on one core of this machine.")
    one.add_argument(
        "--stream",
        nargs="?",
        const="",
        metavar="FILM",
        help="what a live page reaches instead, with moving pictures or a film as the camera",
    )
    one.add_argument("--film", action="store_true", help="how fast films are read instead; takes minutes")
    one.add_argument("--json", action="store_true")

    one = command("measure-crops", _calibrate_crops, "Measure how a detector's boxes relate to the crops of FER-2013.")
    one.add_argument("detector", help="its name, or the folder of one that was trained here")
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--keep", action="store_true", help="write the result into the card of that folder")
    one.add_argument("--faces", type=int, default=2000, help="how many training faces (%(default)s)")

    one = command(
        "measure-confirmation", _calibrate_fusion, "Measure how a detector and a classifier together tell faces."
    )
    one.add_argument("detector", type=Path, metavar="MODEL_OR_RUN")
    one.add_argument("--data", type=Path, required=True, metavar="DIR", help="labelled photos: train/ and train.json")
    one.add_argument("--model", type=Path, metavar="DIR", help="the classifier (default: the shipped one)")
    one.add_argument("--keep", action="store_true", help="write the result into the card of the detector")

    command("fetch-yunet", _download_yunet, "Download the YuNet face detector (233 kB) once into the user's cache.")
    return parser
