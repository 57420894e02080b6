"""The command `emotion classifier evaluate`: on a data set, on labeled faces, or end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from emotion.cli.click_extensions import StudioCommand, ferplus_option, json_option, with_options
from emotion.cli.output import print_progress, print_result

if TYPE_CHECKING:
    from emotion.datasets.dataset import Dataset
    from emotion.training.classifier.evaluation.labeled_face_scores import LabeledFacesScore
    from emotion.training.classifier.evaluation.labeled_faces import FaceRecognizer, LabeledFacesReport

# Pixels; a damaged card must not make the data set fill the memory.
_MIN_INPUT_SIZE: Final = 8
_MAX_INPUT_SIZE: Final = 512


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `emotion classifier evaluate`."""

    model: Path
    data: Path | None
    faces: Path | None
    head: str | None
    ferplus_csv: Path | None
    split: Literal["validation", "test"]
    save_predictions: bool
    robustness: bool
    end_to_end: bool
    detectors: tuple[str, ...]
    save: bool
    as_json: bool


@click.command(cls=StudioCommand)
@click.argument("model", metavar="MODEL_OR_RUN", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="fer2013.csv, an .npz or a folder.")
@click.option(
    "--faces",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Instead of --data: a folder of images with labels.json, a label and a person for each file.",
)
@click.option("--head", help="With --faces: expression, ferplus or fer2013 (default: the displayed one).")
@ferplus_option
@click.option("--split", type=click.Choice(("validation", "test")), default="validation")
@click.option("--save-predictions", is_flag=True, help="Write the prediction of each face into predictions.npz.")
@click.option(
    "--robustness",
    is_flag=True,
    help="Write the accuracy on blurred, dark, rotated, occluded, small and noisy faces into robustness.json.",
)
@click.option("--end-to-end", is_flag=True, help="Instead, put faces into scenes: detect, crop and classify them.")
@click.option(
    "--detector", "detectors", multiple=True, help="With --end-to-end; repeat for several (default: all available)."
)
@click.option("--save", is_flag=True, help="With --end-to-end: write the result into the model's report and card.")
@json_option
@with_options(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Evaluate a classifier on a split of a data set, or on a folder of labeled faces.

    Of the images of --faces, those of 48 x 48 pixels are face crops; in the others, the face is detected first. With
    --faces, MODEL_OR_RUN may be "fer" for the package of that name, where it is installed, to compare with.
    """
    if options.faces is not None and options.data is None:
        _evaluate_faces(options, options.faces)
        return
    if options.data is None or options.faces is not None:
        raise click.UsageError("Give --data for a data set, or --faces for a folder with labels.json.")
    from emotion.training.classifier.evaluation.scoring import evaluate_classifier

    data = _load_data(options.model, options.data, options.ferplus_csv)
    if options.end_to_end:
        _evaluate_end_to_end(options, data)
        return
    result = evaluate_classifier(
        options.model,
        data,
        options.split,
        save_predictions=options.save_predictions,
        save_robustness=options.robustness,
    )
    print_result(result, lambda: _format_scores(result), as_json=options.as_json)


@click.command(cls=StudioCommand, hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The data set of its training.")
@ferplus_option
def compute(folder: Path, data: Path, ferplus_csv: Path | None) -> None:
    """Compute predictions and robustness of a run for the app, after the trainings before it."""
    from emotion.jobs.reporter import job_context
    from emotion.training.finished_runs.evaluation import COMPUTING_MESSAGE, EVALUATION_FOLDER
    from emotion.training.manager import wait_for_slot

    with job_context(folder / EVALUATION_FOLDER) as reporter, wait_for_slot(folder, reporter) as has_slot:
        if has_slot:
            reporter.progress(0, 0, COMPUTING_MESSAGE)
            from emotion.training.classifier.evaluation.scoring import evaluate_classifier

            dataset = _load_data(folder, data, ferplus_csv)
            evaluate_classifier(folder, dataset, "validation", save_predictions=True, save_robustness=True)


def _evaluate_faces(options: EvaluateOptions, folder: Path) -> None:
    from emotion.training.classifier.evaluation.labeled_faces import evaluate_labeled_faces

    report = evaluate_labeled_faces(folder, _make_recognizer(options))
    print_result(report.to_dict(), lambda: _format_faces_report(report), as_json=options.as_json)


def _make_recognizer(options: EvaluateOptions) -> FaceRecognizer:
    from emotion.model_store.store import open_model
    from emotion.recognition.analyzer import Analyzer
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.recognition.detectors.detector_factory import make_detector
    from emotion.recognition.settings import AnalyzerSettings
    from emotion.training.classifier.evaluation.fer_package import PACKAGE_NAME, FerPackageRecognizer
    from emotion.training.classifier.evaluation.labeled_faces import AnalyzerRecognizer

    if str(options.model) == PACKAGE_NAME:
        return FerPackageRecognizer()
    detector = make_detector(options.detectors[0]) if options.detectors else make_detector()
    analyzer = Analyzer(detector, ExpressionClassifier(open_model(options.model)))
    return AnalyzerRecognizer(analyzer, AnalyzerSettings(head=options.head))


def _format_faces_report(report: LabeledFacesReport) -> str:
    parts = {"images, detected and classified": report.pipeline, "crops, classified": report.crops}
    return "\n\n".join(_format_faces_score(title, score) for title, score in parts.items() if score is not None)


def _format_faces_score(title: str, score: LabeledFacesScore) -> str:
    estimates = {
        "detection rate": score.detection_rate,
        "accuracy": score.accuracy,
        "macro recall": score.macro_recall,
        "calibration error": score.calibration_error,
        "coverage": score.coverage,
        "accuracy when covered": score.covered_accuracy,
    } | {f"  {label}": recall for label, recall in score.recall.items()}
    lines = [f"{score.num_images} {title}; {score.num_persons} persons, 95% intervals over persons"]
    lines += [
        f"{name:<24}{estimate.value:7.1%}  ({estimate.low:.1%} to {estimate.high:.1%})"
        for name, estimate in estimates.items()
    ]
    return "\n".join(lines)


def _load_data(model: Path, path: Path, ferplus_csv: Path | None) -> Dataset:
    """Load the data set in the resolution of the network: a folder of images holds more than the default pixels."""
    from emotion.datasets.dataset import IMAGE_SIZE
    from emotion.datasets.readers.loaders import load_dataset
    from emotion.model_store.card import CARD_FILE
    from emotion.storage import read_json

    model_input = (read_json(model / CARD_FILE) or {}).get("input")
    size = model_input.get("size") if isinstance(model_input, dict) else None
    if not isinstance(size, int) or not _MIN_INPUT_SIZE <= size <= _MAX_INPUT_SIZE:
        size = IMAGE_SIZE  # the card is validated later, with a better message
    return load_dataset(path, ferplus_csv, size)


def _evaluate_end_to_end(options: EvaluateOptions, data: Dataset) -> None:
    from emotion.model_store.store import open_model
    from emotion.recognition.analyzer import Analyzer
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.recognition.detectors.detector_factory import available_detectors, make_detector
    from emotion.training.classifier.evaluation.end_to_end import evaluate_end_to_end, save_end_to_end
    from emotion.training.classifier.evaluation.scoring import match_model_labels
    from emotion.training.prediction_tables import end_to_end_table

    bundle = open_model(options.model)
    expression_classifier = ExpressionClassifier(bundle)
    names = options.detectors or available_detectors()
    analyzers = {name: Analyzer(make_detector(name), expression_classifier) for name in names}
    matched = match_model_labels(bundle, data).data
    rows = evaluate_end_to_end(analyzers, matched, options.split, on_progress=print_progress)
    if options.save:
        save_end_to_end(bundle, rows)
    print_result(rows, lambda: end_to_end_table(rows).to_string(index=False), as_json=options.as_json)


def _format_scores(result: Mapping[str, Any]) -> str:
    lines = [f"{result['split']} split, {result['n']} faces"]
    if "accuracy" in result:
        low, high = result["accuracy_interval"]
        lines.append(f"accuracy                     {result['accuracy']:.1%} (95% interval {low:.1%} to {high:.1%})")
        if result["accuracy_deduplicated"] is not None:
            lines.append(f"  without train duplicates   {result['accuracy_deduplicated']:.1%}")
        lines.append(
            f"calibration error            {result['ece']:.1%} (before temperature {result['ece_uncalibrated']:.1%})"
        )
        lines += [
            f"  {name:<10} recall {scores['recall']:6.1%}  precision {scores['precision']:6.1%}  n {scores['n']}"
            for name, scores in result["per_class"].items()
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
