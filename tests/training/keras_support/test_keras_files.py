"""Networks of Keras that lie: each is refused with one sentence, in a process of its own."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.environment import MODELS_FOLDER
from emotion.errors import ModelError
from emotion.jobs import limited_process
from emotion.model_store.store import compute_sha256
from emotion.recognition.trial_run import trust_network
from emotion.training.keras_support.keras_files import load_keras_file, try_keras_file

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOTION_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


def build(*layers: Any) -> Any:
    import keras

    return keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), *layers])


def save(path: Path, *layers: Any) -> Path:
    build(*layers).save(path)
    return path


def good(path: Path) -> Path:
    import keras

    return save(path, keras.layers.Dense(3))


def code(path: Path) -> Path:
    """Write a network with Python code in a layer, which leaves a file."""
    import keras

    mark = str(path.with_name("was-run"))
    save(path, keras.layers.Lambda(lambda x: (open(mark, "w").close(), x)[1]))
    Path(mark).unlink()  # it was also run while the network was built
    return path


def not_a_number(path: Path) -> Path:
    import keras

    return save(path, keras.layers.Rescaling(float("nan")))


def infinite(path: Path) -> Path:
    import keras

    return save(path, keras.layers.Rescaling(3e38))


def bomb(path: Path) -> Path:
    """Write a network of a few kilobytes that asks for 9 GB."""
    import keras

    return save(path, keras.layers.RepeatVector(1_000_000))


def garbage(path: Path) -> Path:
    path.write_bytes(b"PK\x03\x04 damaged")
    return path


def other_archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "code in a layer": (code, "Lambda|lambda|unsafe"),
    "not a number": (not_a_number, "no finite number"),
    "infinite": (infinite, "no finite number"),
    "garbage": (garbage, ""),
    "another archive": (other_archive, ""),
}


@pytest.mark.parametrize(("write", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_trial_names_what_is_wrong(tmp_path: Path, write: Callable[[Path], Path], words: str) -> None:
    problem = try_keras_file(write(tmp_path / "model.keras"))
    assert problem
    assert re.search(words, problem)
    assert "\n" not in problem
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    ("write", "words"),
    [(code, "ambda"), (bomb, "too much memory|ended with code"), (not_a_number, "no finite number")],
)
def test_a_hostile_file_is_refused_in_a_child_process(
    tmp_path: Path, workspace: Path, write: Callable[[Path], Path], words: str
) -> None:
    path = write(tmp_path / "model.keras")
    with pytest.raises(ModelError, match=rf"model\.keras cannot be read as a network of Keras \(.*({words})"):
        load_keras_file(path)
    assert not (tmp_path / "was-run").exists()
    assert not list(workspace.rglob("tried-networks/*"))


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.keras cannot be read as a network of Keras \(.*No such file"):
        load_keras_file(tmp_path / "model.keras")


def test_a_good_file_is_tried_once(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good(tmp_path / "model.keras")
    assert load_keras_file(path).count_params() == 3 * (48 * 48 + 1)
    assert [record.name for record in workspace.rglob("tried-networks/*")] == [compute_sha256(path)]
    monkeypatch.setattr(limited_process.subprocess, "run", lambda *_, **__: pytest.fail("it was tried again"))
    load_keras_file(path)


def test_shipped_files_and_own_ones_are_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_process.subprocess, "run", lambda *_, **__: pytest.fail("it was tried"))
    load_keras_file(MODELS_FOLDER / "classifier" / "model.keras")
    own = good(tmp_path / "model.keras")
    trust_network(compute_sha256(own))
    load_keras_file(own)
