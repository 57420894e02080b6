"""Train a generator and finish its run folder: check the inputs, fit, export, write report and card."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotion.datasets.dataset import Dataset
from emotion.errors import DataError, ModelError
from emotion.expressions import EXPRESSIONS
from emotion.generation.config import GanConfig
from emotion.generation.reports import GeneratorMetrics, GeneratorReport
from emotion.generation.sample_sheets import save_sheets
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
from emotion.translation.messages import gettext as _


def train_generator(
    data: Dataset,
    config: GanConfig,
    folder: Path,
    reporter: JobReporter,
    guidance_classifier: ModelBundle,
    *,
    export_only: bool = False,
) -> ModelBundle:
    """Train a generator into `folder`, resuming an earlier call, and finish the folder as a model.

    The epoch is selected on the validation split; the test split is not used.

    Args:
        data: Faces with the labels that the generator learns.
        config: Hyperparameters; `config.guidance_classifier` is the sha256 of `guidance_classifier`. With more epochs
            than before, a training in `folder` goes on by the longer schedule, also a finished one.
        folder: The run folder.
        reporter: Gets the progress and requests the stop.
        guidance_classifier: Extracts the features of the metrics, and guides unless `config.guidance_weight` is 0.
        export_only: Train no further epoch; export the best one so far.

    Raises:
        DataError: A label is no expression, or a split has too few faces.
        ModelError: `guidance_classifier` is no classifier or lacks a label.
        TrainingStopped: The reporter requested a stop; the same call resumes.
    """
    _check_inputs(data, guidance_classifier)
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.generation.networks import with_pixel_output
    from emotion.generation.trainer import train_gan
    from emotion.training.export import export_generator

    settings = {**asdict(config), "data": data.source, "rows": len(data), "labels": data.label_names}
    write_config(folder, "generator", settings, growing=("epochs",))
    reporter.progress(len(read_history(folder)), config.epochs, "Loading")

    run = RunContext.from_job(folder, reporter, config.epochs, export_only=export_only)
    generator = with_pixel_output(train_gan(data, config, run, guidance_classifier))
    remove_card(folder)
    report = _make_report(read_history(folder), export_generator(generator, folder))
    write_json(folder / REPORT_FILE, report)
    card = _make_card(folder, data, config, guidance_classifier, report)
    write_card(folder, {**card, "num_parameters": generator.count_params()})
    return open_model(folder)


def _check_inputs(data: Dataset, guidance_classifier: ModelBundle) -> None:
    if guidance_classifier.kind != "classifier":
        raise ModelError(
            _("{folder} is a {kind}; a generator is guided by a classifier.").format(
                folder=guidance_classifier.folder, kind=_(guidance_classifier.kind)
            )
        )
    unknown = [name for name in data.label_names if name not in EXPRESSIONS]
    if unknown:
        raise DataError(
            _("{source} has the labels {labels}; a generator can only learn {expected}.").format(
                source=data.source, labels=", ".join(unknown), expected=", ".join(EXPRESSIONS)
            )
        )


def _make_report(history: list[dict[str, str]], export_difference: float) -> GeneratorReport:
    best = min(history, key=lambda row: float(row["frechet"]))
    return GeneratorReport(
        validation=GeneratorMetrics(
            frechet=float(best["frechet"]),
            class_consistency=float(best["class_consistency"]),
            diversity=float(best["diversity"]),
        ),
        export_difference=export_difference,
        **summarize_history(history, int(best["epoch"])),
    )


def _make_card(
    folder: Path, data: Dataset, config: GanConfig, guidance_classifier: ModelBundle, report: GeneratorReport
) -> dict[str, Any]:
    from emotion.generation.networks import FACE_SIZE, LATENT_DIM

    return {
        "kind": "generator",
        "name": folder.name,
        "network": config.network,
        "latent_dim": LATENT_DIM,
        "labels": list(data.label_names),
        "truncation": 1.0,
        "output": {"size": FACE_SIZE, "color_mode": "grayscale", "range": [0, 255]},
        "guidance_classifier": {
            "name": guidance_classifier.name,
            "sha256": config.guidance_classifier,
            "weight": config.guidance_weight,
        },
        "sheet_epochs": save_sheets(folder, report["epochs"]),
        "best_epoch": report["best_epoch"],
        "data": {"source": data.source, "rows": len(data)},
        "metrics": {"validation": report["validation"]},
    }
