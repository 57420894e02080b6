"""The commands `emotion generator`: train, sample, evaluate and study generators of synthetic faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from emotion.cli.command import FRACTION, StudioGroup, ferplus_option, json_option, save_option, with_options
from emotion.cli.output import format_metrics, print_progress, print_result
from emotion.cli.progress import run_job
from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.generation.sampler import Sampler
    from emotion.model_store.store import ModelBundle


@click.group(cls=StudioGroup)
def generator() -> None:
    """Train generators of synthetic faces, sample from them and evaluate them."""


def _open_or_default(folder: Path | None, kind: str) -> ModelBundle:
    from emotion.model_store.store import get_default_model, open_model

    return open_model(folder) if folder else get_default_model(kind)


# ------------------------------------------------------------------ train


@dataclass(frozen=True)
class TrainOptions:
    """The options of `emotion generator train`."""

    data: Path
    ferplus_csv: Path | None
    out: Path
    network: str
    epochs: int
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
@click.option("--epochs", type=int, default=100)
@click.option(
    "--guidance-classifier",
    type=click.Path(path_type=Path),
    metavar="MODEL_OR_RUN",
    help="Classifier that guides the training and selects the best epoch (default: the built-in one).",
)
@click.option(
    "--guidance-weight",
    type=float,
    help="Its weight in the loss; 0: it only selects the epoch (default: 0.005, dcgan-upsampling 0).",
)
@click.option("--learning-rate", type=float, default=2e-4)
@click.option("--seed", type=int, default=1)
@click.option("--export-only", is_flag=True, help="Do not train: make a model of the best epoch so far.")
@json_option
@with_options(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train a generator of faces, or resume the training in DIR."""
    from emotion.datasets.loaders import load_dataset
    from emotion.generation.config import make_gan_config
    from emotion.generation.train import train_generator
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import GENERATOR

    inputs = filter(None, [options.data, options.ferplus_csv, options.guidance_classifier])
    claim_result_folder(options.out, GENERATOR, inputs=inputs)
    with run_job(options.out) as report:
        data = load_dataset(options.data, options.ferplus_csv)
        guidance = _open_or_default(options.guidance_classifier, "classifier")
        weight = {} if options.guidance_weight is None else {"guidance_weight": options.guidance_weight}
        config = make_gan_config(
            options.network,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            seed=options.seed,
            guidance_classifier=guidance.sha256,
            **weight,
        )
        bundle = train_generator(data, config, options.out, report, guidance, export_only=options.export_only)
    metrics = bundle.card_fields["metrics"]
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
    from emotion.jobs.result_folder import create_result
    from emotion.jobs.result_manifest import SYNTHETIC_IMAGES

    sampler = Sampler(_open_or_default(options.model, "generator"))
    if options.add_to_dataset:
        _add_to_dataset(sampler, options.add_to_dataset, options)
        return
    if not options.out:
        raise EmotionError("There is no target; give --out DIR, or --add-to-dataset FOLDER for a data set.")
    seeds = make_seeds(parse_seed(options.seed), options.count)
    expressions = sampler.labels if options.expression == "all" else (options.expression,)
    with create_result(options.out, SYNTHETIC_IMAGES, overwrite=options.overwrite) as folder:
        files = build_files(sampler, seeds, expressions, options.truncation)
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
    added = add_to_dataset(
        folder,
        sampler,
        FaceFilter(ExpressionClassifier(_open_or_default(options.filter_classifier, "classifier")), options.min_prob),
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
    from emotion.datasets.loaders import load_dataset
    from emotion.generation.evaluation import EvaluationConfig, evaluate_generator, save_evaluation
    from emotion.generation.tables import generator_table
    from emotion.model_store.store import open_model

    bundle = open_model(options.model)
    result = evaluate_generator(
        bundle,
        load_dataset(options.data, options.ferplus_csv),
        _open_or_default(options.feature_classifier, "classifier"),
        EvaluationConfig(options.split, truncation=options.truncation, trains_classifiers=options.train),
        on_progress=print_progress,
    )
    if options.save:
        save_evaluation(bundle.folder, result)
    print_result(result, lambda: generator_table(result).to_string(index=False), as_json=options.as_json)


# ------------------------------------------------------------------ study


@dataclass(frozen=True)
class StudyOptions:
    """The options of `emotion generator study`."""

    model: Path
    data: Path
    ferplus_csv: Path | None
    filter_classifier: Path | None
    target_class: str
    ratio: float
    min_prob: float
    epochs: int
    seeds: int
    out: Path
    save: bool
    as_json: bool


@generator.command()
@click.argument("model", metavar="MODEL_OR_RUN", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The data set of its training.")
@ferplus_option
@click.option(
    "--filter-classifier",
    type=click.Path(path_type=Path),
    metavar="MODEL_OR_RUN",
    help="Classifier that accepts faces, preferably not the guidance classifier (default: the built-in one).",
)
@click.option("--target-class", default="disgust", help="The expression that gets more faces.")
@click.option("--ratio", type=float, default=3.0, help="Synthetic faces per real one.")
@click.option("--min-prob", type=FRACTION, default=0.7, help="Minimum probability of the expression to be accepted.")
@click.option("--epochs", type=int, default=12, help="Epochs of each network.")
@click.option("--seeds", type=int, default=5, help="Networks of each variant.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the results.")
@click.option("--save", is_flag=True, help="Write the result into the folder of the generator, for its page.")
@json_option
@with_options(StudyOptions)
def study(options: StudyOptions) -> None:
    """Study whether synthetic faces improve a classifier, or resume the study in DIR."""
    from emotion.datasets.loaders import load_dataset
    from emotion.generation.augmentation_study import StudyConfig, run_augmentation_study
    from emotion.generation.sampler import Sampler
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import AUGMENTATION_STUDY
    from emotion.model_store.store import open_model
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.storage import write_json
    from emotion.training.runs.folder import STUDY_FILE, write_card

    config = StudyConfig(options.target_class, options.ratio, options.min_prob, options.epochs, options.seeds)
    bundle = open_model(options.model)
    filter_classifier = ExpressionClassifier(_open_or_default(options.filter_classifier, "classifier"))
    inputs = filter(None, [options.model, options.data, options.ferplus_csv, options.filter_classifier])
    claim_result_folder(options.out, AUGMENTATION_STUDY, inputs=inputs)
    with run_job(options.out) as report:
        data = load_dataset(options.data, options.ferplus_csv)
        result = run_augmentation_study(
            Sampler(bundle),
            filter_classifier,
            data,
            config,
            options.out,
            report,
        )
    if options.save:
        write_json(bundle.folder / STUDY_FILE, result)
        write_card(bundle.folder, bundle.card_fields)  # the card lists the file, so that a copy of the generator has it
    print_result(result, result["conclusion"], as_json=options.as_json)
