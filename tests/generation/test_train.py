"""The command train-gan: from a data set to a generator that the app can use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion.cli.main import main
from emotion.generation.sampler import Sampler
from emotion.model_store import store
from emotion.model_store.store import ModelBundle, open_model
from emotion.storage import read_json
from emotion.training.runs.folder import read_history
from tests.generation.making import use_tiny_networks
from tests.training.making import dataset, write_fer2013, write_ferplus

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),  # tf2onnx's
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    data = dataset(140, 28, 28)
    write_fer2013(folder / "fer2013.csv", data)
    write_ferplus(folder / "fer2013new.csv", data)
    return folder


@pytest.fixture(scope="module")
def train(files: Path, guidance_classifier: ModelBundle) -> Iterator[Callable[..., int]]:
    """Return `train(folder, *arguments)`, which runs `train-gan` with tiny networks."""
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_networks(patch)
        arguments = [
            "generator",
            "train",
            "--data",
            str(files / "fer2013.csv"),
            "--ferplus-csv",
            str(files / "fer2013new.csv"),
            "--guidance-classifier",
            str(guidance_classifier.folder),
            "--epoch-images",
            "128",
        ]
        yield lambda folder, *more: main([*arguments, "--out", str(folder), *more])


@pytest.fixture(scope="module")
def finished_run(train: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert train(folder, "--epochs", "3") == 0
    return folder


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_a_finished_run_is_a_generator(run: Path, guidance_classifier: ModelBundle) -> None:
    bundle = open_model(run)
    history = read_history(run)
    best = min(history, key=lambda row: float(row["frechet"]))
    assert bundle.kind == "generator"
    assert bundle.card_fields["guidance_classifier"] == {
        "name": "guidance",
        "sha256": guidance_classifier.sha256,
        "weight": 0.1,
    }
    assert bundle.card_fields["best_epoch"] == int(best["epoch"])
    assert bundle.card_fields["metrics"]["validation"]["frechet"] == float(best["frechet"])
    assert bundle.card_fields["data"] == {"source": "fer2013.csv", "rows": 196}
    report = read_json(run / "report.json") or {}
    assert (report["epochs"], report["best_epoch"]) == (3, int(best["epoch"]))
    assert report["export_difference"] < 0.1
    config = read_json(run / "config.json") or {}
    assert (config["epochs"], config["guidance_classifier"], config["labels"][3]) == (
        3,
        guidance_classifier.sha256,
        "happy",
    )
    assert read_json(run / "state.json") is not None
    faces = Sampler(bundle).sample([1, 2], "happy")
    assert not np.array_equal(*faces)


def test_sample_sheets_are_part_of_the_model(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = open_model(run).card_fields
    assert card["sheet_epochs"] == [1, 2, 3]
    assert "samples.webp" in card["files"]
    stacked = cv2.imread(str(run / "samples.webp"), cv2.IMREAD_GRAYSCALE)
    assert stacked is not None
    assert stacked.shape == (3 * 7 * 48, 8 * 48)
    for i, epoch in enumerate(card["sheet_epochs"]):
        sheet = cv2.imread(str(run / "samples" / f"epoch-{epoch:03d}.png"), cv2.IMREAD_GRAYSCALE)
        assert sheet is not None
        part = stacked[i * sheet.shape[0] : (i + 1) * sheet.shape[0]]
        assert np.abs(part.astype(int) - sheet).mean() < 12
    from emotion.generation import sample_sheets

    monkeypatch.setattr(sample_sheets, "MAX_SHEETS", 2)
    assert sample_sheets.save_sheets(run, 3) == [1, 3]
    (run / "samples" / "epoch-001.png").unlink()
    assert sample_sheets.save_sheets(run, 3) == [3]


def test_a_finished_run_can_be_installed_and_sampled(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUILTIN_MODELS", tmp_path / "models")
    assert main(["models", "install", str(run), "--name", "faces", "--default"]) == 0
    bundle = store.get_default_model("generator", tmp_path / "models")
    assert (bundle.name, bundle.card_fields["default"]) == ("faces", True)
    assert (bundle.folder / "samples.webp").is_file()
    assert main(["generator", "sample", "--seed", "7", "--count", "1", "--out", str(tmp_path / "drawn")]) == 0
    assert len(list((tmp_path / "drawn").glob("[!.]*"))) == 9


def test_a_finished_training_does_not_continue(run: Path, train: Callable[..., int]) -> None:
    history, faces = (run / "history.csv").read_bytes(), Sampler(open_model(run)).sample([1, 2], "sad")
    assert train(run, "--epochs", "3") == 0
    assert (run / "history.csv").read_bytes() == history
    np.testing.assert_array_equal(Sampler(open_model(run)).sample([1, 2], "sad"), faces)


def test_more_epochs_continue_a_finished_training(run: Path, train: Callable[..., int], tmp_path: Path) -> None:
    longer = Path(shutil.copytree(run, tmp_path / "longer"))
    assert train(longer, "--epochs", "4") == 0
    before, after = read_history(run), read_history(longer)
    assert (len(before), len(after), after[:3]) == (3, 4, before)
    assert open_model(longer).card_fields["best_epoch"] in range(1, 5)


@pytest.mark.parametrize(
    "changes", [["--epochs", "2"], ["--epochs", "3", "--seed", "2"], ["--epochs", "3", "--guidance-weight", "0.2"]]
)
def test_other_settings_need_another_folder(
    run: Path, train: Callable[..., int], capsys: pytest.CaptureFixture[str], changes: list[str]
) -> None:
    assert train(run, *changes) == 1
    assert "holds a training with other settings; choose another folder" in capsys.readouterr().err


def test_a_stopped_run_becomes_a_model_by_finish(
    train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from emotion.jobs.reporter import JobReporter

    with monkeypatch.context() as patch:
        patch.setattr(JobReporter, "stop_requested", property(lambda self: (tmp_path / "run" / "history.csv").exists()))
        assert train(tmp_path / "run", "--epochs", "5") == 130
    assert "Stopped after epoch 1 of 5. Run the same command again to go on." in capsys.readouterr().err
    assert main(["generator", "sample", "--model", str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 1
    assert "There is no card.json" in capsys.readouterr().err
    assert train(tmp_path / "run", "--epochs", "5", "--export-only", "--json") == 0
    assert json.loads(capsys.readouterr().out).keys() == {"validation"}
    assert open_model(tmp_path / "run").card_fields["best_epoch"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "stylegan"], "There is no network 'stylegan'; choose one of residual, dcgan-upsampling"),
        (["--epochs", "0"], "0 epochs"),
        (["--guidance-classifier", "nowhere"], "There is no card.json in nowhere"),
        (["--data", "nowhere.csv"], "There is no nowhere.csv"),
        (["--guidance-weight", "-1"], "weight is -1.0"),
        (["--learning-rate", "0"], "rate 0.0"),
        (["--epoch-images", "10"], "Epochs of 10 images"),
        (["--export-only"], "has no whole epoch yet"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert train(tmp_path / "run", *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    state = read_json(tmp_path / "run" / "state.json") or {}
    assert state["status"] == "failed"


def test_only_a_classifier_guides_a_training(
    run: Path, train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "new", "--guidance-classifier", str(run)) == 1
    assert "is a generator; a generator is guided by a classifier" in capsys.readouterr().err


def test_the_baseline_is_trained_by_the_same_command(train: Callable[..., int], tmp_path: Path) -> None:
    assert train(tmp_path / "run", "--network", "dcgan-upsampling", "--epochs", "1") == 0
    card = open_model(tmp_path / "run").card_fields
    assert (card["network"], card["guidance_classifier"]["weight"]) == ("dcgan-upsampling", 0)
