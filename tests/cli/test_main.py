from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from emotion.benchmarks import steps
from emotion.cli import main
from emotion.cli.click_extensions import RENAMED_COMMANDS, RENAMED_OPTIONS
from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box, Face
from emotion.jobs import job
from emotion.jobs.reporter import JobReporter
from emotion.media.image_reader import read_image
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.analyzer import Analyzer

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder; it returns the exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main.main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def analyze(run: Run, tiny: ModelBundle) -> Run:
    """`analyze` with the tiny model and a detector that is always available."""
    return lambda *arguments: run("analyze", "--model", tiny.folder, "--detector", "haar", *arguments)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of random images: 30 train, 12 validation, 12 test."""
    rng = np.random.default_rng(0)
    usage = np.repeat([0, 1, 2], (30, 12, 12)).astype(np.int8)
    images = rng.integers(0, 256, (54, 48, 48), dtype=np.uint8)
    np.savez(tmp_path / "faces.npz", images=images, label=np.arange(54, dtype=np.int8) % 7, usage=usage)
    return tmp_path / "faces.npz"


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("dance", 2, "No such command 'dance'"),
        ("anlyze a.jpg", 2, "Did you mean 'analyze'?"),
        ("train --data x --out run", 2, "There is no command train; use emotion classifier train."),
        ("measure-crops haar", 2, "use emotion detector calibrate --crops."),
        ("analyze a.jpg --unsure 0.5", 2, "There is no option --unsure; use --min-confidence."),
        ("analyze a.jpg --min-confidance 0.5", 2, "Did you mean '--min-confidence'?"),
        ("dataset build a --least 20", 2, "There is no option --least; use --min-face."),
        ("generator sample --least 20", 2, "There is no option --least; use --min-prob."),
        ("analyze", 2, "Missing argument 'IMAGE_OR_VIDEO...'"),
        ("analyze a.jpg --detection-threshold 1.5", 2, "1.5 is not between 0 and 1"),
        ("analyze a.jpg --detection-threshold nan", 2, "nan is not between 0 and 1"),
        ("analyze a.jpg --min-confidence -1", 2, "--min-confidence"),
        ("analyze a.jpg --max-side 0", 2, "0 is not in the range x>=1"),
        ("analyze a.jpg --max-side big", 2, "--max-side"),
        ("analyze a.jpg --detector dlib", 1, "There is no detector 'dlib'; expected one of glance, yunet, haar."),
        ("analyze a.jpg --model nowhere", 1, "There is no card.json in nowhere"),
        ("analyze a.jpg --detector haar --head affectnet", 1, "The model has no head 'affectnet'; choose one of "),
        ("analyze a.jpg --detector haar", 1, '"a.jpg" was not found'),
        ("analyze a.mp4 --features --anonymize --out o", 1, "a.mp4 is a video: --features and --anonymize exclude"),
        ("features make-targets --teacher a --teacher-python b --out c", 2, "Give one of --fer2013 and --photos."),
        ("features make-targets --photos p --teacher a --teacher-python b --out c", 1, "There is no a; see docs"),
        ("features explain-labels --targets a.npz --fer2013 b.npz", 1, "a.npz is not a readable .npz file"),
        ("features train --targets a.npz --out run", 1, "a.npz is not a readable .npz file"),
        ("classifier train --data faces.npz", 2, "Missing option '--out'"),
        ("classifier train --out run", 2, "Missing option '--data' or '--config'"),
        ("classifier train --data faces.npz --out run --epochs many", 2, "--epochs"),
        ("classifier train --data nowhere --out run", 1, "There is no nowhere; give fer2013.csv"),
        ("classifier train --data cli.txt --out run", 1, "cli.txt is not a data set"),
        ("classifier train --config nowhere.json --out run", 1, "There is no nowhere.json"),
        ("detector train --data .", 2, "Missing option '--out'"),
        ("detector train --data nowhere --out run", 1, "There is no train.json in nowhere"),
        ("detector evaluate", 2, "Missing option '--data'"),
        ("detector evaluate nowhere --data .", 1, "There is no card.json in nowhere"),
        ("detector evaluate --data nowhere", 1, "There is no train.json in nowhere"),
        ("classifier evaluate", 2, "Missing argument 'MODEL_OR_RUN'"),
        ("classifier evaluate model", 2, "Give --data for a data set"),
        ("classifier evaluate model --data x --split training", 2, "'training' is not one of"),
        ("classifier evaluate model --data nowhere", 1, "There is no nowhere"),
        ("classifier evaluate nowhere --data faces.npz", 1, "There is no card.json in nowhere"),
        ("classifier evaluate model --data faces.npz --ferplus-csv nowhere.csv", 1, "nowhere.csv"),
        ("dataset build photos", 2, "Give SOURCE and --name, or --config."),
        ("dataset build --config nowhere.json", 1, "nowhere.json is missing"),
        ("dataset build --config empty.json", 1, "empty.json is damaged"),
        ("models install run", 2, "Missing option '--name'"),
        ("models install nowhere --name mine", 1, "There is no card.json in nowhere"),
        ("detector calibrate haar --data faces.npz", 2, "Give one of --crops and --fusion."),
        ("detector calibrate dlib --crops --data faces.npz", 1, "There is no detector 'dlib'"),
        ("detector calibrate haar --crops --data nowhere", 1, "There is no nowhere"),
        ("detector calibrate haar --crops --data faces.npz --save", 1, "haar is no folder of a detector trained here"),
        ("benchmark steps --camera a.mp4", 2, "--camera is for the target live only"),
    ],
)
def test_invalid_arguments_are_refused(run: Run, data: Path, arguments: str, status: int, message: str) -> None:
    data.with_name("cli.txt").write_text("no data set")
    data.with_name("empty.json").write_text("{}")
    code, out, err = run(*arguments.split())
    assert (code, message in err) == (status, True), err
    assert (out == "") is (status != 0)
    assert "Traceback" not in err
    if status == 1:
        assert err.startswith("emotion: ")
        assert err.count("\n") == 1
    else:
        assert not (data.parent / "run").exists()


def test_only_a_classifier_can_be_quantized(run: Run, data: Path) -> None:
    detector = get_default_model("detector").folder
    status, _, err = run("classifier", "quantize", detector, "--data", data, "--out", "small")
    assert (status, err) == (1, f"emotion: {detector} is a detector; only a classifier can be shrunk.\n")


@pytest.mark.parametrize(
    "command",
    [
        "runs --folder {}",
        "detector calibrate {} --crops --data .",
        "classifier evaluate . --data {}",
        "classifier evaluate . --data faces.npz --ferplus-csv {}",
    ],
)
def test_a_folder_that_cannot_be_read_is_a_plain_error(run: Run, data: Path, command: str) -> None:
    """Too long a name is an error for root as well, unlike missing permissions."""
    assert data.is_file()
    status, _, err = run(*command.format("x" * 300).split())
    assert (status, err.startswith("emotion: "), err.count("\n")) == (1, True, 1)


def list_commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command and group below `group`."""
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from list_commands(command, *path, name)


@pytest.mark.parametrize("command", [(), *list_commands(main.cli)], ids=" ".join)
def test_every_command_has_a_help(run: Run, command: tuple[str, ...]) -> None:
    status, out, err = run(*command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: {' '.join(('emotion', *command))} ")
    assert len(out.splitlines()) > 3


def test_renamed_commands_and_options_have_successors_that_exist() -> None:
    commands = {" ".join(command) for command in list_commands(main.cli)}
    successors = {name.partition(" --")[0] for name in RENAMED_COMMANDS.values()}
    assert successors <= commands
    assert not set(RENAMED_COMMANDS) & set(main.cli.commands)
    options = {
        name
        for path in list_commands(main.cli)
        for parameter in resolve(path).params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {name for names in RENAMED_OPTIONS.values() for name in names} <= options


def resolve(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main.cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.mark.parametrize(
    ("shell", "message"), [("bash", "complete"), ("zsh", "#compdef emotion"), ("fish", "complete")]
)
def test_shells_get_a_completion_script(run: Run, monkeypatch: pytest.MonkeyPatch, shell: str, message: str) -> None:
    monkeypatch.setenv("_EMOTION_COMPLETE", f"{shell}_source")
    status, out, _ = run()
    assert status == 0
    assert message in out


def test_an_interrupted_command_ends_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "benchmark_steps", interrupt)
    assert run("benchmark") == (130, "", "emotion: Interrupted.\n")


def test_a_bug_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "benchmark_steps", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("benchmark")


# ------------------------------------------------------------------ analyze


def test_json_is_one_object_per_line(analyze: Run, sample_file: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 32), "grey").save("blank.png")
    status, out, err = analyze("--json", "blank.png", sample_file, "--min-confidence", "0")
    assert (status, err) == (0, "")
    blank, photo = (json.loads(line) for line in out.splitlines())
    assert blank == {"file": "blank.png", "width": 64, "height": 32, "faces": []}
    assert list(photo) == ["file", "width", "height", "faces"]
    assert (photo["file"], photo["width"], photo["height"]) == (str(sample_file), 512, 512)
    face = photo["faces"][0]
    assert list(face) == ["box", "detection_score", "label", "confidence", "scores", "uncertainty_reason"]
    assert [type(value) for value in face["box"]] == [int] * 4
    assert face["scores"].keys() == set(FERPLUS_LABELS)
    assert sum(face["scores"].values()) == pytest.approx(1, abs=1e-3)
    assert face["confidence"] == max(face["scores"].values()) == face["scores"][face["label"]]
    assert face["detection_score"] >= 0.6
    assert face["uncertainty_reason"] is None


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("blank.png", "blank.png: no face\n"),
        ("photo.jpg --min-confidence 1", "photo.jpg: 1 unsure\n"),
        ("photo.jpg --detection-threshold 1 --detector haar --max-side 320", "photo.jpg: no face\n"),
        ("photo.jpg --max-side 30", "photo.jpg: no face\n"),
        ("blank.png blank.png", "blank.png: no face\n" * 2),
    ],
)
def test_an_image_is_summarized_in_one_line(analyze: Run, sample_file: Path, arguments: str, line: str) -> None:
    Image.new("RGB", (64, 32), "grey").save("blank.png")
    Path("photo.jpg").write_bytes(sample_file.read_bytes())
    assert analyze(*arguments.split()) == (0, line, "")


@pytest.mark.parametrize(("head", "labels"), [("ferplus", 8), ("fer2013", 7)])
def test_the_head_decides_the_labels(analyze: Run, sample_file: Path, head: str, labels: int) -> None:
    _, out, _ = analyze("--json", "--head", head, sample_file)
    assert len(json.loads(out)["faces"][0]["scores"]) == labels


def test_an_unsure_face_has_a_reason(analyze: Run, sample_file: Path) -> None:
    _, out, _ = analyze("--json", "--min-confidence", "1", sample_file)
    face = json.loads(out)["faces"][0]
    assert face["uncertainty_reason"].startswith("between ")
    assert face["label"] in face["scores"]


@pytest.mark.slow
def test_unreadable_files_do_not_stop_the_others(analyze: Run, sample_file: Path) -> None:
    Path("bad.jpg").write_text("no image")
    Path("folder").mkdir()
    names = [sample_file, "bad.jpg", sample_file, "missing.jpg", "folder", sample_file]
    status, out, err = analyze("--json", *names, "--out", "out")
    assert status == 1
    assert [json.loads(line)["file"] for line in out.splitlines()] == [str(sample_file)] * 3
    assert len(err.splitlines()) == 3
    assert all(line.startswith("emotion: ") and line.endswith(".") for line in err.splitlines())
    assert [name in err for name in ("bad.jpg", "missing.jpg", "folder")] == [True] * 3
    assert len(json.loads(Path("out/faces.json").read_text())) == 3
    assert len(list(Path("out").glob("*.png"))) == 3


@pytest.mark.parametrize("anonymize", [False, True])
def test_out_holds_tables_annotated_images_and_crops(analyze: Run, sample_file: Path, anonymize: bool) -> None:
    status, out, _ = analyze("--json", sample_file, "--out", "some/out", *["--anonymize"] * anonymize)
    assert status == 0
    record = json.loads(out)
    label = "unsure" if record["faces"][0]["uncertainty_reason"] else record["faces"][0]["label"]
    folder = Path("some/out")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        ".emotion-result.json",
        ".images.jsonl",
        "astronaut.png",
        "faces.csv",
        "faces.json",
        f"faces/astronaut/01_{label}.png",
    ]
    assert json.loads((folder / "faces.json").read_text()) == [record]
    assert len((folder / "faces.csv").read_text().splitlines()) == 2
    crop = read_image(folder / "faces" / "astronaut" / f"01_{label}.png")
    assert (len(np.unique(crop.reshape(-1, 3), axis=0)) <= 36) is anonymize
    image = read_image(sample_file)
    assert read_image(folder / "astronaut.png")[: len(image)].shape == image.shape, "a legend follows below"


def test_out_must_be_a_folder(analyze: Run, sample_file: Path) -> None:
    Path("out").write_text("")
    status, _, err = analyze(sample_file, "--out", "out")
    assert (status, "out is a file, a folder was expected" in err) == (1, True)


def test_no_folder_is_made_without_results(analyze: Run) -> None:
    assert analyze("missing.jpg", "--out", "out")[0] == 1
    assert not Path("out").exists()


def test_a_rotated_image_is_reported(
    run: Run, fake_detector: Callable, fake_classifier: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = Face(Box(0, 0, 30, 30), 0.9)
    fake = Analyzer(fake_detector(lambda image: [face] if image.shape[:2] == (60, 40) else []), fake_classifier())
    monkeypatch.setattr("emotion.recognition.analyzer.load_analyzer", lambda *_: fake)
    Image.new("RGB", (60, 40)).save("side.png")
    assert run("analyze", "side.png") == (0, "side.png: 1 happy (rotated clockwise by 90 degrees)\n", "")
    record = json.loads(run("analyze", "side.png", "--json")[1])
    assert (record["width"], record["height"], record["rotation"]) == (40, 60, 90)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode on this system")
def test_a_file_name_in_no_encoding_can_be_printed(analyze: Run, sample_file: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    Path(name).write_bytes(sample_file.read_bytes())
    status, out, err = analyze("--json", name, os.fsdecode(b"\xff.jpg"), "--out", "out")
    assert (status, json.loads(out)["file"]) == (1, "caf\ufffd.jpg")
    assert "was not found" in err
    assert json.loads(Path("out/faces.json").read_text())[0]["file"] == "caf\ufffd.jpg"


@pytest.mark.slow
def test_the_module_runs_as_a_program(tiny: ModelBundle, sample_file: Path) -> None:
    command = [sys.executable, "-m", "emotion", "analyze", "--model", str(tiny.folder), "--detector", "haar", "--json"]
    done = subprocess.run([*command, str(sample_file), "nowhere.jpg"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["faces"]) >= 1
    assert done.stderr == 'emotion: "nowhere.jpg" was not found: check the name and the folder.\n'


# ------------------------------------------------------------------ standard output


@pytest.mark.slow
def test_a_closed_pipe_is_no_error_message() -> None:
    command = [sys.executable, "-m", "emotion", "classifier", "list", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout
        assert program.stderr
        program.stdout.close()
        error_output = program.stderr.read()
    assert program.returncode == 1
    assert error_output == b""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("arguments", [[], ["--json"]])  # JSON is larger than the buffer
def test_output_to_a_full_disk_is_a_plain_error(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "emotion", "classifier", "list", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    message = "emotion: The output cannot be written (No space left on device); send it elsewhere.\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_a_closed_standard_output_is_ignored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as Python does for `>&-`
    assert run("classifier", "list") == (0, "", "")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("3145728 requested and 1024 written"),  # of NumPy
    ],
)
def test_another_full_disk_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def full() -> None:
        raise error

    monkeypatch.setattr(steps, "benchmark_steps", full)
    assert run("benchmark") == (1, "", "emotion: The disk is full: make room, then start it again.\n")


def test_another_error_of_the_system_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(steps, "benchmark_steps", fail)
    with pytest.raises(OSError, match="Input/output"):
        run("benchmark")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_characters_outside_the_encoding_are_escaped(tiny: ModelBundle, tmp_path: Path, arguments: list[str]) -> None:
    Image.new("RGB", (64, 32), "grey").save(tmp_path / "é😀.png")
    command = [sys.executable, "-m", "emotion", "analyze", "--model", str(tiny.folder), "--detector", "haar"]
    done = subprocess.run(
        [*command, str(tmp_path / "é😀.png"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\u00e9\ud83d\ude00.png" in done.stdout
    assert not arguments or json.loads(done.stdout)["file"] == str(tmp_path / "é😀.png")


def test_a_classifier_is_evaluated(run: Run, tiny: ModelBundle, data: Path) -> None:
    status, out, err = run("classifier", "evaluate", tiny.folder, "--data", data, "--split", "test", "--json")
    assert (status, err) == (0, "")
    scores = json.loads(out)
    assert (scores["split"], scores["n"]) == ("test", 12)
    assert 0 <= scores["accuracy_interval"][0] <= scores["accuracy"] <= scores["accuracy_interval"][1] <= 1
    status, out, _ = run("classifier", "evaluate", tiny.folder, "--data", data)
    assert status == 0
    assert out.startswith("validation split, 12 faces\naccuracy ")
    assert "happy      recall" in out


def test_networks_are_listed(run: Run) -> None:
    status, out, err = run("classifier", "list", "--json")
    assert (status, err) == (0, "")
    networks = {network["name"]: network for network in json.loads(out)}
    assert networks["cnn-3conv-250"]["num_parameters"] == 6_926_375
    assert networks["cnn-4conv"]["labels"] == ["angry", "fear", "happy", "sad"]
    assert networks["vgg16"]["defaults"]["lr_schedule"] == "plateau"
    text = run("classifier", "list")[1]
    assert [line.split()[0] for line in text.splitlines()] == list(networks)


def test_runs_are_listed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "config.json").write_text('{"network": "mlp", "epochs": 4}')
    (tmp_path / "runs" / "mine" / "history.csv").write_text("epoch,val_accuracy\n1,0.25\n2,0.5\n")
    status, out, err = run("runs", "--folder", tmp_path / "runs", "--json")
    assert (status, err) == (0, "")
    first, *shipped = map(json.loads, out.splitlines())
    assert (first["name"], first["epoch"], first["epochs"], first["best_accuracy"]) == ("mine", 2, 4, 0.5)
    assert "classifier" in {run["name"] for run in shipped}
    assert "50.0% in epoch 2" in run("runs", "--folder", tmp_path / "runs")[1]
    assert "There is no folder nowhere" in run("runs", "--folder", "nowhere")[2]


@pytest.mark.slow
def test_train_is_a_job_that_can_be_stopped(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training is replaced by a function that records its arguments."""
    from emotion.training.classifier import train
    from emotion.training.classifier.config import TrainingPlan
    from emotion.training.runs.step_monitor import TrainingStopped

    given: dict[str, object] = {}

    def learn(recipe: object, plan: TrainingPlan, folder: Path, report: JobReporter, *, export_only: bool) -> None:
        given.update(plan=plan, folder=folder, state=job.Job(folder).read_state().status)
        raise TrainingStopped("Stopped after epoch 3.")

    monkeypatch.setattr(train, "train_recipe", learn)
    status, out, err = run(
        "classifier", "train", "--data", data, "--out", "run", "--epochs", "3", "--seed", "7", "--tensorboard"
    )
    assert (status, out) == (130, "")
    assert err == "emotion: Stopped after epoch 3. Run the same command again to go on.\n"
    plan = given["plan"]
    assert (plan.epochs, plan.seed, plan.network, plan.teachers) == (3, 7, "seresnet", ())
    assert (given["folder"], given["state"]) == (Path("run"), "running")
    assert plan.tensorboard
    assert not job.Job(Path("run").resolve()).read_state().is_running


ROWS = [
    {"step": "detect", "detector": "haar", "num_faces": 1, "ms": 1.25},
    {"step": "start", "detector": "haar", "num_faces": 1, "ms": 900.0, "memory_mb": 150.4},
]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], ""),
        (ROWS[:1], "haar   1 faces  detect        1.25 ms\n"),
        (ROWS, "haar   1 faces  detect        1.25 ms\nhaar   1 faces  start       900.00 ms, 150 MB\n"),
    ],
)
def test_the_benchmark_prints_its_rows(run: Run, monkeypatch: pytest.MonkeyPatch, rows: list[dict], text: str) -> None:
    monkeypatch.setattr(steps, "benchmark_steps", lambda: rows)
    assert run("benchmark") == (0, text, "")
    assert json.loads(run("benchmark", "--json")[1]) == rows


def test_a_download_without_a_network_is_a_plain_error(
    run: Run, user_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    status, out, err = run("models", "download-yunet")
    assert (status, out) == (1, "")
    assert "could not be fetched (no network?)" in err


def test_a_run_is_installed_as_a_model(
    run: Run, make_bundle: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    monkeypatch.setattr("emotion.model_store.store.BUILTIN_MODELS", models)
    make_bundle(tmp_path / "run")
    status, out, err = run("models", "install", "run", "--name", "mine")
    assert (status, out.strip(), err) == (0, str(models / "mine"), "")
    assert sorted(path.name for path in (models / "mine").iterdir()) == [
        ".emotion-result.json",
        "card.json",
        "model.onnx",
    ]
    status, _, err = run("models", "install", "run", "--name", "mine")
    assert (status, "There is already a model mine" in err) == (1, True)
