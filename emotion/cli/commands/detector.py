"""The commands `emotion detector`: train, evaluate and calibrate face detectors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emotion.cli.click_extensions import POSITIVE, StudioGroup, json_option, save_option, with_options
from emotion.cli.output import format_metrics, print_progress, print_result
from emotion.cli.progress import run_job
from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.model_store.store import ModelBundle
    from emotion.training.detector.config import DetectorConfig

_GEOMETRY_DIGITS: Final = 3  # decimals of the crop geometry in a card; its error is larger


@click.group(cls=StudioGroup)
def detector() -> None:
    """Train, evaluate and calibrate face detectors."""


@dataclass(frozen=True)
class TrainOptions:
    """The options of `emotion detector train`."""

    data: Path
    out: Path
    init_from: Path | None
    landmarks_only: bool
    epochs: int
    learning_rate: float
    seed: int
    as_json: bool


@detector.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder with train/ and train.json.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The run folder.")
@click.option(
    "--init-from",
    type=click.Path(path_type=Path),
    metavar="MODEL_OR_RUN",
    help="A finished detector whose weights are fine-tuned.",
)
@click.option("--landmarks-only", is_flag=True, help="Train the landmark head only; needs --init-from.")
@click.option("--epochs", type=int, default=48)
@click.option("--learning-rate", type=float, default=2e-3, help="Peak learning rate.")
@click.option("--seed", type=int, default=1)
@json_option
@with_options(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train a face detector, or resume the training in DIR."""
    from emotion.datasets.readers.detection_dataset import load_annotated_images
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import DETECTOR
    from emotion.model_store.store import open_model
    from emotion.training.detector.train import train_detector

    if options.landmarks_only and not options.init_from:
        raise EmotionError("--landmarks-only fine-tunes a finished detector; give it by --init-from.")
    claim_result_folder(options.out, DETECTOR, inputs=filter(None, [options.data, options.init_from]))
    initial = open_model(options.init_from) if options.init_from else None
    with run_job(options.out) as report:
        report.progress(0, options.epochs, "Loading the images")
        images = load_annotated_images(options.data, "train")
        bundle = train_detector(images, _make_config(options, initial), options.out, report, initial)
    metrics = bundle.card.metrics
    print_result(metrics, lambda: format_metrics(metrics), as_json=options.as_json)


def _make_config(options: TrainOptions, initial: ModelBundle | None) -> DetectorConfig:
    from emotion.training.detector.config import LANDMARK_AUGMENTATION, DetectorConfig
    from emotion.training.detector.mosaic import MosaicConfig

    return DetectorConfig(
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        seed=options.seed,
        init_from=initial.sha256 if initial else "",
        landmarks_only=options.landmarks_only,
        mosaic=LANDMARK_AUGMENTATION if options.landmarks_only else MosaicConfig(),
    )


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `emotion detector evaluate`."""

    model: Path | None
    data: Path
    no_baselines: bool
    validation: bool
    save: bool
    as_json: bool


@detector.command()
@click.argument("model", required=False, metavar="[MODEL_OR_RUN]", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder with eval.json and train.json.")
@click.option("--no-baselines", is_flag=True, help="Evaluate this detector only, not also YuNet and Haar.")
@click.option("--validation", is_flag=True, help="Evaluate on the validation part of train/ instead of eval/.")
@save_option
@json_option
@with_options(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Evaluate face detectors on annotated images, in one table.

    The default is the built-in detector.
    """
    from emotion.datasets.readers.detection_dataset import load_annotated_images
    from emotion.model_store.store import get_default_model, open_model
    from emotion.recognition.detectors.detector_factory import THIRD_PARTY, available_detectors, make_detector
    from emotion.recognition.detectors.onnx_detector import OnnxFaceDetector
    from emotion.training.detector.evaluation import evaluate_detectors
    from emotion.training.detector.tables import detectors_table
    from emotion.training.detector.train import save_measurements

    bundle = open_model(options.model) if options.model else get_default_model("detector")
    baselines = [] if options.no_baselines else [name for name in available_detectors() if name in THIRD_PARTY]
    detectors = [OnnxFaceDetector(bundle, num_threads=1), *(make_detector(name) for name in baselines)]
    held_out = [image for image in load_annotated_images(options.data, "train") if image.is_validation]
    with_faces = [image for image in held_out if len(image.boxes)]
    without_faces = [image for image in held_out if not len(image.boxes) and not len(image.ignore_boxes)]
    images = with_faces if options.validation else load_annotated_images(options.data, "eval")
    rows = evaluate_detectors(detectors, images, without_faces, print_progress)
    if options.save:
        save_measurements(bundle.folder, {"detectors": rows})
    print_result(rows, lambda: detectors_table(rows).to_string(index=False), as_json=options.as_json)


@dataclass(frozen=True)
class CalibrateOptions:
    """The options of `emotion detector calibrate`."""

    detector: str
    data: Path
    crops: bool
    fusion: bool
    num_faces: int
    model: Path | None
    save: bool
    as_json: bool


@detector.command()
@click.argument("detector")
@click.option("--crops", is_flag=True, help="Measure how its boxes relate to the crops of FER-2013.")
@click.option("--fusion", is_flag=True, help="Fit how its score and that of the classifier's face head are combined.")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="For --crops fer2013.csv or an .npz, for --fusion a folder with train/ and train.json.",
)
@click.option("--num-faces", type=POSITIVE, default=2000, help="With --crops: number of faces of the train split.")
@click.option(
    "--model", type=click.Path(path_type=Path), help="With --fusion: the classifier (default: the built-in one)."
)
@save_option
@json_option
@with_options(CalibrateOptions)
def calibrate(options: CalibrateOptions) -> None:
    """Calibrate a detector for the classifier.

    DETECTOR is the name of a detector, or the folder of one that was trained here.
    """
    if options.crops == options.fusion:
        raise click.UsageError("Give one of --crops and --fusion.")
    if options.crops:
        _calibrate_crops(options)
    else:
        _calibrate_fusion(options)


def _print_measured(measured: Mapping[str, Any], options: CalibrateOptions) -> None:
    """Print a calibration; before it is saved, which refuses implausible values."""
    print_result(measured, lambda: format_metrics(measured), as_json=options.as_json)


def _calibrate_crops(options: CalibrateOptions) -> None:
    import numpy as np

    from emotion.datasets.readers.loaders import load_dataset
    from emotion.model_store.card import CARD_FILE
    from emotion.model_store.store import open_model
    from emotion.recognition.detectors.detector_factory import make_detector
    from emotion.recognition.detectors.onnx_detector import OnnxFaceDetector
    from emotion.training.detector.calibration import measure_crop_geometry
    from emotion.training.detector.train import save_measurements

    folder = Path(options.detector)
    is_folder = os.path.isfile(folder / CARD_FILE)
    if options.save and not is_folder:
        raise EmotionError(f"{options.detector} is no folder of a detector trained here; its crops cannot be saved.")
    measured_detector = OnnxFaceDetector(open_model(folder)) if is_folder else make_detector(options.detector)
    data = load_dataset(options.data)
    rows = np.random.default_rng(0).permutation(data.rows_in("train"))[: options.num_faces]
    measured = measure_crop_geometry(measured_detector, data.images[rows])
    _print_measured(measured, options)
    if options.save:
        geometry = {key: round(measured[key], _GEOMETRY_DIGITS) for key in ("scale", "y_offset")}
        save_measurements(folder, crop_geometry=geometry)


def _calibrate_fusion(options: CalibrateOptions) -> None:
    from emotion.datasets.readers.detection_dataset import load_annotated_images, normalize_box_style
    from emotion.model_store.store import get_default_model, open_model
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.recognition.detectors.onnx_detector import OnnxFaceDetector
    from emotion.training.detector.calibration import fit_score_fusion
    from emotion.training.detector.train import save_measurements

    folder = Path(options.detector)
    trained = OnnxFaceDetector(open_model(folder))
    classifier = ExpressionClassifier(open_model(options.model) if options.model else get_default_model("classifier"))
    images = normalize_box_style(load_annotated_images(options.data, "train"))
    measured = fit_score_fusion(trained, classifier, [image for image in images if image.is_validation])
    _print_measured(measured, options)
    if options.save:
        save_measurements(folder, score_fusion=measured)
