"""Read and write the files of a run folder: config, history, report and card."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from emotion.environment import get_workspace
from emotion.errors import EmotionError
from emotion.model_store.card import CARD_FILE
from emotion.model_store.store import compute_sha256
from emotion.storage import read_file, read_json, write_atomic, write_json
from emotion.translation.messages import gettext as _

ModelKind = Literal["classifier", "detector", "features", "generator", "upscaler"]

RUNS_FOLDER: Final = get_workspace() / "runs"
_MAX_EPOCHS: Final = 10**7
CHECKPOINT_FILE: Final = "checkpoint.npz"
HISTORY_FILE: Final = "history.csv"
CONFIG_FILE: Final = "config.json"
REPORT_FILE: Final = "report.json"
SWEEP_FILE: Final = "sweep.json"  # of a sweep, whose folder has the run folders of its trials
STUDY_FILE: Final = "augmentation_study.json"  # of a generator: whether its images help to train a classifier
SAMPLE_SHEETS_FILE: Final = "samples.webp"  # of a generator: images from some of its epochs


def read_history(folder: Path) -> list[dict[str, str]]:
    """Return the rows of history.csv with an epoch that is possible or none, see `read_csv_rows`."""
    return [row for row in read_csv_rows(folder / HISTORY_FILE) if _has_epoch(row)]


def read_csv_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table as text, a number or nothing in every column; a file that is missing or cannot be read
    is no rows.

    Damaged lines are left out, and so is a last one without a line break, which may lack a part of a number.
    """
    try:
        text = read_file(path).decode("utf-8-sig", errors="replace")  # an editor may add a byte order mark
    except OSError:
        return []
    lines = [line.split(",") for line in text[: text.rfind("\n") + 1].splitlines()]
    return [
        dict(zip(lines[0], cells, strict=True))
        for cells in lines[1:]
        if len(cells) == len(lines[0]) and any(cells) and all(map(_is_number_or_empty, cells))
    ]


def _has_epoch(row: Mapping[str, str]) -> bool:
    epoch = parse_number(row.get("epoch") or "0")
    return epoch is not None and 0 <= epoch <= _MAX_EPOCHS


def _is_number_or_empty(cell: str) -> bool:
    try:
        float(cell or 0)
    except ValueError:
        return False
    return True


def parse_number(cell: str | None) -> float | None:
    """Return the finite number in a cell of a history, None where there is none."""
    try:
        value = float(cell or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def best_epoch_row(rows: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """Return the first of the best epochs of a history, None where nothing was measured.

    A classifier has the highest mean of its validation accuracies then, or the highest recall of its expression head
    where no other one is trained; a detector the highest `selection_score`, a features network the highest
    `features_score`.
    """
    scored = [(score, row) for row in rows if (score := _score_epoch(row)) is not None]
    recalls = [parse_number(row.get("val_expression_recall")) for _score, row in scored]
    if len({score for score, _row in scored}) == 1:  # the accuracies of frozen heads
        scored = [(recall or score, row) for recall, (score, row) in zip(recalls, scored, strict=True)]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def read_accuracies(folder: Path) -> list[float]:
    """Return the validation accuracy of a classifier after each epoch, from 0 to 1."""
    return [value for row in read_history(folder) if (value := get_accuracy(row)) is not None]


def get_accuracy(row: Mapping[str, str]) -> float | None:
    """Return the accuracy in a row of a history on the labels of the data set, None where it has none."""
    accuracies = (parse_number(row.get(name)) for name in ("val_accuracy", "val_fer2013_accuracy"))
    return next((value for value in accuracies if value is not None), None)


def _score_epoch(row: Mapping[str, str]) -> float | None:
    if row.get("val_ap"):
        score = selection_score(row)
    elif row.get("val_point_error"):
        score = features_score(row)
    else:
        cells = [cell for name, cell in row.items() if name.startswith("val_") and name.endswith("accuracy")]
        accuracies = [float(cell) for cell in cells if cell and _is_number_or_empty(cell)]
        score = sum(accuracies) / len(accuracies) if accuracies else math.nan
    return score if math.isfinite(score) and float(row.get("epoch") or 0) > 0 else None


def append_history(folder: Path, row: Mapping[str, float]) -> None:
    """Add an epoch to history.csv instead of it and later ones, which a crash between two writes may have left."""
    rows = [r for r in read_history(folder) if 0 < float(r.get("epoch") or 0) < row["epoch"]]
    lines = [list(row), *([r.get(k, "") for k in row] for r in rows), [_format_number(v) for v in row.values()]]
    write_atomic(folder / HISTORY_FILE, "".join(",".join(map(str, line)) + "\n" for line in lines))


def _format_number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def write_config(
    folder: Path,
    kind: ModelKind,
    config: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
    growing: Collection[str] = (),
) -> None:
    """Write config.json before the first step.

    Args:
        folder: The run folder.
        kind: The kind of model that is trained.
        config: The settings that decide the result.
        metadata: What may change between a stop and a resume, as the paths of files.
        growing: The numbers of `config` that may be larger than before.

    Raises:
        EmotionError: `folder` holds a training with other settings.
    """
    existing = read_json(folder / CONFIG_FILE)
    is_started = any((folder / name).exists() for name in (CHECKPOINT_FILE, HISTORY_FILE, CARD_FILE))
    if existing is not None and is_started:
        settings = _to_jsonable(config)
        kept = {name for name in growing if isinstance(existing.get(name), int) and existing[name] <= settings[name]}
        changed = [name for name in settings if name not in existing or existing[name] != settings[name]]
        changed = [name for name in changed if name not in kept]
        if changed:
            raise EmotionError(
                _(
                    "{folder} holds a training with other settings; choose another folder (it differs in {names})."
                ).format(folder=folder, names=", ".join(changed))
            )
    write_json(folder / CONFIG_FILE, {"kind": kind, **(metadata or {}), **config})


class TrainingSummary(TypedDict):
    """What every report has of a history."""

    epochs: int
    best_epoch: int
    train_minutes: float


def summarize_history(history: Sequence[Mapping[str, str]], best_epoch: int) -> TrainingSummary:
    """Summarize a history for a report."""
    return {
        "epochs": len(history),
        "best_epoch": best_epoch,
        "train_minutes": sum(float(row.get("seconds") or 0) for row in history) / 60,
    }


def _to_jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _to_jsonable(v) for k, v in value.items()}
    return [_to_jsonable(v) for v in value] if isinstance(value, list | tuple) else value


def build_card(folder: Path, card_fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card: the given fields, size and sha256 of the files, and date and versions unless given."""
    names = ("model.keras", "model.onnx", HISTORY_FILE, CONFIG_FILE, REPORT_FILE, SAMPLE_SHEETS_FILE, STUDY_FILE)
    files = [folder / name for name in names if (folder / name).is_file()]
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "onnx", "onnxruntime", "numpy")},
        **card_fields,
        "files": {p.name: {"bytes": p.stat().st_size, "sha256": compute_sha256(p)} for p in files},
    }


def remove_card(folder: Path) -> None:
    """Remove a card before its files are written again: after an interruption it would describe other files."""
    (folder / CARD_FILE).unlink(missing_ok=True)


def write_card(folder: Path, card_fields: Mapping[str, Any]) -> None:
    """Write card.json; with it the folder is a finished model, so it is written last."""
    write_json(folder / CARD_FILE, build_card(folder, card_fields))


def selection_score(metrics: Mapping[str, Any]) -> float:
    """Return the score by which the best epoch of a detector is chosen: average precision minus landmark error.

    An error of a hundredth of the face's side counts as one point of precision; an unknown one as 0.
    """
    error = float(metrics.get("val_landmark_error") or math.nan)
    return float(metrics["val_ap"]) - (0.0 if math.isnan(error) else error)


def features_score(metrics: Mapping[str, Any]) -> float:
    """Return the score by which the best epoch of a features network is chosen: correlation minus point error.

    A point error of a hundredth of the eye distance counts as one point of correlation.
    """
    return float(metrics["val_correlation"]) - float(metrics["val_point_error"])
