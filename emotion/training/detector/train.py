"""Learn to find faces: load -> one style of boxes -> fit -> calibrate -> a finished run folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from emotion.datasets.detection_dataset import LabelledPhoto, in_one_style
from emotion.errors import DataError, ModelError
from emotion.jobs.reporter import Reporter
from emotion.model_store.card import CARD, check_facts
from emotion.model_store.store import Bundle, open_bundle
from emotion.recognition.onnx_detector import Glance
from emotion.storage import read_json, write_json
from emotion.training.detector.evaluation import THRESHOLD, search
from emotion.training.detector.metrics import precision_recall, together
from emotion.training.runs.folder import (
    CONFIG,
    REPORT,
    check_settings,
    described,
    drop_card,
    read_history,
    worth,
    write_card,
)

# Until `measure-crops --keep` has measured this detector's own; boxes of the same style have about these.
_FIRST_CROPS: Final = {"scale": 1.13, "down": 0.02}


def learn_detector(
    photos: Sequence[LabelledPhoto], config: Any, folder: Path, report: Reporter, start: Bundle | None = None
) -> Bundle:
    """Train a face detector into `folder` and finish it as a model folder; goes on where an earlier call ended.

    `start` is a finished detector that is taught further, `config.start` its sha256.

    The epoch and the meaning of the scores are chosen on the photos that are held out. Raises `DataError` where
    there is too little to learn or to measure.
    """
    # Keras takes three seconds and 600 MB: only a process that trains loads it.
    from emotion.training.detector.network import NAME
    from emotion.training.detector.trainer import train_detector
    from emotion.training.export import export_detector

    # The name is for who looks while it learns; a training that goes on does not compare it.
    check_settings(
        folder, {**asdict(config), "photos": dict(Counter(photo.source for photo in photos))}, {"network": NAME}
    )
    report.progress(len(read_history(folder)), config.epochs, "Loading")

    def on_epoch(epoch: int, seconds: float, row: dict[str, float]) -> bool:
        report.progress(epoch, config.epochs, f"epoch {epoch} of {config.epochs}, precision {row['val_ap']:.1%}")
        return report.stopping

    photos = in_one_style(photos)
    network = train_detector(photos, config, folder, on_epoch, start.folder / "model.keras" if start else None)
    drop_card(folder)
    difference = export_detector(network, folder)
    held = [photo for photo in photos if photo.held_out]
    facts: dict[str, Any] = {
        "kind": "detector", "name": folder.name, "network": network.name, "parameters": network.count_params(),
        "input": {"colour": "rgb", "range": [0, 255], "preprocessing": "none"},
        "score": {"slope": 1.0, "offset": 0.0}, "crops": dict(_FIRST_CROPS),
        "data": {"photos": (read_json(folder / CONFIG) or {})["photos"], "held_out": len(held)}, "metrics": {},
    }  # fmt: skip
    facts["score"] = _calibration(_unfinished(folder, facts), held)
    history = read_history(folder)
    best = max(history, key=worth)
    facts["metrics"] = {"held_out": {
        "n": len(held), "ap": float(best["val_ap"]), **_shares(_unfinished(folder, facts), held),
    }}  # fmt: skip
    write_json(folder / REPORT, {
        **facts["metrics"], "export_difference": difference, "epochs": len(history), "best_epoch": int(best["epoch"]),
        "minutes": sum(float(row["seconds"] or 0) for row in history) / 60,
    })  # fmt: skip
    write_card(folder, facts)
    return open_bundle(folder)


def _unfinished(folder: Path, facts: dict[str, Any]) -> Glance:
    """The network in `folder` as the detector that `facts` describe; its card comes last, when all is measured."""
    return Glance(Bundle(folder, described(folder, facts)))


def _calibration(detector: Glance, held: Sequence[LabelledPhoto]) -> dict[str, float]:
    """Slope and offset that turn score logits into the probability that a box is a face (Platt 1999,
    "Probabilistic outputs for support vector machines"), on held-out photos."""
    matched = together(search(detector, photo, 0.001).match(0.4) for photo in held)
    if matched.hits.all() or not matched.hits.any():
        raise DataError(
            f"Of {len(matched.hits)} boxes on {len(held)} held-out photos {matched.hits.sum()} are right; with both "
            "right and wrong ones the scores could be given a meaning. Use more photos or train longer."
        )
    scores = matched.scores.clip(1e-9, 1 - 1e-9)
    logits = np.log(scores / (1 - scores))
    fitted = LogisticRegression(C=1e6).fit(logits[:, None], matched.hits)
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if not slope > 0:
        raise DataError("The network's scores say nothing about where a face is; train it longer.")
    return {"slope": round(slope, 4), "offset": round(offset, 4)}


def _shares(detector: Glance, held: Sequence[LabelledPhoto]) -> dict[str, float]:
    matched = together(search(detector, photo, THRESHOLD).match(0.4) for photo in held)
    precision, recall = precision_recall(matched, THRESHOLD)
    return {"precision": round(precision, 4), "recall": round(recall, 4)}


def keep(folder: Path, report: dict[str, Any] | None = None, **facts: Any) -> Bundle:
    """Write what was measured of a detector into its report and its card; `ModelError` where it is none of ours
    or what was measured cannot be right."""
    bundle = open_bundle(folder)
    if bundle.kind != "detector":
        raise ModelError(f"{folder} is a {bundle.kind}; only a detector can keep this.")
    check_facts(folder / CARD, {**bundle.card, **facts})  # before a good card is lost
    if report is not None:
        write_json(folder / REPORT, {**(read_json(folder / REPORT) or {}), **report})
    write_card(folder, {**bundle.card, **facts})
    return open_bundle(folder)
