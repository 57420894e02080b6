"""The commands `emotion generator`: train, sample and evaluate; others are in `generator_study` and `upscaler`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from emotion.cli.click_extensions import FRACTION, StudioGroup, ferplus_option, json_option, save_option, with_options
from emotion.cli.commands.generator_study import open_or_default, study
from emotion.cli.commands.upscaler import upscaler
from emotion.cli.output import format_metrics, print_progress, print_result
from emotion.cli.progress import run_job
from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.generation.sampler import Sampler


@click.group(cls=StudioGroup)
def generator() -> None:
    """Train generators of synthetic faces, sample from them and evaluate them."""


generator.add_command(study)
generator.add_command(upscaler)


# ------------------------------------------------------------------ train


@dataclass(frozen=True)
class TrainOptions:
    """The options of `emotion generator train`."""

    data: Path
    ferplus_csv: Path | None
    out: Path
    network: str
    epochs: int
    epoch_images: int
    guidance_classifier: Path | None
    guidance_weight: float | None
    learning_rate: float
    seed: int
    export_only: bool
    as_json: bool


@generator.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="fer2013.csv, an .npz or a folder.")
@ferplus_option
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The run folder.")
@click.option("--network", default="residual", help="residual or dcgan-upsampling.")
@click.option("--epochs", type=int, default=128)
@click.option("--epoch-images", type=int, default=50_000, help="Images of an epoch; each ends with a checkpoint.")
@click.option(
    "--guidance-classifier",
    type=click.Path(path_type=Path),
    metavar="MODEL_OR_RUN",
    help="Classifier that guides the training and selects the best epoch (default: the built-in one).",
)
@click.option(
    "--guidance-weight",
    type=float,
    help="Its weight in the loss; 0: it only selects the epoch (default: 0.1, dcgan-upsampling 0).",
)
@click.option("--learning-rate", type=float, default=2e-4)
@click.option("--seed", type=int, default=1)
@click.option("--export-only", is_flag=True, help="Do not train: make a model of the best epoch so far.")
@json_option
@with_options(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train a generator of faces, or resume the training in DIR."""
    from emotion.datasets.readers.loaders import load_dataset
    from emotion.generation.config import make_gan_config
    from emotion.generation.train import train_generator
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import GENERATOR

    inputs = filter(None, [options.data, options.ferplus_csv, options.guidance_classifier])
    claim_result_folder(options.out, GENERATOR, inputs=inputs)
    with run_job(options.out) as report:
        data = load_dataset(options.data, options.ferplus_csv)
        guidance = open_or_default(options.guidance_classifier, "classifier")
        weight = {} if options.guidance_weight is None else {"guidance_weight": options.guidance_weight}
        config = make_gan_config(
            options.network,
            epochs=options.epochs,
            epoch_images=options.epoch_images,
            learning_rate=options.learning_rate,
            seed=options.seed,
            guidance_classifier=guidance.sha256,
            **weight,
        )
        bundle = train_generator(data, config, options.out, report, guidance, export_only=options.export_only)
    metrics = bundle.card.metrics
    print_result(metrics, lambda: format_metrics(metrics), as_json=options.as_json)


# ------------------------------------------------------------------ sample


@dataclass(frozen=True)
class SampleOptions:
    """The options of `emotion generator sample`."""

    expression: str
    seed: str
    count: int
    truncation: float | None
    model: Path | None
    out: Path | None
    overwrite: bool
    enlarge: bool
    add_to_dataset: Path | None
    min_prob: float
    filter_classifier: Path | None
    as_json: bool


@generator.command()
@click.option("--expression", default="all", help="happy, sad, ... or all of them.")
@click.option("--seed", default="0", help="Seed of the first face; the next ones follow it.")
@click.option("--count", type=int, default=8, help="Number of seeds.")
@click.option("--truncation", type=FRACTION, help="0: all alike, 1: full variety (default: that of the model).")
@click.option("--model", type=click.Path(path_type=Path), help="A generator or finished run (default: the built-in).")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write images, sheet.png and faces.json.")
@click.option("--overwrite", is_flag=True, help="Replace the faces in DIR.")
@click.option("--enlarge", is_flag=True, help="Write the faces at 192 pixels, enlarged by the upscaler.")
@click.option(
    "--add-to-dataset",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Instead, add --count faces that a classifier accepts to the train split of a data set.",
)
@click.option("--min-prob", type=FRACTION, default=0.7, help="Minimum probability of the expression to be accepted.")
@click.option(
    "--filter-classifier",
    type=click.Path(path_type=Path),
    metavar="MODEL_OR_RUN",
    help="The classifier that accepts faces (default: the built-in one).",
)
@json_option
@with_options(SampleOptions)
def sample(options: SampleOptions) -> None:
    """Sample synthetic faces with an expression."""
    from emotion.generation.images import build_files, write_files
    from emotion.generation.sampler import Sampler, make_seeds, parse_seed
    from emotion.generation.upscaling.upscaler import Upscaler
    from emotion.jobs.result_folder import create_result
    from emotion.jobs.result_manifest import SYNTHETIC_IMAGES

    sampler = Sampler(open_or_default(options.model, "generator"))
    if options.add_to_dataset:
        _add_to_dataset(sampler, options.add_to_dataset, options)
        return
    if not options.out:
        raise EmotionError("There is no target; give --out DIR, or --add-to-dataset FOLDER for a data set.")
    face_upscaler = Upscaler(open_or_default(None, "upscaler")) if options.enlarge else None
    seeds = make_seeds(parse_seed(options.seed), options.count)
    expressions = sampler.labels if options.expression == "all" else (options.expression,)
    with create_result(options.out, SYNTHETIC_IMAGES, overwrite=options.overwrite) as folder:
        files = build_files(sampler, seeds, expressions, options.truncation, face_upscaler)
        write_files(files, folder)
    if options.as_json:
        print(files["faces.json"].decode().rstrip())
    else:
        print(f"{len(files) - 2} faces are in {options.out}.")  # without the sheet and faces.json


def _add_to_dataset(sampler: Sampler, folder: Path, options: SampleOptions) -> None:
    from emotion.generation.filtering import FaceFilter, add_to_dataset
    from emotion.generation.sampler import parse_seed
    from emotion.recognition.classification import ExpressionClassifier

    if options.expression == "all":
        raise EmotionError("Faces are added for one expression at a time; give it by --expression.")
    if options.enlarge:
        raise EmotionError("--enlarge writes faces into a folder; a data set has the faces of the generator.")
    added = add_to_dataset(
        folder,
        sampler,
        FaceFilter(ExpressionClassifier(open_or_default(options.filter_classifier, "classifier")), options.min_prob),
        options.expression,
        options.count,
        first_seed=parse_seed(options.seed),
    )
    target = folder / "train" / options.expression
    text = f"{len(added['seeds'])} of {added['num_drawn']} sampled faces are in {target}."
    print_result(added, text, as_json=options.as_json)


# ------------------------------------------------------------------ evaluate


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `emotion generator evaluate`."""

    model: Path
    data: Path
    ferplus_csv: Path | None
    feature_classifier: Path | None
    split: Literal["validation", "test"]
    truncation: float | None
    train: bool
    save: bool
    as_json: bool


@generator.command()
@click.argument("model", metavar="MODEL_OR_RUN", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The data set of its training.")
@ferplus_option
@click.option(
    "--feature-classifier",
    type=click.Path(path_type=Path),
    metavar="MODEL_OR_RUN",
    help="Classifier whose features are compared, preferably not the guidance classifier (default: the built-in one).",
)
@click.option("--split", type=click.Choice(("validation", "test")), default="validation")
@click.option("--truncation", type=FRACTION, help="Default: that of the model.")
@click.option("--train", is_flag=True, help="Also train on synthetic faces and test on real ones: slow.")
@save_option
@json_option
@with_options(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Evaluate a generator: compare synthetic with real faces."""
    from emotion.datasets.readers.loaders import load_dataset
    from emotion.generation.evaluation import EvaluationConfig, evaluate_generator, save_evaluation
    from emotion.generation.tables import generator_table
    from emotion.model_store.store import open_model

    bundle = open_model(options.model)
    result = evaluate_generator(
        bundle,
        load_dataset(options.data, options.ferplus_csv),
        open_or_default(options.feature_classifier, "classifier"),
        EvaluationConfig(options.split, truncation=options.truncation, trains_classifiers=options.train),
        on_progress=print_progress,
    )
    if options.save:
        save_evaluation(bundle.folder, result)
    print_result(result, lambda: generator_table(result).to_string(index=False), as_json=options.as_json)
