"""Calibrate and score a trained classifier, and write its predictions, report and card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, majority_vote, vote_distribution
from emotion.datasets.duplicates import is_train_duplicate
from emotion.datasets.label_sets import TaskDataset, get_label_set, map_labels
from emotion.errors import ModelError
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.card_parts import Head
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier, compute_probabilities, softmax
from emotion.storage import read_json, write_json
from emotion.training.classifier.evaluation.calibration import calibrate_heads, fit_face_threshold
from emotion.training.classifier.evaluation.logits import make_head_error, matching_head, predict_logits, split_logits
from emotion.training.classifier.evaluation.robustness import evaluate_robustness
from emotion.training.metrics import (
    accuracy_by_coverage,
    bin_by_confidence,
    calibration_error,
    score_head,
)
from emotion.training.runs.folder import (
    REPORT_FILE,
    best_epoch_row,
    build_card,
    read_history,
    summarize_history,
    write_card,
)
from emotion.training.runs.prediction_recorder import save_final_predictions
from emotion.training.runs.predictions import Predictions
from emotion.translation.messages import gettext as _


def finalize_run(
    task: TaskDataset, folder: Path, card_fields: dict[str, Any], metadata: Mapping[str, Any]
) -> ModelBundle:
    """Calibrate and score an exported classifier and write its predictions, report and card.

    The card is written last: what is interrupted before leaves no folder that looks like a finished model.

    Args:
        task: The faces with the labels that the classifier learned.
        folder: The run folder.
        card_fields: The fields of the card before calibration; they are changed.
        metadata: Further fields of the report.

    Returns:
        The model in `folder`.
    """
    data = task.data
    classifier = open_unfinished(folder, card_fields)
    logits = {split: split_logits(classifier, data, split) for split in ("validation", "test")}
    validation = logits["validation"]
    card_fields["heads"] = calibrate_heads(card_fields["heads"], validation, data)
    card_fields["face_head"] = fit_face_threshold(card_fields["face_head"], validation, data)
    is_duplicate = is_train_duplicate(data)
    scores = {split: score_split(card_fields, logits[split], data, split, is_duplicate) for split in logits}
    history = read_history(folder)
    best_epoch = find_best_epoch(history)
    head = matching_head(card_fields, data)
    save_final_predictions(folder, _make_predictions(validation[head], task, "validation", best_epoch))
    evaluate_robustness(_make_predictor(classifier, head), task, folder)
    write_json(folder / REPORT_FILE, {**scores, **metadata, **summarize_history(history, best_epoch)})
    card_fields["metrics"] = {split: _select_card_metrics(scores[split]) for split in ("test", "validation")}
    write_card(folder, card_fields)
    return open_model(folder)


def open_unfinished(folder: Path, card_fields: Mapping[str, Any]) -> ExpressionClassifier:
    """Return the classifier in a folder without a card; `ModelError` where `card_fields` are not valid."""
    card = parse_card(folder / CARD_FILE, build_card(folder, card_fields))
    return ExpressionClassifier(ModelBundle(folder, card))


def find_best_epoch(history: Sequence[Mapping[str, str]]) -> int:
    """Return the epoch of `best_epoch_row`, 0 without one."""
    best = best_epoch_row(history)
    return int(float(best["epoch"])) if best else 0


def _make_predictor(classifier: ExpressionClassifier, head: str) -> Callable[[NDArray[np.uint8]], NDArray[np.integer]]:
    """Return a function that predicts the classes (n,) of faces."""
    return lambda faces: predict_logits(classifier, faces)[head].argmax(1)


def _make_predictions(logits: NDArray, task: TaskDataset, split: str, epoch: int) -> Predictions:
    """Return the predictions for a split, whose logits (n, k) these are, as those of an epoch."""
    rows = task.data.rows_in(split)
    probs = softmax(logits)
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


def score_split(
    card: Mapping[str, Any],
    logits: Mapping[str, NDArray],
    data: Dataset,
    split: str,
    is_duplicate: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Score a classifier on a split.

    Args:
        card: Its card, calibrated.
        logits: The logits of the split by head, as from `split_logits`.
        data: The data set in the labels of the classifier.
        split: The name of the split.
        is_duplicate: Rows (n,) of the data set that are also in the training split, where they are known.

    Returns:
        The scores of the head with the labels of the data set on all rows, and `accuracy_deduplicated` without rows
        that are also in the training split; `ferplus` and `ferplus_accuracy` on rows with a majority of the votes;
        `as_displayed` for what the app shows.

    Raises:
        DataError: No head has the labels of the data set.
    """
    rows = data.rows_in(split)
    part = data.take(rows)
    heads = card["heads"]
    result: dict[str, Any] = {"split": split, "n": len(part)}
    main = next((name for name, head in heads.items() if tuple(head["labels"]) == data.label_names), None)
    if main is not None:
        head = heads[main]
        result |= {"head": main} | score_head(logits[main], part.labels, head["labels"], head["temperature"])
        is_unique = ~(is_train_duplicate(data) if is_duplicate is None else is_duplicate)[rows]
        result["n_deduplicated"] = int(is_unique.sum())
        is_correct = logits[main].argmax(1) == part.labels
        result["accuracy_deduplicated"] = float(is_correct[is_unique].mean()) if is_unique.any() else None
    if "ferplus" in heads and part.votes is not None:
        majority, head = majority_vote(part), heads["ferplus"]
        voted = np.flatnonzero(majority >= 0)
        ferplus = score_head(logits["ferplus"][voted], majority[voted], head["labels"], head["temperature"])
        result |= {"ferplus": ferplus, "ferplus_accuracy": ferplus.get("accuracy"), "ferplus_n": ferplus["n"]}
        displayed = "expression" if "expression" in heads else "ferplus"
        result["as_displayed"] = _score_as_displayed(
            Head.model_validate(heads[displayed]), logits[displayed], majority, vote_distribution(part)
        )
    if "accuracy" not in result and "ferplus" not in result:
        raise make_head_error(data)
    return result


def _score_as_displayed(
    head: Head, logits: NDArray, majority: NDArray[np.integer], vote_shares: NDArray[np.floating]
) -> dict[str, Any]:
    """Score the displayed prediction, which has a bias for rare expressions, by the FER+ votes.

    As `score_head`, with `coverage`, for faces with a majority; `votes_n`, `votes_ece` and `votes_reliability` compare
    the confidence with the share of the votes for the prediction, for all faces with votes.
    """
    probs = compute_probabilities(logits, head)
    known, voted = majority >= 0, (vote_shares > 0).any(1)
    result = score_head(np.log(np.maximum(probs[known], 1e-12)), majority[known], head.labels)
    if known.any():
        result["coverage"] = accuracy_by_coverage(probs[known].max(1), probs[known].argmax(1) == majority[known])
    confidence, agreement = probs[voted].max(1), vote_shares[voted, probs[voted].argmax(1)]
    votes = {
        "votes_ece": calibration_error(confidence, agreement),
        "votes_reliability": bin_by_confidence(confidence, agreement),
    }
    return {**result, "votes_n": int(voted.sum()), **votes}


def _select_card_metrics(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores by head that the card repeats from the report."""
    names = ("n", "accuracy", "accuracy_interval", "balanced_accuracy", "ece", "accuracy_deduplicated")
    heads = {scores.get("head", ""): scores, "ferplus": scores.get("ferplus", {})}
    if scores.get("head") == "ferplus":
        heads["ferplus"] = scores
    heads["as_displayed"] = scores.get("as_displayed", {})
    return {
        head: {name: values[name] for name in names if name in values}
        for head, values in heads.items()
        if "accuracy" in values
    }


def evaluate_classifier(
    folder: Path, data: Dataset, split: str, *, save_predictions: bool = False, save_robustness: bool = False
) -> dict[str, Any]:
    """Score a model on a split of a data set, in the labels that it learned.

    Args:
        folder: The folder of a model or finished run.
        data: The data set.
        split: The name of the split.
        save_predictions: Write predictions.npz into `folder`.
        save_robustness: Write robustness.json into `folder`.

    Returns:
        The scores of `score_split`.

    Raises:
        ModelError: `folder` is no classifier.
        DataError: The split is empty, or no head has the labels of the data set.
    """
    bundle = open_model(folder)
    if bundle.kind != "classifier":
        text = _("{folder} is a {kind}; only a classifier can be evaluated.")
        raise ModelError(text.format(folder=folder, kind=_(bundle.kind)))
    classifier, task = ExpressionClassifier(bundle), match_model_labels(bundle, data)
    logits = split_logits(classifier, task.data, split)
    result = score_split(bundle.card_fields, logits, task.data, split)
    if save_predictions or save_robustness:
        head = matching_head(bundle.card_fields, task.data)
        if save_predictions:
            epoch = find_best_epoch(read_history(folder))
            save_final_predictions(folder, _make_predictions(logits[head], task, split, epoch))
        if save_robustness:
            evaluate_robustness(_make_predictor(classifier, head), task, folder, split)
    return result


def replace_heads(bundle: ModelBundle, data: Dataset, heads: Mapping[str, Head]) -> dict[str, Any]:
    """Replace calibrated heads in the card of a classifier, and score it again on validation and test split.

    Returns:
        The scores by split, which the report and the card hold, too.
    """
    task = match_model_labels(bundle, data)
    fields = {name: head.model_dump(mode="json", exclude_none=True) for name, head in heads.items()}
    card_fields = {**bundle.card_fields, "heads": {**bundle.card_fields["heads"], **fields}}
    classifier, is_duplicate = ExpressionClassifier(bundle), is_train_duplicate(task.data)
    scores = {
        split: score_split(card_fields, split_logits(classifier, task.data, split), task.data, split, is_duplicate)
        for split in ("validation", "test")
    }
    write_json(bundle.folder / REPORT_FILE, {**(read_json(bundle.folder / REPORT_FILE) or {}), **scores})
    metrics = {split: _select_card_metrics(scores[split]) for split in scores}
    write_card(bundle.folder, {**card_fields, "metrics": {**bundle.card.metrics, **metrics}})
    return scores


def match_model_labels(bundle: ModelBundle, data: Dataset) -> TaskDataset:
    """Return a data set in the labels that a classifier learned, unchanged where its card has no label set."""
    return (
        map_labels(data, get_label_set(bundle.classifier_card.label_set))
        if bundle.classifier_card.label_set is not None
        else wrap_dataset(data)
    )


def wrap_dataset(data: Dataset) -> TaskDataset:
    """Return all faces of a data set with its labels and votes."""
    return TaskDataset(data, np.arange(len(data), dtype=np.int32), get_label_set("own"), {})
