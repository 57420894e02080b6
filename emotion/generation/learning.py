"""Learn to make faces: load -> fit -> export -> a finished run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from emotion.bundles import Bundle, open_bundle
from emotion.errors import DataError, ModelError
from emotion.faces import EXPRESSIONS
from emotion.files import write_atomic, write_json
from emotion.reporting import Reporter
from emotion.training.datasets import Dataset
from emotion.training.runs import REPORT, SHEETS, check_settings, drop_card, read_history, write_card

_SHEETS: Final = 24  # epochs whose sheets are kept with the model, spread evenly


def learn_generator(
    data: Dataset, config: Any, folder: Path, report: Reporter, teacher: Bundle, *, finish: bool = False
) -> Bundle:
    """Train a generator into `folder` and finish it as a model folder; goes on where an earlier call ended, or,
    with `finish`, ends where it ended.

    `teacher` is a recogniser, `config.teacher` its sha256; it chooses the epoch on the public split, and teaches
    unless `config.teacher_weight` is 0. Nothing looks at the private split.
    """
    if teacher.kind != "recogniser":
        raise ModelError(f"{teacher.folder} is a {teacher.kind}; a teacher must be a recogniser.")
    strange = [name for name in data.label_names if name not in EXPRESSIONS]
    if strange:
        raise DataError(
            f"{data.source} has the labels {', '.join(strange)}; a generator can only learn to show "
            f"{', '.join(EXPRESSIONS)}."
        )
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.generation.networks import LATENT, SIDE, greys
    from emotion.generation.trainer import train_gan
    from emotion.training.export import export_generator

    check_settings(folder, {**asdict(config), "data": data.source, "rows": len(data), "labels": data.label_names})
    report.progress(len(read_history(folder)), config.epochs, "Loading")

    def on_epoch(epoch: int, seconds: float, row: dict[str, float]) -> bool:
        text = f"epoch {epoch} of {config.epochs}, distance {row['frechet']:.2f}, as asked {row['consistency']:.0%}"
        report.progress(epoch, config.epochs, text)
        return report.stopping

    network = greys(train_gan(data, config, folder, teacher, on_epoch, finish))
    drop_card(folder)
    difference = export_generator(network, folder)
    history = read_history(folder)
    best = min(history, key=lambda row: float(row["frechet"]))
    measured = {name: float(best[name]) for name in ("frechet", "consistency", "diversity")}
    write_json(folder / REPORT, {
        "public": measured, "best_epoch": int(best["epoch"]), "epochs": len(history), "export_difference": difference,
        "minutes": sum(float(row["seconds"] or 0) for row in history) / 60,
    })  # fmt: skip
    write_card(folder, {
        "kind": "generator", "name": folder.name, "network": config.network, "parameters": network.count_params(),
        "latent": LATENT, "labels": list(data.label_names), "truncation": 1.0,
        "output": {"size": SIDE, "colour": "grey", "range": [0, 255]},
        "teacher": {"name": teacher.name, "sha256": config.teacher, "weight": config.teacher_weight},
        "sheets": _keep_sheets(folder, len(history)), "best_epoch": int(best["epoch"]),
        "data": {"source": data.source, "rows": len(data)}, "metrics": {"public": measured},
    })  # fmt: skip
    return open_bundle(folder)


def _keep_sheets(folder: Path, epochs: int) -> list[int]:
    """Put the sheets of some epochs into one small picture, each below the one before; returns these epochs."""
    wanted = np.unique(np.linspace(1, epochs, min(epochs, _SHEETS)).round().astype(int)).tolist()
    sheets = {epoch: cv2.imread(str(sheet_path(folder, epoch)), cv2.IMREAD_GRAYSCALE) for epoch in wanted}
    there = {epoch: sheet for epoch, sheet in sheets.items() if sheet is not None}
    _, webp = cv2.imencode(".webp", np.concatenate(list(there.values())), [cv2.IMWRITE_WEBP_QUALITY, 80])
    write_atomic(folder / SHEETS, webp.tobytes())
    return list(there)


def sheet_path(folder: Path, epoch: int) -> Path:
    """The sheet of an epoch (from 1) of a run: the seeds 0 to 7 side by side, an expression in each row."""
    return folder / "samples" / f"epoch-{epoch:03d}.png"
