"""Learn to make faces: load -> fit -> export -> a finished run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from emotion.datasets.dataset import Dataset
from emotion.errors import DataError, ModelError
from emotion.expressions import EXPRESSIONS
from emotion.generation.config import GanConfig
from emotion.generation.sample_sheets import _save_sheets
from emotion.jobs.reporter import JobReporter
from emotion.model_store.store import ModelBundle, open_model
from emotion.storage import write_json
from emotion.training.runs.folder import (
    REPORT_FILE,
    read_history,
    remove_card,
    summarize_history,
    write_card,
    write_config,
)
from emotion.training.runs.run_context import RunContext


def train_generator(
    data: Dataset,
    config: GanConfig,
    folder: Path,
    reporter: JobReporter,
    guidance_classifier: ModelBundle,
    *,
    export_only: bool = False,
) -> ModelBundle:
    """Train a generator into `folder` and finish it as a model folder; goes on where an earlier call ended, or,
    with `export_only`, ends where it ended.

    `guidance_classifier` is a classifier, `config.guidance_classifier` its sha256; it chooses the epoch on the validation split, and teaches
    unless `config.guidance_weight` is 0. Nothing looks at the test split.
    """
    if guidance_classifier.kind != "classifier":
        raise ModelError(
            f"{guidance_classifier.folder} is a {guidance_classifier.kind}; a teacher must be a classifier."
        )
    strange = [name for name in data.label_names if name not in EXPRESSIONS]
    if strange:
        raise DataError(
            f"{data.source} has the labels {', '.join(strange)}; a generator can only learn to show "
            f"{', '.join(EXPRESSIONS)}."
        )
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.generation.networks import FACE_SIZE, LATENT_DIM, with_pixel_output
    from emotion.generation.trainer import train_gan
    from emotion.training.export import export_generator

    settings = {**asdict(config), "data": data.source, "rows": len(data), "labels": data.label_names}
    write_config(folder, "generator", settings)
    reporter.progress(len(read_history(folder)), config.epochs, "Loading")
    run = RunContext.from_job(folder, reporter, config.epochs, export_only=export_only)
    network = with_pixel_output(train_gan(data, config, run, guidance_classifier))
    remove_card(folder)
    difference = export_generator(network, folder)
    history = read_history(folder)
    best = min(history, key=lambda row: float(row["frechet"]))
    measured = {name: float(best[name]) for name in ("frechet", "class_consistency", "diversity")}
    write_json(
        folder / REPORT_FILE,
        {
            "validation": measured,
            "export_difference": difference,
            **summarize_history(history, int(best["epoch"])),
        },
    )
    write_card(
        folder,
        {
            "kind": "generator",
            "name": folder.name,
            "network": config.network,
            "num_parameters": network.count_params(),
            "latent_dim": LATENT_DIM,
            "labels": list(data.label_names),
            "truncation": 1.0,
            "output": {"size": FACE_SIZE, "color_mode": "grayscale", "range": [0, 255]},
            "guidance_classifier": {
                "name": guidance_classifier.name,
                "sha256": config.guidance_classifier,
                "weight": config.guidance_weight,
            },
            "sheet_epochs": _save_sheets(folder, len(history)),
            "best_epoch": int(best["epoch"]),
            "data": {"source": data.source, "rows": len(data)},
            "metrics": {"validation": measured},
        },
    )
    return open_model(folder)
