"""`emotion sweep`: what it refuses before anything is trained, and a whole small one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emotion.cli.main import main
from emotion.training.run_listing import load_run
from tests.training.making import dataset, to_arrays, write_npz


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_npz(tmp_path / "faces.npz", to_arrays(dataset(70, 28, 28, votes=False)))


def test_a_new_sweep_needs_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--out", str(tmp_path / "sweep")]) == 2
    assert "Missing option '--data' or '--config'" in capsys.readouterr().err


def test_a_mistake_in_the_space_is_one_sentence(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "space.json").write_text('{"momentum": {"low": 0, "high": 1}}')
    arguments = ["--data", str(data), "--network", "mlp", "--space", str(tmp_path / "space.json")]
    assert main(["sweep", "--out", str(tmp_path / "sweep"), *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("emotion: The space has the setting 'momentum'")
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_small_sweep_is_trained_and_summarized(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.toml").write_text("[learning_rate]\nlow = 1e-4\nhigh = 1e-2\nlog = true\n")
    folder = tmp_path / "sweep"
    arguments = ["--data", str(data), "--network", "mlp", "--space", str(tmp_path / "space.toml"), "--epochs", "2"]
    assert main(["sweep", "--out", str(folder), *arguments, "--trials", "1", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["trials"] == 1
    assert summary["baseline_accuracy"] is not None
    run = load_run(Path(summary["best"]["run"]))
    assert run is not None
    assert (run.state, run.has_model, run.best_accuracy) == ("done", True, max(summary["best"]["accuracies"]))
    assert len((folder / "trials.csv").read_text(encoding="utf-8-sig").splitlines()) == 3
