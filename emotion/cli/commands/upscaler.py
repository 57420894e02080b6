"""The commands `emotion generator upscaler`: train the network that enlarges synthetic faces, and measure it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from emotion.cli.click_extensions import StudioGroup, json_option, with_options
from emotion.cli.commands.generator_study import open_or_default
from emotion.cli.output import format_metrics, print_result
from emotion.cli.progress import run_job


@click.group(cls=StudioGroup)
def upscaler() -> None:
    """Train and evaluate the network that enlarges faces from 48 to 192 pixels."""


_data_option = click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Annotated photos, as for emotion detector train.",
)
_classifier_option = click.option(
    "--classifier",
    type=click.Path(path_type=Path),
    metavar="MODEL_OR_RUN",
    help="Classifier whose features are compared and whose labels should stay (default: the built-in one).",
)


@dataclass(frozen=True)
class TrainOptions:
    """The options of `emotion generator upscaler train`."""

    data: Path
    out: Path
    classifier: Path | None
    epochs: int
    seed: int
    as_json: bool


@upscaler.command()
@_data_option
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The run folder.")
@_classifier_option
@click.option("--epochs", type=int, default=30)
@click.option("--seed", type=int, default=1)
@json_option
@with_options(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train an upscaler on the larger faces of photos, or resume the training in DIR."""
    from emotion.datasets.readers.detection_dataset import load_annotated_images
    from emotion.generation.upscaling.config import UpscalerConfig
    from emotion.generation.upscaling.train import train_upscaler
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import UPSCALER

    classifier = open_or_default(options.classifier, "classifier")
    config = UpscalerConfig(epochs=options.epochs, seed=options.seed, feature_classifier=classifier.sha256)
    claim_result_folder(options.out, UPSCALER, inputs=filter(None, [options.data, options.classifier]))
    with run_job(options.out) as report:
        report.progress(0, options.epochs, "Loading the photos")
        photos = load_annotated_images(options.data, "train")
        bundle = train_upscaler(photos, _get_crop_geometry(), config, options.out, report, classifier)
    metrics = bundle.card.metrics
    print_result(metrics, lambda: format_metrics(metrics), as_json=options.as_json)


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `emotion generator upscaler evaluate`."""

    model: Path | None
    data: Path
    classifier: Path | None
    as_json: bool


@upscaler.command()
@click.argument("model", required=False, metavar="[MODEL_OR_RUN]", type=click.Path(path_type=Path))
@_data_option
@_classifier_option
@json_option
@with_options(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Compare an upscaler with bicubic interpolation on the validation photos.

    The default is the built-in upscaler.
    """
    from emotion.datasets.readers.detection_dataset import load_annotated_images
    from emotion.generation.upscaling.config import UpscalerConfig
    from emotion.generation.upscaling.evaluation import evaluate_upscaler
    from emotion.generation.upscaling.faces import cut_large_faces
    from emotion.generation.upscaling.upscaler import Upscaler
    from emotion.recognition.classification import ExpressionClassifier

    upscaler = Upscaler(open_or_default(options.model, "upscaler"))
    classifier = ExpressionClassifier(open_or_default(options.classifier, "classifier"))
    photos = load_annotated_images(options.data, "train")
    faces = cut_large_faces(photos, _get_crop_geometry(), UpscalerConfig().min_side)
    metrics: dict[str, Any] = dict(evaluate_upscaler(upscaler, faces.validation, classifier))
    print_result(metrics, lambda: format_metrics(metrics), as_json=options.as_json)


def _get_crop_geometry() -> Any:
    from emotion.model_store.store import get_default_model
    from emotion.recognition.cropping import CropGeometry

    fields = get_default_model("detector").detector_card.crop_geometry
    return CropGeometry(fields.scale, fields.y_offset)
