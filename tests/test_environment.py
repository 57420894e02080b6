from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emotion import environment
from emotion.environment import get_workspace, set_workspace
from emotion.model_store import store

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def default_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTION_WORKSPACE", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(ROOT / "data" / "keras"))


def test_the_workspace_of_a_checkout_is_the_checkout() -> None:
    assert get_workspace() == ROOT
    assert store.get_user_models() == store.BUILTIN_MODELS
    assert store.get_model_folders() == (ROOT / "models",)


def test_the_workspace_of_an_installation_is_the_data_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "IS_INSTALLED", True)
    for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    assert get_workspace().name == "emotion-studio"
    assert get_workspace().is_relative_to(tmp_path)


def test_the_variable_names_another_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOTION_WORKSPACE", "mine")
    assert get_workspace() == tmp_path / "mine"
    assert store.get_user_models() == tmp_path / "mine" / "models"
    assert store.get_model_folders() == (ROOT / "models", tmp_path / "mine" / "models")


@pytest.mark.parametrize("keras_home", [str(ROOT / "data" / "keras"), "chosen"])
def test_another_workspace_moves_the_folder_of_keras_unless_it_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras_home: str
) -> None:
    monkeypatch.setenv("EMOTION_WORKSPACE", "")  # so that it is restored
    monkeypatch.setenv("KERAS_HOME", keras_home)
    set_workspace(tmp_path)
    assert get_workspace() == tmp_path
    assert os.environ["KERAS_HOME"] == ("chosen" if keras_home == "chosen" else str(tmp_path / "data" / "keras"))


@pytest.mark.slow
def test_the_option_chooses_the_workspace_of_all_folders(tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "config.json").write_text('{"network": "mlp", "epochs": 4}')
    command = [sys.executable, "-m", "emotion", "--workspace", str(tmp_path), "runs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mine ")
