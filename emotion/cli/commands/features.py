"""The commands `emotion features`: train and evaluate the network of points, head pose and movements."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotion.cli.click_extensions import POSITIVE, StudioGroup, json_option, with_options
from emotion.cli.output import format_metrics, print_result
from emotion.cli.progress import run_job
from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.datasets.readers.feature_targets import FeatureTargets


@click.group(cls=StudioGroup)
def features() -> None:
    """Train and evaluate the network of points, head pose and movements."""


_targets_option = click.option(
    "--targets",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An .npz of emotion features make-targets; may be given several times.",
)
_fer2013_option = click.option(
    "--fer2013", type=click.Path(path_type=Path), metavar="FILE", help="fer2013.npz, for targets without crops."
)


def _load_targets(paths: tuple[Path, ...], fer2013: Path | None) -> list[FeatureTargets]:
    from emotion.datasets.readers.feature_targets import load_feature_targets

    return [load_feature_targets(path, fer2013) for path in paths]


@dataclass(frozen=True)
class TargetOptions:
    """The options of `emotion features make-targets`."""

    fer2013: Path | None
    photos: Path | None
    teacher: Path
    teacher_python: Path
    script: Path
    out: Path


@features.command("make-targets")
@click.option("--fer2013", type=click.Path(path_type=Path), metavar="FILE", help="fer2013.npz; or give --photos.")
@click.option("--photos", type=click.Path(path_type=Path), metavar="DIR", help="Folder with train/ and train.json.")
@click.option("--teacher", required=True, type=click.Path(path_type=Path), help="MediaPipe's face_landmarker.task.")
@click.option(
    "--teacher-python",
    required=True,
    type=click.Path(path_type=Path),
    help="Python of an environment with tools/requirements.txt.",
)
@click.option(
    "--script",
    type=click.Path(path_type=Path),
    default=Path("tools/make_feature_targets.py"),
    help="The script that runs the teacher; it is part of the source code.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The .npz of targets.")
@with_options(TargetOptions)
def make_targets(options: TargetOptions) -> None:
    """Let a teacher network look at faces and write what it sees.

    Faces are those of FER-2013 or those that the default detector finds in photos. The teacher runs in an environment
    of its own, since its package needs another OpenCV.
    """
    from emotion.datasets.feature_crops import crop_fer2013, crop_photos, write_crops
    from emotion.datasets.readers.detection_dataset import load_annotated_images
    from emotion.datasets.readers.fer2013_files import read_npz
    from emotion.recognition.analyzer import load_analyzer

    if (options.fer2013 is None) == (options.photos is None):
        raise click.UsageError("Give one of --fer2013 and --photos.")
    for path in (options.teacher, options.teacher_python, options.script):
        if not path.is_file():
            raise EmotionError(f"There is no {path}; see docs/features.md for what the teacher needs.")
    with tempfile.TemporaryDirectory() as scratch:
        crops = Path(scratch) / "crops.npz"
        if options.fer2013 is not None:
            write_crops(crops, crop_fer2013(read_npz(options.fer2013).images))
        elif options.photos is not None:
            write_crops(crops, crop_photos(load_annotated_images(options.photos, "train"), load_analyzer()))
        arguments = [options.teacher_python, options.script, crops, options.out, "--teacher", options.teacher]
        result = subprocess.run([str(argument) for argument in arguments], check=False)
    if result.returncode:
        raise EmotionError(f"The teacher ended with the code {result.returncode}; its messages are above.")
    print(options.out)


@dataclass(frozen=True)
class TrainOptions:
    """The options of `emotion features train`."""

    targets: tuple[Path, ...]
    fer2013: Path | None
    out: Path
    input_size: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    export_only: bool
    as_json: bool


@features.command()
@_targets_option
@_fer2013_option
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The run folder.")
@click.option("--input-size", type=POSITIVE, default=64, help="Side of the crops in pixels, a multiple of 16.")
@click.option("--epochs", type=int, default=80)
@click.option("--batch-size", type=int, default=32)
@click.option("--learning-rate", type=float, default=2e-3, help="Peak learning rate.")
@click.option("--seed", type=int, default=1)
@click.option("--export-only", is_flag=True, help="Train no further epoch; finish with the best one so far.")
@json_option
@with_options(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train a features network, or resume the training in DIR."""
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import FEATURES
    from emotion.training.features.config import FeaturesConfig
    from emotion.training.features.train import train_features

    config = FeaturesConfig(
        input_size=options.input_size,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )
    claim_result_folder(options.out, FEATURES, inputs=filter(None, [*options.targets, options.fer2013]))
    with run_job(options.out) as report:
        report.progress(0, options.epochs, "Loading the targets")
        data = _load_targets(options.targets, options.fer2013)
        bundle = train_features(data, config, options.out, report, export_only=options.export_only)
    metrics = bundle.card.metrics
    print_result(metrics, lambda: format_metrics(metrics), as_json=options.as_json)


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `emotion features evaluate`."""

    model: Path | None
    targets: tuple[Path, ...]
    fer2013: Path | None
    split: str
    as_json: bool


@features.command()
@click.argument("model", required=False, metavar="[MODEL_OR_RUN]", type=click.Path(path_type=Path))
@_targets_option
@_fer2013_option
@click.option("--split", type=click.Choice(["validation", "test"]), default="test")
@json_option
@with_options(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Compare a features network with its teacher.

    The default is the built-in network.
    """
    from emotion.model_store.store import get_default_model, open_model
    from emotion.recognition.features.network import FeaturesNetwork
    from emotion.training.features.evaluation import evaluate_network

    bundle = open_model(options.model) if options.model else get_default_model("features")
    data = _load_targets(options.targets, options.fer2013)
    rows: dict[str, Any] = dict(evaluate_network(FeaturesNetwork(bundle, num_threads=1), data, options.split))
    print_result(rows, lambda: format_metrics(rows), as_json=options.as_json)


@features.command("explain-labels")
@click.option(
    "--targets", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The targets of FER-2013."
)
@click.option(
    "--fer2013", required=True, type=click.Path(path_type=Path), metavar="FILE", help="fer2013.npz with FER+ votes."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the table to this JSON file.")
@json_option
def explain_labels(targets: Path, fer2013: Path, out: Path | None, as_json: bool) -> None:
    """Measure which movements speak for a label.

    The table compares faces with a label to all others, on the training faces of FER-2013 and their FER+ labels.
    """
    from emotion.datasets.label_movements import measure_label_movements
    from emotion.datasets.readers.feature_targets import load_feature_targets
    from emotion.datasets.readers.fer2013_files import read_npz
    from emotion.storage import write_atomic

    table = measure_label_movements(load_feature_targets(targets, fer2013), read_npz(fer2013))
    if out is not None:
        write_atomic(out, table.model_dump_json(indent=1) + "\n")
    effects = {name: statistics.effects for name, statistics in table.movements.items()}
    print_result(table.model_dump(), lambda: format_metrics(effects), as_json=as_json)
