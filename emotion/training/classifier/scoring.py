"""What a trained classifier is worth: calibrate and score it, keep what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resize_images
from emotion.datasets.dataset import Dataset, is_non_face, majority_vote, vote_distribution
from emotion.datasets.duplicates import is_train_duplicate
from emotion.datasets.label_sets import TaskDataset, get_label_set, map_labels
from emotion.errors import DataError, ModelError
from emotion.model_store.card import CARD_FILE, Head, parse_card
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier, compute_probabilities, softmax
from emotion.storage import read_json, write_json
from emotion.training.classifier.robustness import evaluate_robustness
from emotion.training.metrics import (
    accuracy_by_coverage,
    bin_by_confidence,
    calibration_error,
    fit_logit_bias,
    fit_temperature,
    score_head,
)
from emotion.training.runs.folder import REPORT_FILE, best_epoch_row, build_card, read_history, write_card
from emotion.training.runs.prediction_recorder import save_final_predictions
from emotion.training.runs.predictions import Predictions


class LogitsModel(Protocol):
    """A classifier: grey uint8 (n, size, size) to logits by head name."""

    input_size: int

    def logits(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Raw outputs by head name."""
        ...


def finalize_run(
    task: TaskDataset, folder: Path, card_fields: dict[str, Any], metadata: Mapping[str, Any]
) -> ModelBundle:
    """Calibrate and score the classifier in `folder`, whose card shall be `card_fields`, and keep what it says; the report
    gets `metadata`, too. The card is written last: what breaks off before leaves no model that looks finished."""
    data = task.data
    classifier = open_unfinished(folder, card_fields)
    validation = split_logits(classifier, data, "validation")
    card_fields["heads"] = _calibrate_heads(card_fields["heads"], validation, data)
    card_fields["face_head"] = (
        _fit_face_threshold(validation, data.take(data.rows_in("validation"))) if "face" in validation else None
    )
    scores = {
        split: score_split(card_fields, split_logits(classifier, data, split), data, split)
        for split in ("validation", "test")
    }
    history = read_history(folder)
    best = find_best_epoch(history)
    save_final_predictions(folder, predict_split(classifier, task, "validation", best))
    evaluate_robustness(_make_predictor(classifier, task), task, folder)
    write_json(
        folder / REPORT_FILE,
        {
            **scores,
            **metadata,
            "epochs": len(history),
            "best_epoch": best,
            "train_minutes": sum(float(row.get("seconds") or 0) for row in history) / 60,
        },
    )
    card_fields["metrics"] = {split: _select_card_metrics(scores[split]) for split in ("test", "validation")}
    write_card(folder, card_fields)
    return open_model(folder)


def open_unfinished(folder: Path, card_fields: Mapping[str, Any]) -> ExpressionClassifier:
    """The network in `folder` as the classifier that `card_fields` describe, without a card; `ModelError` where they cannot
    be right."""
    card = parse_card(folder / CARD_FILE, build_card(folder, card_fields))
    return ExpressionClassifier(ModelBundle(folder, card))


def find_best_epoch(history: Sequence[Mapping[str, str]]) -> int:
    """The epoch that is kept, see `best_epoch_row`; 0 without any."""
    best = best_epoch_row(history)
    return int(float(best["epoch"])) if best else 0


def _make_predictor(
    classifier: ExpressionClassifier, task: TaskDataset
) -> Callable[[NDArray[np.uint8]], NDArray[np.integer]]:
    """What says the place of the label for each of some faces."""
    name = matching_head(classifier.bundle.card_fields, task.data)
    return lambda faces: predict_logits(classifier, faces)[name].argmax(1)


def predict_split(classifier: ExpressionClassifier, task: TaskDataset, split: str, epoch: int) -> Predictions:
    """What a finished classifier says of every face of a split, as the answers of that epoch."""
    rows = task.data.rows_in(split)
    name = matching_head(classifier.bundle.card_fields, task.data)
    probs = softmax(split_logits(classifier, task.data, split)[name])
    return Predictions(
        task.rows[rows],
        task.data.labels[rows],
        np.array([epoch], np.int32),
        probs.argmax(1).astype(np.int8)[None],
        probs.astype(np.float16),
        epoch,
        split,
        task.data.label_names,
    )


def split_logits(
    classifier: LogitsModel, data: Dataset, split: str, batch_size: int = 256
) -> dict[str, NDArray[np.float32]]:
    """The logits by head for every row of a split, without any averaging."""
    images = data.images[data.rows_in(split)]
    if len(images) == 0:
        raise DataError(f"The data set {data.source} has no {split} rows.")
    return predict_logits(classifier, images, batch_size)


def predict_logits(
    classifier: LogitsModel, images: NDArray[np.uint8], batch_size: int = 256
) -> dict[str, NDArray[np.float32]]:
    """The logits by head for grey faces uint8 (n, h, w) of any size, n at least 1."""
    parts = [
        classifier.logits(resize_images(images[i : i + batch_size], classifier.input_size))
        for i in range(0, len(images), batch_size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def matching_head(card: Mapping[str, Any], data: Dataset) -> str:
    """The name of the answer with the labels of the data set; `DataError` where the model has none."""
    for name, head in card["heads"].items():
        if tuple(head["labels"]) == data.label_names:
            return name
    raise DataError(f"No answer of this model has the labels of {data.source}: {', '.join(data.label_names)}.")


def _calibrate_heads(heads: dict[str, Any], logits: Mapping[str, NDArray], data: Dataset) -> dict[str, Any]:
    """The heads with temperatures fitted on the validation split: that of FER+ so that a certainty is the share of people
    who would say the same, with what rare expressions get ahead; others so that it is how often they are right."""
    validation, fitted = data.take(data.rows_in("validation")), {}
    for name, head in heads.items():
        labels = vote_distribution(validation) if name == "ferplus" else validation.labels
        rows = np.flatnonzero((labels > 0).any(1) if name == "ferplus" else labels >= 0)
        fitted[name] = {**head, "temperature": round(fit_temperature(logits[name][rows], labels[rows]), 4)}
    majority = majority_vote(validation)
    named = np.flatnonzero(majority >= 0)
    if "ferplus" in fitted and named.size:
        prior = vote_distribution(data.take(data.rows_in("train"))).sum(0)
        calm = logits["ferplus"][named] / fitted["ferplus"]["temperature"]
        bias = fit_logit_bias(calm, majority[named], prior / max(1e-9, prior.sum()))
        fitted["ferplus"]["logit_bias"] = [round(float(value), 4) for value in bias]
    return fitted


def _fit_face_threshold(logits: Mapping[str, NDArray], validation: Dataset) -> dict[str, Any]:
    """The face head with the probability that 99 of 100 faces of the validation split reach."""
    kept = logits["face"][~is_non_face(validation), 0]
    threshold = float(1 / (1 + np.exp(-np.quantile(kept, 0.01)))) if kept.size else 0.5
    return {"output": "face", "threshold": round(min(0.999, max(0.001, threshold)), 4)}


def score_split(card: Mapping[str, Any], logits: Mapping[str, NDArray], data: Dataset, split: str) -> dict[str, Any]:
    """Everything that is reported of a classifier on a split; `logits` are those of `split_logits`.

    The FER-2013 head is scored on all rows (at the top level, and without rows whose very pixels are in
    Training), the FER+ head on rows with a majority (`ferplus`, `ferplus_accuracy`).
    """
    rows = data.rows_in(split)
    part = data.take(rows)
    heads = card["heads"]
    result: dict[str, Any] = {"split": split, "n": len(part)}
    main = next((name for name, head in heads.items() if tuple(head["labels"]) == data.label_names), None)
    if main is not None:
        head = heads[main]
        result |= {"head": main} | score_head(logits[main], part.labels, head["labels"], head["temperature"])
        fresh = ~is_train_duplicate(data)[rows]
        result["n_deduplicated"] = int(fresh.sum())
        right = logits[main].argmax(1) == part.labels
        result["accuracy_deduplicated"] = float(right[fresh].mean()) if fresh.any() else None
    if "ferplus" in heads and part.votes is not None:
        majority, head = majority_vote(part), heads["ferplus"]
        named = np.flatnonzero(majority >= 0)
        ferplus = score_head(logits["ferplus"][named], majority[named], head["labels"], head["temperature"])
        result |= {"ferplus": ferplus, "ferplus_accuracy": ferplus.get("accuracy"), "ferplus_n": ferplus["n"]}
        result["as_displayed"] = _score_as_displayed(
            Head.model_validate(head), logits["ferplus"], majority, vote_distribution(part)
        )
    if "accuracy" not in result and "ferplus" not in result:
        raise DataError(f"No answer of this model has the labels of {data.source}: {', '.join(data.label_names)}.")
    return result


def _score_as_displayed(
    head: Head, logits: NDArray, majority: NDArray[np.integer], vote_shares: NDArray[np.floating]
) -> dict[str, Any]:
    """What people see of the FER+ answer, which gives rare expressions something ahead: as `score_head` and with
    `accuracy_by_coverage` for the faces with a `majority`; with `votes_n`, `votes_ece` and `votes_reliability`, where the share of
    the votes for the answer counts instead of whether it is right, for all faces that people could name."""
    probs = compute_probabilities(logits, head)
    named, voted = majority >= 0, (vote_shares > 0).any(1)
    result = score_head(np.log(np.maximum(probs[named], 1e-12)), majority[named], head.labels)
    if named.any():
        result["coverage"] = accuracy_by_coverage(probs[named].max(1), probs[named].argmax(1) == majority[named])
    sure, agreeing = probs[voted].max(1), vote_shares[voted, probs[voted].argmax(1)]
    votes = {"votes_ece": calibration_error(sure, agreeing), "votes_reliability": bin_by_confidence(sure, agreeing)}
    return {**result, "votes_n": int(voted.sum()), **votes}


def _select_card_metrics(scores: Mapping[str, Any]) -> dict[str, Any]:
    """What the card repeats of a report, by head."""
    names = ("n", "accuracy", "accuracy_interval", "balanced_accuracy", "ece", "accuracy_deduplicated")
    heads = {scores.get("head", ""): scores, "ferplus": scores.get("ferplus", {})}
    if scores.get("head") == "ferplus":
        heads["ferplus"] = scores
    heads["as_displayed"] = scores.get("as_displayed", {})
    return {
        head: {name: one[name] for name in names if name in one} for head, one in heads.items() if "accuracy" in one
    }


def evaluate_classifier(
    folder: Path, data: Dataset, split: str, *, save_predictions: bool = False, save_robustness: bool = False
) -> dict[str, Any]:
    """Score a model or finished run on a split of a data set, in the labels that it learned; see `score_split`.

    `save_predictions` and `save_robustness` write predictions.npz and robustness.json into its folder.
    """
    bundle = open_model(folder)
    if bundle.kind != "classifier":
        raise ModelError(f"{folder} is a {bundle.kind}; only a classifier can be evaluated.")
    classifier, task = ExpressionClassifier(bundle), match_model_labels(bundle, data)
    result = score_split(bundle.card_fields, split_logits(classifier, task.data, split), task.data, split)
    if save_predictions:
        save_final_predictions(folder, predict_split(classifier, task, split, find_best_epoch(read_history(folder))))
    if save_robustness:
        evaluate_robustness(_make_predictor(classifier, task), task, folder, split)
    return result


def save_end_to_end(bundle: ModelBundle, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the rows of `evaluate_end_to_end` into the report of a classifier, and their shares into its card."""
    write_json(
        bundle.folder / REPORT_FILE, {**(read_json(bundle.folder / REPORT_FILE) or {}), "end_to_end": list(rows)}
    )
    names = ("detector", "split", "n", "detection_rate", "accuracy_detected", "accuracy_all", "accuracy_crops")
    summary = [{name: row[name] for name in names} for row in rows]
    write_card(bundle.folder, {**bundle.card_fields, "metrics": {**bundle.card.metrics, "end_to_end": summary}})


def match_model_labels(bundle: ModelBundle, data: Dataset) -> TaskDataset:
    """The data set in the labels that a classifier learned; as it is where its card does not say."""
    return (
        map_labels(data, get_label_set(bundle.classifier_card.label_set))
        if bundle.classifier_card.label_set is not None
        else wrap_dataset(data)
    )


def wrap_dataset(data: Dataset) -> TaskDataset:
    """All faces of a data set with its own labels and its votes."""
    return TaskDataset(data, np.arange(len(data), dtype=np.int32), get_label_set("own"), {})
