"""What a trained recogniser is worth: calibrate and score it, keep what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resized
from emotion.datasets.dataset import Dataset, ferplus_majority, ferplus_shares, not_faces
from emotion.datasets.duplicates import seen_in_training
from emotion.datasets.label_sets import Lesson, apply, label_set
from emotion.errors import DataError, ModelError
from emotion.model_store.card import CARD, Head, check_facts
from emotion.model_store.store import Bundle, open_bundle
from emotion.recognition.classification import Recogniser, probabilities, softmax
from emotion.storage import read_json, write_json
from emotion.training.classifier.robustness import stress_test
from emotion.training.metrics import binned, calibration_error, coverage, fit_offset, fit_temperature, score_head
from emotion.training.runs.folder import REPORT, best_row, described, read_history, write_card
from emotion.training.runs.prediction_recorder import keep_best
from emotion.training.runs.predictions import Answers


class SpeaksLogits(Protocol):
    """A recogniser: grey uint8 (n, size, size) to logits by head name."""

    size: int

    def logits(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Raw outputs by head name."""
        ...


def rated(lesson: Lesson, folder: Path, facts: dict[str, Any], beside: Mapping[str, Any]) -> Bundle:
    """Calibrate and score the recogniser in `folder`, whose card shall be `facts`, and keep what it says; the report
    gets `beside`, too. The card is written last: what breaks off before leaves no model that looks finished."""
    data = lesson.data
    recogniser = unfinished(folder, facts)
    public = raw_logits(recogniser, data, "public")
    facts["heads"] = _calibrated(facts["heads"], public, data)
    facts["face"] = _face_threshold(public, data.take(data.rows("public"))) if "face" in public else None
    scores = {split: score(facts, raw_logits(recogniser, data, split), data, split) for split in ("public", "private")}
    history = read_history(folder)
    best = best_epoch(history)
    keep_best(folder, answers_of(recogniser, lesson, "public", best))
    stress_test(_answer(recogniser, lesson), lesson, folder)
    write_json(folder / REPORT, {
        **scores, **beside, "epochs": len(history), "best_epoch": best,
        "minutes": sum(float(row.get("seconds") or 0) for row in history) / 60,
    })  # fmt: skip
    facts["metrics"] = {split: _metrics(scores[split]) for split in ("private", "public")}
    write_card(folder, facts)
    return open_bundle(folder)


def unfinished(folder: Path, facts: Mapping[str, Any]) -> Recogniser:
    """The network in `folder` as the recogniser that `facts` describe, without a card; `ModelError` where they cannot
    be right."""
    card = described(folder, facts)
    check_facts(folder / CARD, card)
    return Recogniser(Bundle(folder, card))


def best_epoch(history: Sequence[Mapping[str, str]]) -> int:
    """The epoch that is kept, see `runs.best_row`; 0 without any."""
    best = best_row(history)
    return int(float(best["epoch"])) if best else 0


def _answer(recogniser: Recogniser, lesson: Lesson) -> Callable[[NDArray[np.uint8]], NDArray[np.integer]]:
    """What says the place of the label for each of some faces."""
    name = main_head(recogniser.bundle.card, lesson.data)
    return lambda faces: logits_of(recogniser, faces)[name].argmax(1)


def answers_of(recogniser: Recogniser, lesson: Lesson, split: str, epoch: int) -> Answers:
    """What a finished recogniser says of every face of a split, as the answers of that epoch."""
    rows = lesson.data.rows(split)
    name = main_head(recogniser.bundle.card, lesson.data)
    said = softmax(raw_logits(recogniser, lesson.data, split)[name])
    return Answers(
        lesson.rows[rows], lesson.data.labels[rows], np.array([epoch], np.int32),
        said.argmax(1).astype(np.int8)[None], said.astype(np.float16), epoch, split,
        lesson.data.label_names,
    )  # fmt: skip


def raw_logits(recogniser: SpeaksLogits, data: Dataset, split: str, batch: int = 256) -> dict[str, NDArray[np.float32]]:
    """The logits by head for every row of a split, without any averaging."""
    images = data.images[data.rows(split)]
    if len(images) == 0:
        raise DataError(f"The data set {data.source} has no {split} rows.")
    return logits_of(recogniser, images, batch)


def logits_of(recogniser: SpeaksLogits, images: NDArray[np.uint8], batch: int = 256) -> dict[str, NDArray[np.float32]]:
    """The logits by head for grey faces uint8 (n, h, w) of any size, n at least 1."""
    parts = [recogniser.logits(resized(images[i : i + batch], recogniser.size)) for i in range(0, len(images), batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def main_head(card: Mapping[str, Any], data: Dataset) -> str:
    """The name of the answer with the labels of the data set; `DataError` where the model has none."""
    for name, head in card["heads"].items():
        if tuple(head["labels"]) == data.label_names:
            return name
    raise DataError(f"No answer of this model has the labels of {data.source}: {', '.join(data.label_names)}.")


def _calibrated(heads: dict[str, Any], logits: Mapping[str, NDArray], data: Dataset) -> dict[str, Any]:
    """The heads with temperatures fitted on the public split: that of FER+ so that a certainty is the share of people
    who would say the same, with what rare expressions get ahead; others so that it is how often they are right."""
    public, fitted = data.take(data.rows("public")), {}
    for name, head in heads.items():
        labels = ferplus_shares(public) if name == "ferplus" else public.labels
        rows = np.flatnonzero((labels > 0).any(1) if name == "ferplus" else labels >= 0)
        fitted[name] = {**head, "temperature": round(fit_temperature(logits[name][rows], labels[rows]), 4)}
    majority = ferplus_majority(public)
    named = np.flatnonzero(majority >= 0)
    if "ferplus" in fitted and named.size:
        prior = ferplus_shares(data.take(data.rows("training"))).sum(0)
        calm = logits["ferplus"][named] / fitted["ferplus"]["temperature"]
        offset = fit_offset(calm, majority[named], prior / max(1e-9, prior.sum()))
        fitted["ferplus"]["offset"] = [round(float(value), 4) for value in offset]
    return fitted


def _face_threshold(logits: Mapping[str, NDArray], public: Dataset) -> dict[str, Any]:
    """The face head with the probability that 99 of 100 faces of the public split reach."""
    kept = logits["face"][~not_faces(public), 0]
    threshold = float(1 / (1 + np.exp(-np.quantile(kept, 0.01)))) if kept.size else 0.5
    return {"output": "face", "threshold": round(min(0.999, max(0.001, threshold)), 4)}


def score(card: Mapping[str, Any], logits: Mapping[str, NDArray], data: Dataset, split: str) -> dict[str, Any]:
    """Everything that is reported of a recogniser on a split; `logits` are those of `raw_logits`.

    The FER-2013 head is scored on all rows (at the top level, and without rows whose very pixels are in
    Training), the FER+ head on rows with a majority (`ferplus`, `ferplus_accuracy`).
    """
    rows = data.rows(split)
    part = data.take(rows)
    heads = card["heads"]
    result: dict[str, Any] = {"split": split, "n": len(part)}
    main = next((name for name, head in heads.items() if tuple(head["labels"]) == data.label_names), None)
    if main is not None:
        head = heads[main]
        result |= {"head": main} | score_head(logits[main], part.labels, head["labels"], head["temperature"])
        fresh = ~seen_in_training(data)[rows]
        result["n_without_duplicates"] = int(fresh.sum())
        right = logits[main].argmax(1) == part.labels
        result["accuracy_without_duplicates"] = float(right[fresh].mean()) if fresh.any() else None
    if "ferplus" in heads and part.votes is not None:
        majority, head = ferplus_majority(part), heads["ferplus"]
        named = np.flatnonzero(majority >= 0)
        ferplus = score_head(logits["ferplus"][named], majority[named], head["labels"], head["temperature"])
        result |= {"ferplus": ferplus, "ferplus_accuracy": ferplus.get("accuracy"), "ferplus_n": ferplus["n"]}
        result["shown"] = _as_shown(Head.of(head), logits["ferplus"], majority, ferplus_shares(part))
    if "accuracy" not in result and "ferplus" not in result:
        raise DataError(f"No answer of this model has the labels of {data.source}: {', '.join(data.label_names)}.")
    return result


def _as_shown(
    head: Head, logits: NDArray, majority: NDArray[np.integer], shares: NDArray[np.floating]
) -> dict[str, Any]:
    """What people see of the FER+ answer, which gives rare expressions something ahead: as `score_head` and with
    `coverage` for the faces with a `majority`; with `votes_n`, `votes_ece` and `votes_reliability`, where the share of
    the votes for the answer counts instead of whether it is right, for all faces that people could name."""
    said = probabilities(logits, head)
    named, voted = majority >= 0, (shares > 0).any(1)
    result = score_head(np.log(np.maximum(said[named], 1e-12)), majority[named], head.labels)
    if named.any():
        result["coverage"] = coverage(said[named].max(1), said[named].argmax(1) == majority[named])
    sure, agreeing = said[voted].max(1), shares[voted, said[voted].argmax(1)]
    votes = {"votes_ece": calibration_error(sure, agreeing), "votes_reliability": binned(sure, agreeing)}
    return {**result, "votes_n": int(voted.sum()), **votes}


def _metrics(scores: Mapping[str, Any]) -> dict[str, Any]:
    """What the card repeats of a report, by head."""
    names = ("n", "accuracy", "accuracy_interval", "balanced_accuracy", "ece", "accuracy_without_duplicates")
    heads = {scores.get("head", ""): scores, "ferplus": scores.get("ferplus", {})}
    if scores.get("head") == "ferplus":
        heads["ferplus"] = scores
    heads["shown"] = scores.get("shown", {})
    return {
        head: {name: one[name] for name in names if name in one} for head, one in heads.items() if "accuracy" in one
    }


def evaluate(folder: Path, data: Dataset, split: str, *, answers: bool = False, stress: bool = False) -> dict[str, Any]:
    """Score a model or finished run on a split of a data set, in the labels that it learned; see `score`.

    `answers` and `stress` write answers.npz and stress.json into its folder.
    """
    bundle = open_bundle(folder)
    if bundle.kind != "recogniser":
        raise ModelError(f"{folder} is a {bundle.kind}; only a recogniser can be evaluated.")
    recogniser, lesson = Recogniser(bundle), lesson_for(bundle, data)
    result = score(bundle.card, raw_logits(recogniser, lesson.data, split), lesson.data, split)
    if answers:
        keep_best(folder, answers_of(recogniser, lesson, split, best_epoch(read_history(folder))))
    if stress:
        stress_test(_answer(recogniser, lesson), lesson, folder, split)
    return result


def keep_pipeline(bundle: Bundle, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the rows of `evaluate_pipeline` into the report of a recogniser, and their shares into its card."""
    write_json(bundle.folder / REPORT, {**(read_json(bundle.folder / REPORT) or {}), "pipeline": list(rows)})
    names = ("detector", "split", "n", "found", "accuracy_found", "accuracy_all", "accuracy_crops")
    told = [{name: row[name] for name in names} for row in rows]
    write_card(bundle.folder, {**bundle.card, "metrics": {**bundle.card["metrics"], "pipeline": told}})


def lesson_for(bundle: Bundle, data: Dataset) -> Lesson:
    """The data set in the labels that a recogniser learned; as it is where its card does not say."""
    return apply(data, label_set(str(bundle.card["label_set"]))) if "label_set" in bundle.card else whole(data)


def whole(data: Dataset) -> Lesson:
    """All faces of a data set with its own labels and its votes."""
    return Lesson(data, np.arange(len(data), dtype=np.int32), label_set("own"), {})
