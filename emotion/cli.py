"""The command line. Every command imports only what it needs, so that `analyze` starts at once."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from emotion import cli_analyze, cli_data, cli_faces, cli_film, cli_train
from emotion.cli_output import OutputError, output
from emotion.errors import EmotionError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 where something could not be done, 2 for wrong arguments."""
    options = _parser().parse_args(arguments)
    try:
        with output():
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emotion", description="Reads expressions in faces.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(run=run)
        return one

    cli_analyze.add_command(command)

    one = command("read-film", _read_film, "Read the film of a folder that the app prepared, in its turn.")
    one.add_argument("folder", type=Path, metavar="DIR")

    cli_film.add_commands(command)
    cli_data.add_commands(command)

    cli_train.add_commands(command)
    cli_faces.add_commands(command)

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

    one = command("bench", _bench, "Milliseconds of every step on one core of this machine.")
    one.add_argument("--stream", nargs="?", const="", metavar="FILM",
                     help="what a live page reaches instead, with moving pictures or a film as the camera")  # fmt: skip
    one.add_argument("--film", action="store_true", help="how fast films are read instead; takes minutes")
    one.add_argument("--json", action="store_true")

    one = command("measure-crops", _measure, "Measure how a detector's boxes relate to the crops of FER-2013.")
    one.add_argument("detector", help="its name, or the folder of one that was trained here")
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--keep", action="store_true", help="write the result into the card of that folder")
    one.add_argument("--faces", type=int, default=2000, help="how many training faces (%(default)s)")

    one = command("measure-confirmation", _confirm, "Measure how a detector and a recogniser together tell faces.")
    one.add_argument("detector", type=Path, metavar="MODEL_OR_RUN")
    one.add_argument("--data", type=Path, required=True, metavar="DIR", help="labelled photos: train/ and train.json")
    one.add_argument("--model", type=Path, metavar="DIR", help="the recogniser (default: the shipped one)")
    one.add_argument("--keep", action="store_true", help="write the result into the card of the detector")

    command("fetch-yunet", _fetch, "Download the YuNet face detector (233 kB) once into the user's cache.")
    return parser


def _read_film(options: argparse.Namespace) -> int:
    from emotion.films.job import analyze_film
    from emotion.films.queue import turn
    from emotion.films.request import Request
    from emotion.reporting import reporting

    with reporting(options.folder) as report, turn(options.folder, report) as mine:
        if mine:
            request = Request.read(options.folder)
            analyze_film(request, request.analyzer(), options.folder, report)
    return 0


def _train_detector(options: argparse.Namespace) -> int:
    from emotion.bundles import open_bundle
    from emotion.reporting import reporting
    from emotion.result_folder import DETECTOR, claim
    from emotion.training.detector_learning import learn_detector
    from emotion.training.labelled import load_photos

    if options.landmarks and not options.start:
        raise EmotionError("--landmarks teaches a finished detector; name it with --start.")
    claim(options.out, DETECTOR, inputs=filter(None, [options.data, options.start]))
    start = open_bundle(options.start) if options.start else None
    with reporting(options.out) as report:
        report.progress(0, options.epochs, "Loading the photos")
        photos = load_photos(options.data, "train")
        from emotion.training.detector import TILTED, DetectorConfig
        from emotion.training.scenes import SceneConfig
        from emotion.training.trainer import Stopped

        config = DetectorConfig(
            epochs=options.epochs, learning_rate=options.learning_rate, seed=options.seed,
            start=start.sha256 if start else "", landmarks=options.landmarks,
            scenes=TILTED if options.landmarks else SceneConfig(),
        )  # fmt: skip
        try:
            bundle = learn_detector(photos, config, options.out, report, start)
        except Stopped as stopped:
            print(f"{stopped} Run the same command again to go on.")
            return 0
    print(json.dumps(bundle.card["metrics"], indent=1))
    return 0


def _evaluate_detector(options: argparse.Namespace) -> int:
    from emotion.bundles import default_bundle, open_bundle
    from emotion.recognition.detectors import FOREIGN, available_detectors, make_detector
    from emotion.recognition.glance import Glance
    from emotion.tables import detectors_table
    from emotion.training.detector_evaluation import evaluate_detectors
    from emotion.training.detector_learning import keep
    from emotion.training.labelled import load_photos

    bundle = open_bundle(options.model) if options.model else default_bundle("detector")
    others = [] if options.only else [name for name in available_detectors() if name in FOREIGN]
    detectors = [Glance(bundle, threads=1), *(make_detector(name) for name in others)]
    held = [photo for photo in load_photos(options.data, "train") if photo.held_out]
    photos = [p for p in held if len(p.boxes)] if options.held_out else load_photos(options.data, "eval")
    empty = [photo for photo in held if not len(photo.boxes) and not len(photo.ignore)]
    rows = evaluate_detectors(detectors, photos, empty, lambda part: print(f"emotion: {part}", file=sys.stderr))
    if options.keep:
        keep(bundle.folder, {"detectors": rows})
    print(json.dumps(rows, indent=1) if options.json else detectors_table(rows).to_string(index=False))
    return 0


def _bench(options: argparse.Namespace) -> int:
    from emotion.bench import bench

    if options.stream is not None:
        return _bench_stream(options)
    if options.film:
        return _bench_films(options)
    rows = bench()
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        memory = f", {row['megabytes']:.0f} MB" if "megabytes" in row else ""
        print(f"{row['detector']:<6} {row['faces']} faces  {row['what']:<9} {row['milliseconds']:8.2f} ms{memory}")
    return 0


def _bench_stream(options: argparse.Namespace) -> int:
    from emotion.live.bench import bench_stream, pictures_of

    rows = bench_stream(film=pictures_of(Path(options.stream)) if options.stream else None)
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        print(
            f"{row['detector']:<6} {row['faces']} faces  {row['fps']:4.1f} frames a second, {row['age_p95_ms']:5.1f} ms"
            f" old, {row['cores']:.2f} processors, {row['megabytes']:+.1f} MB"
        )
    return 0


def _bench_films(options: argparse.Namespace) -> int:
    from emotion.films.bench import bench_films

    rows = bench_films()
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        memory = f", {row['megabytes']:.0f} MB" if "megabytes" in row else ""
        print(
            f"{row['detector']:<6} {row['size']:<9} {row['faces']} faces  {row['mode']:<7} "
            f"{row['times_real_time']:6.2f} times as fast as it plays{memory}"
        )
    return 0


def _measure(options: argparse.Namespace) -> int:
    import numpy as np

    from emotion.bundles import CARD, open_bundle
    from emotion.recognition.detectors import make_detector
    from emotion.recognition.glance import Glance
    from emotion.training.dataset_files import load_dataset
    from emotion.training.detector_learning import keep
    from emotion.training.geometry import measure_geometry

    folder = Path(options.detector)
    ours = os.path.isfile(folder / CARD)
    if options.keep and not ours:
        raise EmotionError(f"{options.detector} is no folder of a detector trained here; its crops cannot be kept.")
    detector = Glance(open_bundle(folder)) if ours else make_detector(options.detector)
    data = load_dataset(options.data)
    rows = np.random.default_rng(0).permutation(data.rows("training"))[: options.faces]
    measured = measure_geometry(detector, data.images[rows])
    print(json.dumps(measured, indent=1))
    if options.keep:
        keep(folder, crops={key: round(measured[key], 3) for key in ("scale", "down")})
    return 0


def _confirm(options: argparse.Namespace) -> int:
    from emotion.bundles import default_bundle, open_bundle
    from emotion.recognition.classification import Recogniser
    from emotion.recognition.glance import Glance
    from emotion.training.detector_learning import keep
    from emotion.training.labelled import in_one_style, load_photos
    from emotion.training.witnesses import measure_confirmation

    detector = Glance(open_bundle(options.detector))
    recogniser = Recogniser(open_bundle(options.model) if options.model else default_bundle("recogniser"))
    held = [photo for photo in in_one_style(load_photos(options.data, "train")) if photo.held_out]
    measured = measure_confirmation(detector, recogniser, held)
    print(json.dumps(measured, indent=1))
    if options.keep:
        keep(options.detector, confirmation=measured)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from emotion.recognition.detectors import fetch_yunet

    print(f"YuNet is at {fetch_yunet()}.")
    return 0
