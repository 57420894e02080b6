"""The command `emotion classifier train`: make a training plan of the options and run it as a job."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emotion.cli.click_extensions import FRACTION, POSITIVE, Interrupted, StudioCommand, json_option, with_options
from emotion.cli.output import format_metrics, print_progress, print_result
from emotion.cli.progress import run_job
from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.datasets.dataset import Dataset
    from emotion.jobs.reporter import JobReporter
    from emotion.model_store.store import ModelBundle
    from emotion.training.classifier.config import TrainingPlan
    from emotion.training.classifier.recipes import Recipe

_DEFAULT_NETWORK: Final = "seresnet"


@dataclass(frozen=True)
class PlanOptions:
    """The options that change single settings of a plan; None leaves a setting as it is."""

    network: str | None
    data: str | None
    ferplus_csv: str | None
    negatives_dir: str | None
    teachers: tuple[str, ...]
    distillation_weight: float | None
    label_set: str | None
    epochs: int | None
    batch_size: int | None
    optimizer: str | None
    learning_rate: float | None
    lr_schedule: str | None
    early_stopping_patience: int | None
    augmentation: tuple[str, ...]
    horizontal_flip: bool | None
    weights: str | None
    init_from: str | None
    trained_heads: tuple[str, ...]
    width_factor: float | None
    dropout_factor: float | None
    seed: int | None
    tensorboard: bool | None

    @property
    def inputs(self) -> list[Path]:
        """The files and folders that a training reads."""
        sources = (self.data, self.ferplus_csv, self.negatives_dir, self.init_from, *self.teachers)
        return [Path(path) for path in sources if path]

    def apply(self, plan: TrainingPlan) -> TrainingPlan:
        """Return `plan` with the settings that were given."""
        from emotion.training.classifier.config import parse_augmentation

        changes = {name: value for name, value in vars(self).items() if value not in (None, ())}
        changes.pop("network", None)
        if self.augmentation:
            changes["augmentation"] = parse_augmentation(self.augmentation)
        return replace(plan, **changes)


@dataclass(frozen=True)
class TrainOptions:
    """The options of `emotion classifier train`.

    `plan` changes the settings of the file `config`, or those of fine-tuning with `fine_tune`. `rank` is this one of
    `workers`; `address` is that of rank 0, None where it starts the others itself.
    """

    out: Path
    config: Path | None
    fine_tune: bool
    export_only: bool
    queue: bool
    workers: int
    address: str | None
    rank: int
    as_json: bool
    plan: PlanOptions

    @classmethod
    def from_values(cls, **values: Any) -> TrainOptions:
        """Group the values of the command."""
        plan = PlanOptions(**{field.name: values.pop(field.name) for field in fields(PlanOptions)})
        return cls(**values, plan=plan)


_PLAN_OPTIONS: Final = (
    click.option("--network", help=f"One of `emotion classifier list` (default: {_DEFAULT_NETWORK})."),
    click.option("--data", type=click.Path(), help="fer2013.csv, an .npz or a folder of labeled faces."),
    click.option("--ferplus-csv", type=click.Path(), help="fer2013new.csv, the FER+ votes, unless the .npz has them."),
    click.option("--negatives", "negatives_dir", type=click.Path(), help="Folder of images without faces."),
    click.option(
        "--teacher",
        "teachers",
        type=click.Path(),
        multiple=True,
        metavar="MODEL_OR_RUN",
        help="Distill this classifier into seresnet or seresnet-wide; repeat for several.",
    ),
    click.option("--distillation-weight", type=FRACTION, help="Weight of the teachers in the loss, 0 to 1."),
    click.option("--label-set", help="fer2013, ferplus, four, four-normal, or own: the labels of the data set."),
    click.option("--epochs", type=int),
    click.option("--batch-size", type=int),
    click.option("--optimizer", help="adam, adamw, sgd or rmsprop."),
    click.option("--learning-rate", type=float, help="Initial or peak learning rate."),
    click.option("--lr-schedule", help="constant, cosine or plateau."),
    click.option(
        "--early-stopping",
        "early_stopping_patience",
        type=int,
        metavar="EPOCHS",
        help="Stop after so many epochs without a lower validation loss; 0: never.",
    ),
    click.option(
        "--augmentation", multiple=True, metavar="NAME=NUMBER", help="none, full, or rotation=10; repeat for several."
    ),
    click.option("--horizontal-flip/--no-horizontal-flip", default=None, help="Mirror half of the faces."),
    click.option("--weights", help="random, imagenet or a file of ImageNet weights without the top."),
    click.option(
        "--init-from",
        type=click.Path(),
        metavar="MODEL_OR_RUN",
        help="Begin seresnet or seresnet-wide with the weights of this trained classifier.",
    ),
    click.option(
        "--only-head",
        "trained_heads",
        multiple=True,
        metavar="HEAD",
        help="With --init-from: train only this head, expression for example, and freeze the rest; repeat for several.",
    ),
    click.option("--width-factor", type=float, help="Of the filters and units of the network."),
    click.option("--dropout-factor", type=float, help="Of the dropout rates of the network."),
    click.option("--seed", type=int),
    click.option("--tensorboard/--no-tensorboard", default=None, help="Write event files into DIR/tensorboard."),
)


def add_plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `PlanOptions` to a command."""
    for option in reversed(_PLAN_OPTIONS):
        command = option(command)
    return command


@click.command(cls=StudioCommand)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The run folder.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="config.json of a run: all settings that no option gives (default: those of the network).",
)
@add_plan_options
@click.option(
    "--fine-tune", is_flag=True, help="Adapt the classifier of --init-from (default: the one in use) to the data."
)
@click.option("--export-only", is_flag=True, help="Do not train: make a model of the best epoch so far.")
@click.option("--queue", is_flag=True, help="Wait until no other training beside DIR is running.")
@click.option("--workers", type=POSITIVE, default=1, help="Number of processes that share each batch.")
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Workers on several machines: where the first one listens (default: all on this machine).",
)
@click.option(
    "--rank", type=click.IntRange(0), default=0, help="With --address: 0 for the first one, which writes DIR, 1, 2 ..."
)
@json_option
@with_options(TrainOptions.from_values)
def train(options: TrainOptions) -> None:
    """Train a classifier, or resume the training in DIR."""
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import CLASSIFIER
    from emotion.training.manager import wait_for_slot
    from emotion.training.runs.step_monitor import clear_requests

    given = options.plan
    if given.data is None and options.config is None:
        raise click.UsageError("Missing option '--data' or '--config'.")
    if options.fine_tune and (options.config is not None or given.network is not None):
        raise click.UsageError("--fine-tune has settings and a network of its own; leave --config and --network out.")
    _check_workers(options)
    if options.rank:
        _run_follower(options)
        return
    claim_result_folder(options.out, CLASSIFIER, inputs=given.inputs)
    bundle = None
    with run_job(options.out) as report:  # also around the checks, so that the folder holds their errors
        if not report.is_child:
            clear_requests(options.out)  # left by a process that was killed
        plan = make_plan(options.config, given, fine_tune=options.fine_tune)
        with wait_for_slot(options.out, report) if options.queue else nullcontext(True) as has_slot:
            if has_slot:
                bundle = _run_training(plan, options, report)
    if bundle is None:
        raise Interrupted("Stopped before the training began. Run the same command again to go on.")
    metrics = bundle.card.metrics
    print_result(metrics, lambda: format_metrics(metrics), as_json=options.as_json)


def make_plan(config_file: Path | None, options: PlanOptions, *, fine_tune: bool = False) -> TrainingPlan:
    """Return the plan of a file, of fine-tuning or of the network's defaults, with the settings that were given."""
    from emotion.storage import read_json
    from emotion.training.classifier.config import TrainingPlan
    from emotion.training.classifier.fine_tuning import make_fine_tuning_plan

    if fine_tune:
        return options.apply(make_fine_tuning_plan(Path(options.init_from) if options.init_from else None))
    if config_file is None:
        return options.apply(TrainingPlan.from_defaults(options.network or _DEFAULT_NETWORK))
    config = read_json(config_file)
    if config is None:
        raise EmotionError(f"There is no {config_file}; give the config.json of a run.")
    network = options.network
    return options.apply(TrainingPlan.from_config(config | ({"network": network} if network else {})))


def _check_workers(options: TrainOptions) -> None:
    if options.rank >= options.workers:
        raise click.UsageError(f"--rank is {options.rank}; expected a number below --workers, {options.workers}.")
    if options.rank and options.address is None:
        raise click.UsageError("--rank is for workers on several machines; give --address, too.")
    if options.address is not None and options.workers == 1:
        raise click.UsageError("--address is for several workers; give --workers, too.")


def _run_training(plan: TrainingPlan, options: TrainOptions, reporter: JobReporter) -> ModelBundle:
    plan, recipe = _make_recipe(plan, options)
    from emotion.training.classifier.train import train_recipe

    if options.workers == 1 or options.export_only:
        return train_recipe(recipe, plan, options.out, reporter, export_only=options.export_only)
    from emotion.training.classifier.parallel_training import Workers, lead_training, share_cores

    if options.address is None:
        share_cores(options.workers)
    with lead_training(recipe, plan, Workers(options.workers, options.address), reporter) as group:
        return train_recipe(recipe, plan, options.out, reporter, group=group)


def _run_follower(options: TrainOptions) -> None:
    """Train as another worker than the first one, until that one ends."""
    from emotion.training.classifier.parallel_training import Workers, follow_training

    plan, recipe = _make_recipe(make_plan(options.config, options.plan, fine_tune=options.fine_tune), options)
    print_progress(f"Worker {options.rank} of {options.workers} trains with worker 0 at {options.address}.")
    follow_training(recipe, plan, Workers(options.workers, options.address), options.rank)


def _make_recipe(plan: TrainingPlan, options: TrainOptions) -> tuple[TrainingPlan, Recipe]:
    """Load the data set, and return the plan that fits it and what is learned."""
    from emotion.datasets.readers.hard_negatives import mine_hard_negatives
    from emotion.training.classifier.train import make_recipe

    data = load_plan_data(plan)
    plan = adapt_plan(plan, data, options.plan, has_config=options.config is not None)
    crops = mine_hard_negatives(Path(plan.negatives_dir)) if plan.negatives_dir else None
    return plan, make_recipe(data, plan, crops)


def load_plan_data(plan: TrainingPlan) -> Dataset:
    """Load the data set of a plan, and print what its reader noticed."""
    from emotion.datasets.readers.loaders import load_dataset
    from emotion.training.classifier.networks.zoo import get_architecture

    size = get_architecture(plan.network).input_size
    data = load_dataset(Path(plan.data), Path(plan.ferplus_csv) if plan.ferplus_csv else None, size)
    for note in data.notes:
        print_progress(note)
    return data


def adapt_plan(plan: TrainingPlan, data: Dataset, options: PlanOptions, *, has_config: bool) -> TrainingPlan:
    """Fit defaults that were not chosen to the data set: its labels, and a batch that its train split can fill."""
    from emotion.datasets.label_sets import default_label_set, get_label_set, map_labels, native_label_set
    from emotion.training.classifier.networks.zoo import get_architecture

    is_native = get_architecture(plan.network).is_native
    if is_native:  # it uses all labels
        plan = replace(plan, label_set=native_label_set(data.label_names))
    elif options.label_set is None and not has_config:
        plan = replace(plan, label_set=default_label_set(plan.label_set, data.label_names))
    if options.batch_size is None and not has_config:
        task = data if is_native else map_labels(data, get_label_set(plan.label_set)).data
        plan = replace(plan, batch_size=max(1, min(plan.batch_size, len(task.rows_in("train")))))
    return plan
