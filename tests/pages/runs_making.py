"""Run folders as a training leaves them, written without a training."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from emotion.expressions import FER2013_LABELS
from emotion.training.runs.predictions import Predictions
from emotion.training.runs.tracked_examples import TrackedExamples

EPOCHS = 5
ROWS = 210


def write_data(path: Path, votes: bool = True) -> Path:
    """Write a small FER-2013: 210 faces, each label in turn; the middle third is for validation."""
    rng = np.random.default_rng(1)
    labels = (np.arange(ROWS) % 7).astype(np.int8)
    images = np.clip(labels[:, None, None] * 30.0 + rng.normal(20, 15, (ROWS, 48, 48)), 0, 255).astype(np.uint8)
    arrays: dict[str, Any] = {"images": images, "label": labels, "usage": (np.arange(ROWS) // 70).astype(np.int8)}
    if votes:
        arrays["ferplus"] = np.tile(np.array([2, 7, 0, 0, 0, 0, 0, 0, 1, 0], np.int8), (ROWS, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, allow_pickle=True, **arrays)
    return path


def make_run(
    folder: Path,
    *,
    data: Path | str = "",
    seed: int = 0,
    epochs: int = EPOCHS,
    planned: int = EPOCHS,
    job: str | None = None,
    has_predictions: bool = True,
    has_robustness: bool = True,
    **config: Any,
) -> Path:
    """Write the files of a run that pages read: `epochs` of `planned` are trained; `job` is the status of its job."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    settings = {
        "kind": "classifier",
        "network": "mlp",
        "data": str(data),
        "source": Path(str(data)).name,
        "label_set": "fer2013",
        "label_names": list(FER2013_LABELS),
        "epochs": planned,
        "batch_size": 32,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "lr_schedule": "constant",
        "early_stopping_patience": 0,
        "seed": seed,
        "size": 48,
        "rows": ROWS,
        "num_parameters": 1_313_031,
        "horizontal_flip": False,
        "weights": "random",
    }
    (folder / "config.json").write_text(json.dumps(settings | config))
    accuracies = [0.2 + 0.1 * min(i, epochs - 2) - 0.05 * (i == epochs - 1) for i in range(epochs)]
    lines = ["epoch,seconds,learning_rate,loss,accuracy,val_loss,val_accuracy"]
    lines += [f"{i},30,0.001,{2 / i:.4f},{0.1 * i:.4f},1.5,{r:.4f}" for i, r in enumerate(accuracies, 1)]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    steps = ["epoch,step,num_steps,seconds,loss,accuracy,learning_rate"]
    steps += [f"{e},{s},10,{s},{2 / e:.4f},{0.1 * e:.4f},0.001" for e in range(1, epochs + 2) for s in (5, 10)]
    (folder / "steps.csv").write_text("\n".join(steps) + "\n")
    rows = np.arange(70, 140, dtype=np.int32)
    labels = (rows % 7).astype(np.int8)
    predicted = np.stack([np.where(rng.random(70) < r, labels, (labels + 1) % 7) for r in accuracies]).astype(np.int8)
    best = int(np.argmax(accuracies)) + 1
    p = np.full((70, 7), 0.05)
    p[np.arange(70), predicted[best - 1]] = 0.7
    if has_predictions:
        Predictions(
            rows,
            labels,
            np.arange(1, epochs + 1, dtype=np.int32),
            predicted,
            p.astype(np.float16),
            best,
            "validation",
            FER2013_LABELS,
        ).save(folder)
        faces = rng.integers(0, 256, (7, 48, 48)).astype(np.uint8)
        TrackedExamples(
            faces,
            np.arange(7, dtype=np.int8),
            np.arange(1, epochs + 1, dtype=np.int32),
            np.full((epochs, 7, 7), 1 / 7, np.float16),
        ).save(folder)
    if has_robustness:
        kinds = [("blur", "pixels"), ("rotation", "degrees")]
        table = [
            {"corruption": k, "severity": a, "unit": u, "accuracy": 0.5 - a / 10, "macro_recall": 0.4}
            for k, u in kinds
            for a in range(4)
        ]
        (folder / "robustness.json").write_text(json.dumps({"split": "validation", "n": 70, "rows": table}))
    if job:
        (folder / "job.json").write_text(json.dumps({"label": folder.name, "created": time.time()}))
        state = {"status": job, "pid": 2**30, "process_started_at": 1.0, "error": None}
        (folder / "state.json").write_text(json.dumps(state))
    return folder
