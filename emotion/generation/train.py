"""Learn to make faces: load -> fit -> export -> a finished run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotion.datasets.dataset import Dataset
from emotion.errors import DataError, ModelError
from emotion.expressions import EXPRESSIONS
from emotion.generation.sample_sheets import _keep_sheets
from emotion.jobs.reporter import Reporter
from emotion.model_store.store import Bundle, open_bundle
from emotion.storage import write_json
from emotion.training.runs.folder import REPORT, check_settings, drop_card, read_history, write_card


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
