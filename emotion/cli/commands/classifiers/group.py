"""The commands `emotion classifier`; `train` is in `training`, `evaluate` in `evaluation`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotion.cli.click_extensions import StudioGroup, ferplus_option, json_option, with_options
from emotion.cli.commands.classifiers.evaluation import compute, evaluate
from emotion.cli.commands.classifiers.training import train
from emotion.cli.output import print_result

if TYPE_CHECKING:
    from emotion.training.classifier.networks.zoo import ArchitectureInfo


@click.group(cls=StudioGroup)
def classifier() -> None:
    """Train, evaluate and quantize expression classifiers."""


classifier.add_command(train)
classifier.add_command(evaluate)
classifier.add_command(compute)


@classifier.command("list")
@json_option
def list_networks(as_json: bool) -> None:
    """List the network architectures that can be trained."""
    from emotion.training.classifier.networks.zoo import list_architectures

    architectures = list_architectures()
    text = "\n".join(
        f"{info.name:<20} {info.num_parameters:>11,} parameters  "
        f"{f'{info.input_size} x {info.input_size} grayscale':<20} {info.label_set:<12} {info.reported_accuracy}"
        for info in architectures
    )
    print_result([_architecture_to_dict(info) for info in architectures], text, as_json=as_json)


def _architecture_to_dict(info: ArchitectureInfo) -> dict[str, Any]:
    from emotion.datasets.label_sets import LABEL_SETS

    return {
        **{name: value for name, value in vars(info).items() if name != "defaults"},
        "labels": list(LABEL_SETS[info.label_set].labels),
        "defaults": {**info.defaults, "augmentation": asdict(info.defaults["augmentation"])},
    }


@dataclass(frozen=True)
class CalibrateOptions:
    """The options of `emotion classifier calibrate`."""

    model: Path
    data: Path
    faces: Path
    ferplus_csv: Path | None
    as_json: bool


@classifier.command()
@click.argument("model", metavar="MODEL_OR_RUN", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The data set of its training.")
@click.option(
    "--faces",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder of images with labels.json, as of `evaluate`.",
)
@ferplus_option
@json_option
@with_options(CalibrateOptions)
def calibrate(options: CalibrateOptions) -> None:
    """Choose temperature and prior of the displayed head on a validation split and on labeled faces together."""
    from emotion.datasets.dataset import majority_vote
    from emotion.datasets.readers.loaders import load_dataset
    from emotion.model_store.store import open_model
    from emotion.recognition.analyzer import Analyzer
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.recognition.detectors.detector_factory import make_detector
    from emotion.training.classifier.evaluation.calibration import calibrate_with_labeled_faces
    from emotion.training.classifier.evaluation.labeled_faces import AnalyzerRecognizer, recognize_labeled_faces
    from emotion.training.classifier.evaluation.logits import split_logits
    from emotion.training.classifier.evaluation.scoring import match_model_labels, replace_heads

    bundle = open_model(options.model)
    name = bundle.classifier_card.default_head
    data = load_dataset(options.data, options.ferplus_csv, bundle.input_size)
    task_data = match_model_labels(bundle, data).data
    network = ExpressionClassifier(bundle)
    recognized = recognize_labeled_faces(options.faces, AnalyzerRecognizer(Analyzer(make_detector(), network)))
    logits = split_logits(network, task_data, "validation")[name]
    majority = majority_vote(task_data.take(task_data.rows_in("validation")))
    head = calibrate_with_labeled_faces(bundle.heads[name], logits, majority, recognized)
    replace_heads(bundle, data, {name: head})
    bias = dict(zip(head.labels, head.logit_bias or (), strict=True))
    biases = ", ".join(f"{label} {value:+.2f}" for label, value in bias.items())
    text = f"temperature {head.temperature}, bias {biases}"
    print_result({"head": name, "temperature": head.temperature, "logit_bias": bias}, text, as_json=options.as_json)


@dataclass(frozen=True)
class QuantizeOptions:
    """The options of `emotion classifier quantize`."""

    model: Path
    data: Path
    ferplus_csv: Path | None
    out: Path
    overwrite: bool
    as_json: bool


@classifier.command()
@click.argument("model", metavar="MODEL_OR_RUN", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The data set of its training.")
@ferplus_option
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new folder.")
@click.option("--overwrite", is_flag=True, help="Replace the model in DIR.")
@json_option
@with_options(QuantizeOptions)
def quantize(options: QuantizeOptions) -> None:
    """Quantize a classifier to 8-bit integers: smaller and faster, with almost the same accuracy."""
    from emotion.datasets.readers.loaders import load_dataset
    from emotion.model_store.store import open_model
    from emotion.storage import read_json
    from emotion.training.classifier.quantization import quantize_model, require_classifier
    from emotion.training.runs.folder import REPORT_FILE

    bundle = open_model(options.model)
    require_classifier(bundle)
    data = load_dataset(options.data, options.ferplus_csv, bundle.input_size)
    quantized = quantize_model(bundle, data, options.out, overwrite=options.overwrite)
    comparison = (read_json(quantized.folder / REPORT_FILE) or {})["quantization"]
    before, after = (model.onnx_path.stat().st_size / 2**20 for model in (bundle, quantized))
    text = (
        f"{after:.1f} MB instead of {before:.1f}; validation accuracy {comparison['accuracy']:.1%} instead of "
        f"{comparison['accuracy_before']:.1%}, the same prediction for {comparison['agreement']:.1%} of the faces: "
        f"{quantized.folder}"
    )
    print_result({"folder": str(quantized.folder), **comparison}, text, as_json=options.as_json)
