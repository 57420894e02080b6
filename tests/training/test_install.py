"""A run becomes a model, takes the place of another one, and can be taken out again; built-in models stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.cli.main import main
from emotion.errors import ModelError
from emotion.model_store.store import get_default_model, list_models
from emotion.training.install import install_model, remove_model
from emotion.training.run_listing import list_runs

Make = Callable[..., Path]


@pytest.fixture
def models(tmp_path: Path, make_bundle: Make) -> Path:
    """Two built-in models, the second of which is the default."""
    make_bundle(tmp_path / "models" / "aaa")
    make_bundle(tmp_path / "models" / "built-in", lambda card: card.update(default=True))
    return tmp_path / "models"


@pytest.fixture
def run(tmp_path: Path, make_bundle: Make) -> Path:
    return make_bundle(tmp_path / "runs" / "mine")


def names(models: Path) -> list[str]:
    good, bad = list_models("classifier", models)
    assert bad == []
    return [bundle.name for bundle in good]


def test_a_default_copy_comes_first_and_leaves_the_built_in_cards_alone(models: Path, run: Path) -> None:
    cards = {path: path.read_bytes() for path in models.glob("*/card.json")}
    assert install_model(run, models, "one", default=True).source_run == "mine"
    assert install_model(run, models, "two", default=True).source_run == "mine"
    assert names(models) == ["two", "built-in", "aaa", "one"]
    assert {path: path.read_bytes() for path in cards} == cards
    remove_model(models / "two", models)
    assert get_default_model("classifier", models).name == "built-in"
    remove_model(models / "one", models)
    assert names(models) == ["built-in", "aaa"]
    assert sorted(path.name for path in models.iterdir()) == ["aaa", "built-in"]
    assert run.is_dir()


def test_only_a_copy_is_replaced_and_only_when_asked(
    models: Path, run: Path, tmp_path: Path, make_bundle: Make
) -> None:
    other = make_bundle(tmp_path / "runs" / "other")
    install_model(run, models, "best")
    with pytest.raises(ModelError, match=r"There is already a model best .* or replace it"):
        install_model(other, models, "best")
    assert install_model(other, models, "best", overwrite=True).source_run == "other"
    with pytest.raises(ModelError, match=r"There is already a model built-in .* choose another name\.$"):
        install_model(other, models, "built-in", overwrite=True)
    assert names(models) == ["built-in", "aaa", "best"]


@pytest.mark.parametrize("name", ["built-in", "nowhere", "link", "../runs/mine", ".", "damaged"])
def test_nothing_but_a_copy_is_removed(models: Path, run: Path, name: str) -> None:
    install_model(run, models, "best")
    (models / "link").symlink_to(models / "best")
    (models / "damaged").mkdir()
    (models / "damaged" / "card.json").write_text("{")
    with pytest.raises(ModelError, match="only copies can be removed"):
        remove_model(models / name, models)
    assert run.is_dir()
    assert sorted(path.name for path in models.iterdir()) == ["aaa", "best", "built-in", "damaged", "link"]


def test_a_run_and_its_copies_are_listed_once(models: Path, run: Path) -> None:
    install_model(run, models, "one")
    install_model(run, models, "two")
    listed = list_runs(run.parent, models)
    assert [(one.folder.name, [model.name for model in one.installed_models]) for one in listed] == [
        ("mine", ["one", "two"]),
        ("aaa", []),
        ("built-in", []),
    ]
    card = json.loads((run / "card.json").read_text())
    card["files"]["model.onnx"]["sha256"] = "0"  # it was trained further since
    (run / "card.json").write_text(json.dumps(card))
    assert [(one.folder.name, one.source_run) for one in list_runs(run.parent, models)] == [
        ("mine", ""),
        ("aaa", ""),
        ("built-in", ""),
        ("one", "mine"),
        ("two", "mine"),
    ]


def test_the_command_line_replaces_and_removes(
    models: Path, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("emotion.model_store.store.BUILTIN_MODELS", models)
    assert main(["models", "install", str(run), "--name", "best"]) == 0
    assert main(["models", "install", str(run), "--name", "best"]) == 1
    assert main(["models", "install", str(run), "--name", "best", "--overwrite"]) == 0
    assert main(["models", "remove", "built-in"]) == 1
    assert "only copies can be removed" in capsys.readouterr().err
    assert main(["models", "remove", "best"]) == 0
    assert names(models) == ["built-in", "aaa"]
