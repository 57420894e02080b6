"""The commands that train networks, score them, list them and put them to use."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.cli.arguments import fraction
from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.datasets.dataset import Dataset
    from emotion.jobs.reporter import JobReporter
    from emotion.model_store.store import ModelBundle
    from emotion.training.classifier.config import TrainingPlan

Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_commands(command: Command) -> None:
    """Add `networks`, `train`, `evaluate`, `runs`, `shrink`, `use` and `remove-model`."""
    one = command("networks", _list_networks, "List the networks that can be trained here.")
    one.add_argument("--json", action="store_true")

    one = command("train", _train, "Train a classifier; run it again to go on where it stopped.")
    one.add_argument("--data", type=Path, required=True, help="fer2013.csv, an .npz or a folder of labelled faces")
    one.add_argument("--ferplus-csv", type=Path, help="fer2013new.csv, the FER+ votes (an .npz can hold them itself)")
    one.add_argument(
        "--negatives",
        dest="negatives_dir",
        type=Path,
        metavar="DIR",
        help="photos without faces: teach what is not a face",
    )
    one.add_argument(
        "--teachers",
        type=Path,
        nargs="+",
        default=[],
        metavar="MODEL_OR_RUN",
        help="classifiers that teach seresnet or seresnet-wide what they see",
    )
    one.add_argument("--distillation-weight", type=fraction, default=0.5, help="their share of the loss (%(default)s)")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run folder")
    one.add_argument("--network", default="seresnet", help="one of `networks` (%(default)s)")
    own = one.add_argument_group("settings", "those that are not given are the network's own, see `networks --json`")
    labels = "fer2013, ferplus, four, four-normal, or own: those of the data set, the default unless it has FER-2013's"
    own.add_argument("--label-set", help=labels)
    own.add_argument("--epochs", type=int)
    own.add_argument("--batch-size", type=int)
    own.add_argument("--optimizer", help="adam, sgd or rmsprop")
    own.add_argument("--learning-rate", type=float, help="the first one, or its peak")
    own.add_argument("--lr-schedule", help="constant, cosine or plateau")
    own.add_argument(
        "--early-stopping",
        dest="early_stopping_patience",
        type=int,
        metavar="EPOCHS",
        help="end after so many epochs without a smaller validation loss; 0: never",
    )
    own.add_argument("--augmentation", nargs="+", metavar="NAME=NUMBER", help="none, full, or as rotation=10 shift=0.1")
    own.add_argument(
        "--horizontal-flip", action=argparse.BooleanOptionalAction, help="see each face from both sides in turn"
    )
    own.add_argument("--weights", help="random, imagenet or a file of ImageNet weights without top")
    own.add_argument("--seed", type=int)
    one.add_argument("--tensorboard", action="store_true", help="write event files into DIR/tensorboard, too")
    one.add_argument("--finish", action="store_true", help="learn no more: make a model of the best epoch so far")
    one.add_argument("--wait", action="store_true", help="wait until no training beside DIR is at work")

    one = command("evaluate", _evaluate, "Score a model or finished run on a split of a data set.")
    one.add_argument("model", type=Path, metavar="MODEL_OR_RUN")
    one.add_argument("--data", type=Path, required=True, metavar="FILE")
    one.add_argument("--votes", type=Path, help="fer2013new.csv, the FER+ votes")
    one.add_argument("--split", choices=("validation", "test"), default="validation")
    one.add_argument("--answers", action="store_true", help="write what it says of each face into its predictions.npz")
    one.add_argument(
        "--stress",
        action="store_true",
        help="write how it does on blurred, dark, turned, covered, small and noisy faces into its robustness.json",
    )
    one.add_argument(
        "--pipeline", action="store_true", help="instead, put test faces into scenes: found, cut out, read"
    )
    one.add_argument("--detectors", nargs="+", metavar="NAME", help="with --pipeline: which (default: all there are)")
    one.add_argument("--keep", action="store_true", help="with --pipeline: write it into report and card of the model")
    one.add_argument("--json", action="store_true")

    one = command("runs", _list_runs, "List the trainings: those of runs/, then those that came with the program.")
    one.add_argument("--folder", type=Path, metavar="DIR", help="(default: runs/)")
    one.add_argument("--json", action="store_true", help="one JSON object a run, a line each")

    one = command("shrink", _quantize, "A classifier in numbers of 8 bits: faster, smaller, hardly less right.")
    one.add_argument("model", type=Path, metavar="MODEL_OR_RUN")
    one.add_argument("--data", type=Path, required=True, metavar="FILE", help="what it learned from")
    one.add_argument("--votes", type=Path, metavar="FILE", help="FER+ votes (fer2013new.csv)")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    one.add_argument("--overwrite", action="store_true", help="replace the model in DIR")

    one = command("use", _install_model, "Copy a finished run into models/, where the app finds it.")
    one.add_argument("run_folder", type=Path, metavar="RUN")
    one.add_argument("--name", required=True)
    one.add_argument("--overwrite", action="store_true", help="replace the model of that name")
    one.add_argument("--default", action="store_true", help="the app shall use it from now on")

    one = command("remove-model", _remove_model, "Remove a model that `use` copied; its run stays.")
    one.add_argument("name", metavar="NAME")


def _list_networks(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from emotion.datasets.label_sets import LABEL_SETS
    from emotion.training.classifier.zoo import list_architectures

    for info in list_architectures() if not options.json else []:
        side = f"{info.input_size} x {info.input_size} grayscale"
        print(
            f"{info.name:<20} {info.num_parameters:>11,} parameters  {side:<20} {info.label_set:<12} "
            f"{info.reported_accuracy}"
        )
    if options.json:
        facts = [
            {
                **{k: v for k, v in vars(info).items() if k != "defaults"},
                "labels": list(LABEL_SETS[info.label_set].labels),
                "defaults": {**info.defaults, "augmentation": asdict(info.defaults["augmentation"])},
            }
            for info in list_architectures()
        ]
        print(json.dumps(facts, indent=1))
    return 0


def _make_plan(options: argparse.Namespace) -> TrainingPlan:
    """The network's own settings with what was given."""
    from dataclasses import replace

    from emotion.training.classifier.config import TrainingPlan, parse_augmentation

    names = (
        "label_set",
        "epochs",
        "batch_size",
        "optimizer",
        "learning_rate",
        "lr_schedule",
        "early_stopping_patience",
        "horizontal_flip",
        "weights",
        "seed",
        "distillation_weight",
    )
    given: dict[str, Any] = {name: value for name in names if (value := getattr(options, name)) is not None}
    given |= {
        name: str(value) for name in ("data", "ferplus_csv", "negatives_dir") if (value := getattr(options, name))
    }
    if options.augmentation is not None:
        given["augmentation"] = parse_augmentation(options.augmentation)
    teachers = tuple(map(str, options.teachers))
    return replace(
        TrainingPlan.from_defaults(options.network), tensorboard=options.tensorboard, teachers=teachers, **given
    )


def _train(options: argparse.Namespace) -> int:
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import CLASSIFIER, claim_result_folder
    from emotion.training.manager import wait_for_slot
    from emotion.training.runs.step_monitor import PAUSE_FILE, TrainingStopped

    inputs = [options.data, options.ferplus_csv, options.negatives_dir, *options.teachers]
    claim_result_folder(options.out, CLASSIFIER, inputs=filter(None, inputs))
    with job_context(options.out) as report:  # around all of it, so that the folder also says what was refused
        (options.out / PAUSE_FILE).unlink(missing_ok=True)  # of a time before it was killed
        plan = _make_plan(options)
        with wait_for_slot(options.out, report) if options.wait else nullcontext(True) as mine:
            if not mine:
                return 0
            try:
                bundle = _run_training(plan, options, report)
            except TrainingStopped as stopped:
                print(f"{stopped} Run the same command again to go on.")
                return 0
    print(json.dumps(bundle.card["metrics"], indent=1))
    return 0


def _run_training(plan: TrainingPlan, options: argparse.Namespace, reporter: JobReporter) -> ModelBundle:
    from emotion.datasets.hard_negatives import mine_hard_negatives
    from emotion.datasets.loaders import load_dataset
    from emotion.training.classifier.zoo import get_architecture

    data = load_dataset(
        options.data, options.ferplus_csv, get_architecture(plan.network).input_size
    )  # before the seconds that Keras takes
    for note in data.notes:
        print(f"emotion: {note}", file=sys.stderr)
    plan = _adapt_plan(plan, data, options)
    from emotion.training.classifier.train import train_classifier

    crops = mine_hard_negatives(options.negatives_dir) if options.negatives_dir else None
    return train_classifier(data, plan, options.out, reporter, negative_crops=crops, export_only=options.finish)


def _adapt_plan(plan: TrainingPlan, data: Dataset, options: argparse.Namespace) -> TrainingPlan:
    """The plan with what was not given as the data set needs it: its own labels, and no larger batch than it has faces
    to train on."""
    from dataclasses import replace

    from emotion.datasets.label_sets import default_label_set, get_label_set, map_labels, native_label_set
    from emotion.training.classifier.zoo import get_architecture

    if get_architecture(plan.network).is_native:  # it leaves no label out
        plan = replace(plan, label_set=native_label_set(data.label_names))
    elif options.label_set is None:
        plan = replace(plan, label_set=default_label_set(plan.label_set, data.label_names))
    if options.batch_size is None:
        task = (
            data if get_architecture(plan.network).is_native else map_labels(data, get_label_set(plan.label_set)).data
        )
        plan = replace(plan, batch_size=max(1, min(plan.batch_size, len(task.rows_in("train")))))
    return plan


def _evaluate(options: argparse.Namespace) -> int:
    from emotion.datasets.dataset import IMAGE_SIZE
    from emotion.datasets.loaders import load_dataset
    from emotion.model_store.card import CARD_FILE
    from emotion.storage import read_json
    from emotion.training.classifier.scoring import evaluate_classifier

    read = (read_json(options.model / CARD_FILE) or {}).get("input")
    size = (
        read.get("size") if isinstance(read, dict) else IMAGE_SIZE
    )  # of what a folder holds the network sees all pixels
    data = load_dataset(options.data, options.votes, size if isinstance(size, int) and 8 <= size <= 512 else IMAGE_SIZE)
    if options.pipeline:
        return _evaluate_end_to_end(options, data)
    result = evaluate_classifier(
        options.model, data, options.split, save_predictions=options.answers, save_robustness=options.stress
    )
    print(json.dumps(result, indent=1) if options.json else _format_scores(result))
    return 0


def _evaluate_end_to_end(options: argparse.Namespace, data: Dataset) -> int:
    from emotion.model_store.store import open_model
    from emotion.recognition.analyzer import Analyzer
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.recognition.detector_factory import available_detectors, make_detector
    from emotion.training.classifier.end_to_end import evaluate_end_to_end
    from emotion.training.classifier.scoring import match_model_labels, save_end_to_end
    from emotion.training.prediction_tables import end_to_end_table

    bundle = open_model(options.model)
    classifier = ExpressionClassifier(bundle)
    names = options.detectors or available_detectors()
    analyzers = {name: Analyzer(make_detector(name), classifier) for name in names}
    rows = evaluate_end_to_end(
        analyzers,
        match_model_labels(bundle, data).data,
        options.split,
        on_progress=lambda part: print(f"emotion: {part}", file=sys.stderr),
    )
    if options.keep:
        save_end_to_end(bundle, rows)
    print(json.dumps(rows, indent=1) if options.json else end_to_end_table(rows).to_string(index=False))
    return 0


def _format_scores(result: dict[str, Any]) -> str:
    lines = [f"{result['split']} split, {result['n']} faces"]
    if "accuracy" in result:
        low, high = result["accuracy_interval"]
        lines.append(f"accuracy                     {result['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%})")
        if result["accuracy_deduplicated"] is not None:
            lines.append(f"  without train duplicates   {result['accuracy_deduplicated']:.1%}")
        lines.append(
            f"calibration error            {result['ece']:.1%} (before temperature {result['ece_uncalibrated']:.1%})"
        )
        lines += [
            f"  {name:<10} recall {c['recall']:6.1%}  precision {c['precision']:6.1%}  n {c['n']}"
            for name, c in result["per_class"].items()
        ]
    if result.get("ferplus_accuracy") is not None:
        lines.append(f"FER+ majority accuracy       {result['ferplus_accuracy']:.1%} of {result['ferplus_n']}")
    if "accuracy" in result.get("as_displayed", {}):
        displayed, plain = result["as_displayed"], result["ferplus"]
        lines.append(
            f"  as displayed               {displayed['accuracy']:.1%}; "
            f"mean recall {displayed['balanced_accuracy']:.1%} instead of {plain['balanced_accuracy']:.1%}"
        )
    return "\n".join(lines)


def _list_runs(options: argparse.Namespace) -> int:
    from emotion.training.run_listing import list_runs, to_json
    from emotion.training.runs.folder import RUNS_FOLDER

    folder = options.folder or RUNS_FOLDER
    if options.folder is not None and not (os.path.isdir(folder) and os.access(folder, os.R_OK | os.X_OK)):
        raise EmotionError(f"There is no folder {folder} that can be read; name the one that holds the runs.")
    for run in list_runs(folder):
        if options.json:
            print(to_json(run))
            continue
        right = f"{run.best_accuracy:6.1%} in epoch {run.best_epoch}" if run.best_accuracy is not None else ""
        words = f"{run.folder.name:<24} {run.network:<20} {run.state:<11} {run.epoch:>4} of {run.epochs:<4} {right}"
        print(words.rstrip())
    return 0


def _quantize(options: argparse.Namespace) -> int:
    from emotion.datasets.loaders import load_dataset
    from emotion.model_store.store import open_model
    from emotion.storage import read_json
    from emotion.training.classifier.quantization import quantize_model, require_classifier
    from emotion.training.runs.folder import REPORT_FILE

    bundle = open_model(options.model)
    require_classifier(bundle)
    data = load_dataset(options.data, options.votes, bundle.input_size)
    small = quantize_model(bundle, data, options.out, overwrite=options.overwrite)
    agreement = (read_json(small.folder / REPORT_FILE) or {})["quantization"]
    print(
        f"{small.onnx_path.stat().st_size / 2**20:.1f} MB instead of {bundle.onnx_path.stat().st_size / 2**20:.1f}; "
        f"validation accuracy {agreement['accuracy']:.1%} instead of {agreement['accuracy_before']:.1%}, the same "
        f"prediction for {agreement['agreement']:.1%} of the faces: {small.folder}"
    )
    return 0


def _install_model(options: argparse.Namespace) -> int:
    from emotion.model_store.store import BUILTIN_MODELS
    from emotion.training.install import install_model

    model = install_model(
        options.run_folder, BUILTIN_MODELS, options.name, default=options.default, overwrite=options.overwrite
    )
    print(model.folder)
    return 0


def _remove_model(options: argparse.Namespace) -> int:
    from emotion.model_store.store import BUILTIN_MODELS
    from emotion.training.install import remove_model

    remove_model(BUILTIN_MODELS / options.name, BUILTIN_MODELS)
    print(f"{options.name} was removed from the models.")
    return 0
