"""The command `emotion generator study`: do synthetic faces improve a classifier?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emotion.cli.click_extensions import FRACTION, StudioCommand, ferplus_option, json_option, with_options
from emotion.cli.output import print_result
from emotion.cli.progress import run_job

if TYPE_CHECKING:
    from emotion.model_store.store import ModelBundle


def open_or_default(folder: Path | None, kind: str) -> ModelBundle:
    """Open the model of a folder, or the default one of its kind for None."""
    from emotion.model_store.store import get_default_model, open_model

    return open_model(folder) if folder else get_default_model(kind)


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


@click.command(cls=StudioCommand)
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
    from emotion.datasets.readers.loaders import load_dataset
    from emotion.generation.sampler import Sampler
    from emotion.generation.study.augmentation_study import StudyConfig, run_augmentation_study
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import AUGMENTATION_STUDY
    from emotion.model_store.store import open_model
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.storage import write_json
    from emotion.training.runs.folder import STUDY_FILE, write_card

    config = StudyConfig(options.target_class, options.ratio, options.min_prob, options.epochs, options.seeds)
    bundle = open_model(options.model)
    filter_classifier = ExpressionClassifier(open_or_default(options.filter_classifier, "classifier"))
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
