"""The command line of synthetic faces: train-gan, generate, evaluate-gan, gan-benefit."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.cli.arguments import fraction
from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.generation.sampler import Sampler


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add them to the parser of `python -m emotion`; `command(name, run, text)` makes one."""
    one = command("train-gan", _train_generator, "Train a generator of faces; run it again to go on where it stopped.")
    one.add_argument("--data", type=Path, required=True, help="fer2013.csv, an .npz or a folder of labelled faces")
    one.add_argument("--votes", type=Path, help="fer2013new.csv, the FER+ votes: tell what is not a face")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run folder")
    one.add_argument("--network", default="residual", help="residual or dcgan-upsampling (%(default)s)")
    one.add_argument("--epochs", type=int, default=100, help="(%(default)s)")
    one.add_argument(
        "--teacher",
        type=Path,
        metavar="MODEL_OR_RUN",
        help="the classifier that teaches and chooses the epoch (default: the shipped one)",
    )
    one.add_argument("--teacher-weight", type=float, help="0: it only chooses (0.005; 0 for dcgan-upsampling)")
    one.add_argument("--learning-rate", type=float, default=2e-4, help="(%(default)s)")
    one.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    one.add_argument("--finish", action="store_true", help="learn no more: make a model of the best epoch so far")

    one = command("generate", _sample_faces, "Draw faces that nobody has, with an expression.")
    one.add_argument("--expression", default="all", help="happy, sad, ... or all of them (%(default)s)")
    one.add_argument("--seed", default="0", help="of the first face; the next ones count on (%(default)s)")
    one.add_argument("--count", type=int, default=8, help="seeds (%(default)s)")
    one.add_argument("--truncation", type=fraction, help="0: all alike, 1: all that was learned (default: the model's)")
    one.add_argument("--model", type=Path, metavar="DIR", help="a model or finished run (default: the shipped one)")
    one.add_argument("--out", type=Path, metavar="DIR", help="write pictures, sheet.png, faces.json")
    one.add_argument("--overwrite", action="store_true", help="replace the faces in DIR")
    one.add_argument(
        "--into",
        type=Path,
        metavar="SET",
        help="instead, add --count faces that a classifier sees as asked to a data set's training folder",
    )
    one.add_argument("--least", type=fraction, default=0.7, help="with --into: its probability (%(default)s)")
    one.add_argument("--filter", type=Path, metavar="MODEL_OR_RUN", help="with --into: (default: the shipped one)")
    one.add_argument("--json", action="store_true", help="print faces.json")

    one = command("evaluate-gan", _evaluate_generator, "Measure synthetic faces beside real ones.")
    one.add_argument("model", type=Path, metavar="MODEL_OR_RUN")
    one.add_argument("--data", type=Path, required=True, metavar="FILE", help="what the generator learned from")
    one.add_argument("--votes", type=Path, help="fer2013new.csv, the FER+ votes: tell what is not a face")
    one.add_argument(
        "--judge",
        type=Path,
        metavar="MODEL_OR_RUN",
        help="a classifier, best one that did not teach it (default: the shipped one)",
    )
    one.add_argument("--split", choices=("validation", "test"), default="validation")
    one.add_argument("--truncation", type=fraction, help="(default: the model's)")
    one.add_argument("--train", action="store_true", help="also train on synthetic faces and test on real ones: slow")
    one.add_argument("--keep", action="store_true", help="write the result into report and card of the generator")
    one.add_argument("--json", action="store_true")

    one = command("gan-benefit", _run_study, "Find out whether synthetic faces help to learn; run it again to go on.")
    one.add_argument("model", type=Path, metavar="MODEL_OR_RUN", help="the generator")
    one.add_argument("--data", type=Path, required=True, metavar="FILE", help="what the generator learned from")
    one.add_argument("--votes", type=Path, help="fer2013new.csv, the FER+ votes: tell what is not a face")
    one.add_argument(
        "--filter",
        type=Path,
        metavar="MODEL_OR_RUN",
        help="the classifier that sorts them, best no teacher (default: the shipped one)",
    )
    one.add_argument("--rare", default="disgust", help="the expression that gets more faces (%(default)s)")
    one.add_argument("--times", type=float, default=3.0, help="as many as there are real ones (%(default)s)")
    one.add_argument("--least", type=fraction, default=0.7, help="probability by which a face passes (%(default)s)")
    one.add_argument("--epochs", type=int, default=12, help="of each small network (%(default)s)")
    one.add_argument("--seeds", type=int, default=5, help="networks for each way (%(default)s)")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="where every result is kept")
    one.add_argument("--keep", action="store_true", help="put the answer beside the generator, for its page")


def _train_generator(options: argparse.Namespace) -> int:
    from emotion.datasets.loaders import load_dataset
    from emotion.generation.train import train_generator
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import GENERATOR, claim_result_folder
    from emotion.model_store.store import get_default_model, open_model

    claim_result_folder(options.out, GENERATOR, inputs=filter(None, [options.data, options.votes, options.teacher]))
    with job_context(options.out) as report:
        data = load_dataset(options.data, options.votes)
        teacher = open_model(options.teacher) if options.teacher else get_default_model("classifier")
        from emotion.generation.config import make_gan_config
        from emotion.training.runs.step_monitor import TrainingStopped

        weight = {} if options.teacher_weight is None else {"guidance_weight": options.teacher_weight}
        config = make_gan_config(
            options.network,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            seed=options.seed,
            guidance_classifier=teacher.sha256,
            **weight,
        )
        try:
            bundle = train_generator(data, config, options.out, report, teacher, export_only=options.finish)
        except TrainingStopped as stopped:
            print(f"{stopped} Run the same command again to go on.")
            return 0
    print(json.dumps(bundle.card.metrics, indent=1))
    return 0


def _sample_faces(options: argparse.Namespace) -> int:
    from emotion.generation.images import build_files, write_files
    from emotion.generation.sampler import Sampler, make_seeds, parse_seed
    from emotion.jobs.result_folder import SYNTHETIC_IMAGES, create_result
    from emotion.model_store.store import get_default_model, open_model

    sampler = Sampler(open_model(options.model) if options.model else get_default_model("generator"))
    if options.into:
        return _add_to_dataset(sampler, options)
    if not options.out:
        raise EmotionError("Nothing says where the faces shall go; give --out DIR, or --into SET for a data set.")
    seeds = make_seeds(parse_seed(options.seed), options.count)
    expressions = sampler.labels if options.expression == "all" else (options.expression,)
    with create_result(options.out, SYNTHETIC_IMAGES, overwrite=options.overwrite) as place:
        files = build_files(sampler, seeds, expressions, options.truncation)
        write_files(files, place)
    print(files["faces.json"].decode().rstrip() if options.json else f"{len(files) - 2} faces are in {options.out}.")
    return 0


def _add_to_dataset(sampler: Sampler, options: argparse.Namespace) -> int:
    from emotion.generation.filtering import add_to_dataset
    from emotion.generation.sampler import parse_seed
    from emotion.model_store.store import get_default_model, open_model
    from emotion.recognition.classification import ExpressionClassifier

    if options.expression == "all":
        raise EmotionError("A data set gets one expression at a time; name it by --expression.")
    judge = ExpressionClassifier(open_model(options.filter) if options.filter else get_default_model("classifier"))
    said = add_to_dataset(
        options.into,
        sampler,
        judge,
        options.expression,
        options.count,
        min_prob=options.least,
        first_seed=parse_seed(options.seed),
    )
    print(
        f"{len(said['seeds'])} of {said['num_drawn']} drawn faces are in {options.into / 'train' / options.expression}."
    )
    return 0


def _evaluate_generator(options: argparse.Namespace) -> int:
    from emotion.datasets.loaders import load_dataset
    from emotion.generation.evaluation import evaluate_generator, save_evaluation
    from emotion.generation.tables import generator_table
    from emotion.model_store.store import get_default_model, open_model

    bundle = open_model(options.model)
    judge = open_model(options.judge) if options.judge else get_default_model("classifier")
    result = evaluate_generator(
        bundle,
        load_dataset(options.data, options.votes),
        judge,
        options.split,
        truncation=options.truncation,
        should_train=options.train,
        on_progress=lambda message: print(f"emotion: {message}", file=sys.stderr),
    )
    if options.keep:
        save_evaluation(bundle.folder, result)
    print(json.dumps(result, indent=1) if options.json else generator_table(result).to_string(index=False))
    return 0


def _run_study(options: argparse.Namespace) -> int:
    from emotion.datasets.loaders import load_dataset
    from emotion.generation.augmentation_study import StudyConfig, run_augmentation_study
    from emotion.generation.sampler import Sampler
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import AUGMENTATION_STUDY as STUDY
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.model_store.store import get_default_model, open_model
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.storage import write_json
    from emotion.training.runs.folder import STUDY_FILE, write_card
    from emotion.training.runs.step_monitor import TrainingStopped

    question = StudyConfig(options.rare, options.times, options.least, options.epochs, options.seeds)
    bundle = open_model(options.model)
    judge = open_model(options.filter) if options.filter else get_default_model("classifier")
    claim_result_folder(
        options.out, STUDY, inputs=filter(None, [options.model, options.data, options.votes, options.filter])
    )
    with job_context(options.out) as report:
        data = load_dataset(options.data, options.votes)
        try:
            answer = run_augmentation_study(
                Sampler(bundle),
                ExpressionClassifier(judge),
                data,
                question,
                options.out,
                report.progress,
                lambda: report.stop_requested,
            )
        except TrainingStopped:
            print("Stopped. Run the same command again to go on.")
            return 0
    if options.keep:
        write_json(bundle.folder / STUDY_FILE, answer)
        write_card(bundle.folder, bundle.card_fields)  # so that it goes along wherever the generator goes
    print(answer["conclusion"])
    return 0
