"""Copy finished runs into the models and remove such copies; shipped models are never changed."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from emotion.errors import EmotionError, ModelError
from emotion.jobs.result_folder import create_result
from emotion.jobs.result_manifest import MODEL
from emotion.model_store.card import CARD_FILE
from emotion.model_store.store import ModelBundle, list_models, open_model
from emotion.storage import read_json, write_json
from emotion.training.runs.predictions import PREDICTIONS_FILE, ROBUSTNESS_FILE
from emotion.training.runs.step_monitor import STEPS_FILE
from emotion.training.runs.tracked_examples import EXAMPLES_FILE
from emotion.translation.messages import gettext as _


def install_model(
    run_folder: Path, models_folder: Path, name: str, *, default: bool = False, overwrite: bool = False
) -> ModelBundle:
    """Copy a finished run into `models_folder`, where the app finds it.

    Args:
        run_folder: The folder of the run.
        models_folder: The folder of all models.
        name: The name of the model.
        default: Whether the app uses it unless another one is selected.
        overwrite: Whether an earlier copy with this name is replaced.

    Returns:
        The model in `models_folder`.

    Raises:
        ModelError: The run is not finished, the name is taken or not valid, or the copy cannot be written.
    """
    bundle = open_model(run_folder)
    if not name.strip() or Path(name).name != name or name.startswith("."):
        raise ModelError(_("{name!r} cannot name a model; choose a plain word.").format(name=name))
    target = models_folder / name
    if os.path.lexists(target) and not (overwrite and _is_installed_copy(target)):
        text = (
            _("There is already a model {name} in {folder}; choose another name, or replace it.")
            if _is_installed_copy(target)
            else _("There is already a model {name} in {folder}; choose another name.")
        )
        raise ModelError(text.format(name=name, folder=models_folder))
    try:
        with create_result(target, MODEL, inputs=[run_folder], overwrite=overwrite) as work_folder:
            displayed = [
                file
                for file in (PREDICTIONS_FILE, EXAMPLES_FILE, ROBUSTNESS_FILE, STEPS_FILE)
                if (run_folder / file).is_file()
            ]
            for file in (*bundle.card.files, *displayed):
                shutil.copy2(run_folder / file, work_folder / file)
            card = {key: value for key, value in bundle.card_fields.items() if key != "default"}
            write_json(
                work_folder / CARD_FILE,
                card | {"name": name, "source_run": run_folder.resolve().name, "default": default},
            )
    except OSError as error:
        raise ModelError(
            _("The model {name} cannot be written ({reason}); make room in {folder}.").format(
                name=name, reason=error.strerror, folder=models_folder
            )
        ) from error
    if default:
        for other in list_models(bundle.kind, models_folder).models:
            if other.source_run and other.name != name and other.card.default:
                write_json(other.folder / CARD_FILE, {**other.card_fields, "default": False})
    return open_model(target)


def remove_model(folder: Path, models_folder: Path) -> None:
    """Remove a model that `install_model` copied; its run stays.

    Args:
        folder: The folder of the model.
        models_folder: The folder of all models.

    Raises:
        ModelError: It is no such copy, or cannot be removed.
    """
    folder = Path(os.path.abspath(folder))
    if folder.parent != Path(os.path.abspath(models_folder)) or not _is_installed_copy(folder):
        raise ModelError(_("{name} is not a copy of a run; only copies can be removed.").format(name=folder.name))
    hidden = folder.with_name(f".{secrets.token_hex(4)}.part")
    try:
        folder.rename(hidden)  # in one step, so that no reader sees a part of the model
        shutil.rmtree(hidden)
    except OSError as error:
        raise ModelError(
            _("{folder} cannot be removed ({reason}); check its permissions.").format(
                folder=folder, reason=error.strerror
            )
        ) from error


def _is_installed_copy(folder: Path) -> bool:
    """Return whether `install_model` wrote it: only its copies have a `source_run`."""
    with suppress(EmotionError):
        return not folder.is_symlink() and bool((read_json(folder / CARD_FILE) or {}).get("source_run"))
    return False
