"""The commands `emotion models` and `emotion runs`: list runs and models, install runs as models."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emotion.cli.click_extensions import StudioCommand, StudioGroup, json_option, with_options
from emotion.cli.output import print_progress, print_result
from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.training.run_listing import RunSummary


@click.command(cls=StudioCommand)
@click.option("--folder", type=click.Path(path_type=Path), metavar="DIR", help="Default: runs of the workspace.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run, each on one line.")
def runs(folder: Path | None, as_json: bool) -> None:
    """List the training runs: those of the workspace, then those of the built-in models."""
    from emotion.training.run_listing import list_runs, to_json
    from emotion.training.runs.folder import RUNS_FOLDER

    if folder is not None and not (os.path.isdir(folder) and os.access(folder, os.R_OK | os.X_OK)):
        raise EmotionError(f"There is no folder {folder} that can be read; give the one that holds the runs.")
    for run in list_runs(folder or RUNS_FOLDER):
        print(to_json(run) if as_json else _format_run(run))


def _format_run(run: RunSummary) -> str:
    best = f"{run.best_accuracy:6.1%} in epoch {run.best_epoch}" if run.best_accuracy is not None else ""
    best = str(run.error) if run.is_damaged else best
    line = f"{run.folder.name:<24} {run.network:<20} {run.state:<11} {run.epoch:>4} of {run.epochs:<4} {best}"
    return line.rstrip()


@click.group(cls=StudioGroup)
def models() -> None:
    """List, install, remove and download models."""


@models.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the usable models of each kind, the default one first."""
    from emotion.model_store.card import MODEL_KINDS
    from emotion.model_store.store import list_models

    rows, errors = [], []
    for kind in MODEL_KINDS:
        bundles, errors_of_kind = list_models(kind)
        errors += errors_of_kind
        rows += [{"kind": kind, "name": bundle.name, "folder": str(bundle.folder)} for bundle in bundles]
    for error in dict.fromkeys(errors):
        print_progress(error)
    text = "\n".join(f"{row['kind']:<12} {row['name']:<24} {row['folder']}" for row in rows)
    print_result(rows, text, as_json=as_json)


@dataclass(frozen=True)
class InstallOptions:
    """The options of `emotion models install`."""

    run_folder: Path
    name: str
    overwrite: bool
    default: bool
    as_json: bool


@models.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the model.")
@click.option("--overwrite", is_flag=True, help="Replace the installed model of that name.")
@click.option("--default", is_flag=True, help="Make it the default model of its kind.")
@json_option
@with_options(InstallOptions)
def install(options: InstallOptions) -> None:
    """Copy a finished run into the models, where the app finds it."""
    from emotion.model_store.store import get_user_models
    from emotion.training.install import install_model

    model = install_model(
        options.run_folder,
        get_user_models(),
        options.name,
        default=options.default,
        overwrite=options.overwrite,
    )
    value = {"kind": model.kind, "name": model.name, "folder": str(model.folder)}
    print_result(value, str(model.folder), as_json=options.as_json)


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove an installed model; its run is kept."""
    from emotion.model_store.store import get_user_models
    from emotion.training.install import remove_model

    folder = get_user_models()
    remove_model(folder / name, folder)
    print(f"The model {name} was removed.")


@models.command("download-yunet")
def download_yunet_command() -> None:
    """Download the YuNet face detector (233 kB) into the user's cache."""
    from emotion.recognition.detectors.detector_factory import download_yunet

    print(f"YuNet is at {download_yunet()}.")
