"""Checks before a training: a data set is refused by its counts with the message of the training; defaults fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emotion.cli.main import main
from emotion.datasets.catalog import get_dataset_info
from emotion.datasets.label_sets import LABEL_SETS, get_label_set
from emotion.errors import EmotionError
from emotion.expressions import FER2013_LABELS
from emotion.training.classifier import train
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.training.preflight import check_dataset, check_teachers, count_rows, max_batch_size
from tests.training.making import dataset, random_images, to_arrays, write_image, write_npz


def own_faces(folder: Path, counts: dict[str, int]) -> Path:
    for place, (label, count) in enumerate(counts.items()):
        for number, image in enumerate(random_images(count, place)):
            write_image(folder / label / f"{number}.png", image)
    return folder


def refusal(path: Path, labels: str) -> str:
    """Return the message before the start; "" without one."""
    try:
        check_dataset(get_dataset_info(path), get_architecture("mlp"), get_label_set(labels))
    except EmotionError as error:
        return str(error)
    return ""


def test_page_and_training_refuse_a_data_set_with_the_same_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trees = {"five": {"happy": 10, "sad": 10}, "few": {"yawn": 1, "grin": 1}, "one": {"yawn": 10}}
    for name, counts in trees.items():
        path = own_faces(tmp_path / name, counts)
        for labels in LABEL_SETS:
            message = refusal(path, labels)
            assert (message == "") == ((name, labels) == ("five", "own"))
            if message:
                command = [
                    "classifier",
                    "train",
                    "--network",
                    "mlp",
                    "--data",
                    path,
                    "--label-set",
                    labels,
                    "--out",
                    tmp_path / "run",
                ]
                assert main([str(word) for word in command]) == 1
                assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "labels", "batch"),
    [
        ([], "own", 32),
        (["--batch-size", "8"], "own", 8),
        (["--label-set", "four"], "four", 16),
        (["--label-set", "own"], "own", 32),
    ],
)
def test_the_command_trains_on_the_labels_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], labels: str, batch: int
) -> None:
    plans: list[Any] = []

    def record_training(recipe: object, plan: object, *_: object, **__: object) -> SimpleNamespace:
        plans.append(plan)
        return SimpleNamespace(card=SimpleNamespace(metrics={}))

    monkeypatch.setattr(train, "make_recipe", lambda *_: None)  # it refuses labels without a face
    monkeypatch.setattr(train, "train_recipe", record_training)
    path = own_faces(tmp_path / "mine", {"happy": 10, "sad": 10, "yawn": 10, "grin": 10})
    assert (
        main(["classifier", "train", "--network", "mlp", "--data", str(path), "--out", str(tmp_path / "run"), *given])
        == 0
    )
    assert [(plan.label_set, plan.batch_size) for plan in plans] == [(labels, batch)]
    path = write_npz(tmp_path / "fer2013.npz", to_arrays(dataset(700, 7, 7)))
    assert (
        main(["classifier", "train", "--network", "cnn-4conv", "--data", str(path), "--out", str(tmp_path / "other")])
        == 0
    )
    assert (plans[1].label_set, plans[1].batch_size) == ("four", 64)


def test_the_largest_batch_is_all_training_faces_of_the_labels(tmp_path: Path) -> None:
    entry = get_dataset_info(write_npz(tmp_path / "a.npz", to_arrays(dataset(70, 7, 7))))
    sizes = {name: max_batch_size(entry, chosen) for name, chosen in LABEL_SETS.items()}
    assert sizes == {"fer2013": 70, "ferplus": 70, "four": 40, "four-normal": 40, "own": 70}
    assert max_batch_size(replace(entry, labels=tuple("abcdefg")), LABEL_SETS["four"]) == 70


def test_the_rows_of_a_training_are_the_faces_of_its_labels(tmp_path: Path) -> None:
    entry = get_dataset_info(write_npz(tmp_path / "a.npz", to_arrays(dataset(70, 7, 7))))
    assert [count_rows(entry, "cnn-4conv", name) for name in ("four", "fer2013", "ferplus")] == [48, 84, 84]
    assert count_rows(entry, "seresnet", "four") == 84


def test_teachers_are_listed_by_their_cards(tmp_path: Path, make_bundle: Callable[..., Path]) -> None:
    entry = get_dataset_info(write_npz(tmp_path / "a.npz", to_arrays(dataset(70, 7, 7))))
    teacher = make_bundle(tmp_path / "teacher")
    check_teachers([teacher], entry)
    with pytest.raises(EmotionError, match="has no head fer2013 with the labels a, b, c"):
        check_teachers([teacher], replace(entry, labels=tuple("abcdefg")))
    with pytest.raises(EmotionError, match=r"There is no card.json in .*nowhere"):
        check_teachers([tmp_path / "nowhere"], entry)


def test_a_custom_label_may_lack_a_training_face(tmp_path: Path) -> None:
    data = dataset(70, 7, 7)
    data.split[data.labels == 1] = np.int8(1)
    entry = get_dataset_info(write_npz(tmp_path / "a.npz", to_arrays(data)))
    assert entry.labels == FER2013_LABELS
    check_dataset(entry, get_architecture("seresnet"), get_label_set("fer2013"))
    with pytest.raises(EmotionError, match="no training face for disgust"):
        check_dataset(entry, get_architecture("mlp"), get_label_set("fer2013"))
