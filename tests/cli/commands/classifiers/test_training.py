"""`emotion classifier train` beside requests to pause or to finish."""

from pathlib import Path

import pytest

from emotion.cli import main
from emotion.jobs.process_record import JOB_ENV_VAR, ProcessRecord
from emotion.training.runs.step_monitor import FINISH_FILE, PAUSE_FILE


@pytest.mark.parametrize("is_child", [False, True])
def test_requests_are_kept_for_the_training_that_the_app_started(
    is_child: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person asks while TensorFlow is loaded; for a training by hand the requests are those to a killed process."""
    folder = tmp_path.resolve() / "run"
    folder.mkdir()
    arguments = ["classifier", "train", "--data", str(tmp_path / "missing.npz"), "--out", str(folder)]
    assert main.main(arguments) == 1
    for name in (PAUSE_FILE, FINISH_FILE):
        (folder / name).touch()
    if is_child:
        monkeypatch.setenv(JOB_ENV_VAR, str(folder))
        ProcessRecord.from_current_process("running").write(folder)
    assert main.main(arguments) == 1
    assert [(folder / name).exists() for name in (PAUSE_FILE, FINISH_FILE)] == [is_child, is_child]
    assert "missing.npz" in capsys.readouterr().err
