"""Building a data set: crops, rejected photos, splits, and that no incomplete data set is left."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.cli.main import main
from emotion.datasets.building import builder
from emotion.datasets.building.builder import build_dataset
from emotion.datasets.building.config import DatasetBuildConfig
from emotion.datasets.building.jobs import (
    BuildRequest,
    BuildTarget,
    delete_job,
    list_build_jobs,
    restart_job,
    start_from_path,
)
from emotion.datasets.building.publishing import validate_name
from emotion.datasets.building.rejections import REJECTED
from emotion.datasets.dataset import SPLITS
from emotion.datasets.duplicates import group_near_duplicates
from emotion.datasets.metadata import FACES_FILE, METADATA_FILE
from emotion.datasets.readers.loaders import load_dataset
from emotion.datasets.splitting import parse_split_ratios
from emotion.errors import DataError, EmotionError, JobError
from emotion.faces import Box, Face
from emotion.jobs import job as jobs
from emotion.jobs.reporter import JobReporter
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import encode_png, rotate
from emotion.recognition import analyzer
from emotion.recognition.analyzer import OrientedResult, Rotation, load_analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import CropGeometry, crop_square, to_gray
from emotion.recognition.settings import AnalyzerSettings as analyzer_settings
from emotion.results import photos
from tests.training.making import random_images
from tests.waiting import wait_until

FACE_BOX = Box(20, 30, 80, 90)


def photo(seed: int, size: int = 120) -> ImageArray:
    """A different photo for each seed, RGB uint8 (size, size, 3)."""
    return np.kron(np.random.default_rng(seed).integers(0, 256, (size // 6, size // 6, 3)), np.ones((6, 6, 1))).astype(
        np.uint8
    )


def write(path: Path, image: ImageArray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(image))
    return path


class FakeAnalyzer:
    """Finds the faces that `by_size` has for the width of a photo, else one in `FACE_BOX`."""

    def __init__(self, classifier: ExpressionClassifier) -> None:
        self.by_size: dict[int, list[Box]] = {}
        self.rotation: Rotation = 0
        self.detector, self.classifier = self, classifier
        self.name, self.crop_geometry = "haar", CropGeometry(scale=1.2, y_offset=0.05)

    def analyze_any_orientation(self, image: ImageArray, settings: Any) -> OrientedResult:
        boxes = self.by_size.get(image.shape[1], [FACE_BOX])
        return OrientedResult(rotate(image, self.rotation), tuple(Face(box, 0.9) for box in boxes), self.rotation, ())


@pytest.fixture
def detector(tiny_classifier: ExpressionClassifier, monkeypatch: pytest.MonkeyPatch) -> FakeAnalyzer:
    fake = FakeAnalyzer(tiny_classifier)
    monkeypatch.setattr(analyzer, "load_analyzer", lambda name: fake)
    return fake


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Any]:
    """`build(source, **settings)` builds tmp_path/sets/mine and returns the content of dataset.json."""

    def run(source: Path, **settings: Any) -> Any:
        folder = tmp_path / "sets" / ".mine.building"
        folder.mkdir(parents=True, exist_ok=True)
        metadata = build_dataset(
            source, tmp_path / "sets" / "mine", DatasetBuildConfig(**settings), folder, JobReporter(folder)
        )
        assert metadata is not None
        assert json.loads((tmp_path / "sets" / "mine" / METADATA_FILE).read_text()) == json.loads(json.dumps(metadata))
        return metadata

    return run


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / name).read_text(encoding="utf-8-sig").splitlines()))


def list_reasons(folder: Path) -> dict[str, str]:
    return {row["name"]: row["reason"] for row in rows(folder, f"{REJECTED}.csv")}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_faces_are_cropped_by_the_geometry_of_the_detector(
    tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]
) -> None:
    for number in range(3):
        write(tmp_path / "photos" / "happy" / f"{number}.png", photo(number))
    build(tmp_path / "photos", size=64)
    for row in rows(tmp_path / "sets" / "mine", FACES_FILE):
        crop = cv2.imread(str(tmp_path / "sets" / "mine" / row["file"]), cv2.IMREAD_UNCHANGED)
        gray = to_gray(photo(int(row["photo"][-5])))
        np.testing.assert_array_equal(crop, crop_square(gray, detector.crop_geometry.to_square(FACE_BOX), 64))
        assert [int(row[side]) for side in ("x1", "y1", "x2", "y2")] == [20, 30, 80, 90]


def test_built_data_set_can_be_loaded(tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]) -> None:
    for number in range(40):
        write(tmp_path / "photos" / ("Happiness" if number < 20 else "Big yawn") / f"{number}.png", photo(number))
    metadata = build(tmp_path / "photos")
    data = load_dataset(tmp_path / "sets" / "mine")
    assert data.label_names == ("happy", "big yawn") == tuple(metadata["labels"])
    assert data.notes == ()
    counts = Counter(zip(data.split.tolist(), data.labels.tolist(), strict=True))
    assert counts == {(0, 0): 16, (1, 0): 2, (2, 0): 2, (0, 1): 16, (1, 1): 2, (2, 1): 2}
    assert metadata["counts"] == {
        split: {name: counts[number, label] for label, name in enumerate(data.label_names)}
        for number, split in enumerate(SPLITS)
    }
    assert (metadata["photos"], metadata["faces"], metadata["rejected"]) == (40, 40, {})
    assert not (tmp_path / "sets" / ".mine.building" / "set").exists()


def test_equal_photos_and_seed_give_an_equal_data_set(
    tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]
) -> None:
    for number in range(30):
        write(tmp_path / "photos" / ("happy" if number % 3 else "sad") / f"{number}.png", photo(number))
    sha256 = build(tmp_path / "photos")["sha256"]
    os.rename(tmp_path / "sets" / "mine", tmp_path / "first")
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path / "photos"))
    assert build(archive)["sha256"] == sha256
    first, second = tree(tmp_path / "first"), tree(tmp_path / "sets" / "mine")
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} <= {METADATA_FILE}
    os.rename(tmp_path / "sets" / "mine", tmp_path / "second")
    assert build(tmp_path / "photos", seed=2)["sha256"] != sha256


def test_near_duplicates_share_a_split(tmp_path: Path, build: Callable[..., Any]) -> None:
    for number, face in enumerate(random_images(12)):
        for copy in range(3):
            changed = np.clip(face.astype(int) + 4 * copy, 0, 255).astype(np.uint8)
            write(
                tmp_path / "photos" / ("happy" if number % 2 else "sad") / f"{number}-{copy}.png",
                changed[..., None].repeat(3, 2),
            )
    metadata = build(tmp_path / "photos", pre_cropped=True, split_ratios=(0.5, 0.25, 0.25))
    assert metadata["near_duplicates"] == {"groups": 12, "faces": 36}
    data = load_dataset(tmp_path / "sets" / "mine")
    groups = group_near_duplicates(data.images)
    assert len(np.unique(groups)) == 12
    assert all(len(set(data.split[groups == group])) == 1 for group in np.unique(groups))
    assert set(data.split) == {0, 1, 2}


def test_every_rejected_photo_has_its_reason(tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]) -> None:
    large, small, tiny = Box(0, 0, 80, 80), Box(90, 90, 140, 140), Box(0, 0, 20, 20)
    detector.by_size = {126: [], 132: [small, large], 138: [tiny], 144: [large, tiny]}
    photos = tmp_path / "photos"
    for name, image in {
        "happy/good": photo(1),
        "happy/same": photo(1),
        "happy/both": photo(2),
        "sad/both": photo(2),
        "sad/no-face": photo(3, 126),
        "sad/group": photo(4, 132),
        "sad/far": photo(5, 138),
        "sad/main": photo(6, 144),
        "sad/gray": np.full((120, 120, 3), 77, np.uint8),
        "top": photo(7),
        "=cmd()": photo(8),
    }.items():
        write(photos / f"{name}.png", image)
    (photos / "sad" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    os.symlink(photos / "top.png", photos / "sad" / "link.png")
    metadata = build(photos, multi_face_policy="none")
    folder = tmp_path / "sets" / "mine"
    assert list_reasons(folder) == {
        "happy/same.png": "duplicate",
        "happy/both.png": "two labels",
        "sad/both.png": "two labels",
        "sad/no-face.png": "no face",
        "sad/group.png": "several faces",
        "sad/far.png": "too small",
        "sad/gray.png": "blank",
        "sad/broken.jpg": "unreadable",
        "sad/link.png": "unreadable",
        "top.png": "no label",
        "'=cmd().png": "no label",
    }
    assert [row["photo"] for row in rows(folder, FACES_FILE)] == ["happy/good.png", "sad/main.png"]
    assert metadata["rejected"] == dict(Counter(list_reasons(folder).values()))
    for row in rows(folder, f"{REJECTED}.csv"):
        assert row["message"].endswith(".")
        assert (row["thumbnail"] != "") == (row["reason"] not in ("unreadable", "no label"))
        if row["thumbnail"]:
            image = cv2.imread(str(folder / row["thumbnail"]))
            assert image is not None
            assert max(image.shape) <= 200


def test_largest_of_several_faces_is_taken(tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]) -> None:
    detector.by_size = {120: [Box(0, 0, 40, 40), Box(30, 30, 110, 110), Box(50, 0, 100, 50)]}
    write(tmp_path / "photos" / "happy" / "a.png", photo(1))
    build(tmp_path / "photos")
    (row,) = rows(tmp_path / "sets" / "mine", FACES_FILE)
    assert (row["x1"], row["x2"]) == ("30", "110")


def test_rotated_photo_is_cropped_upright(tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]) -> None:
    detector.rotation = 90
    write(tmp_path / "photos" / "happy" / "a.png", photo(1))
    build(tmp_path / "photos")
    upright = to_gray(rotate(photo(1), 90))
    (image,) = load_dataset(tmp_path / "sets" / "mine").images
    np.testing.assert_array_equal(image, crop_square(upright, detector.crop_geometry.to_square(FACE_BOX), 48))


def test_crop_equals_that_of_the_photo_page(tmp_path: Path, sample_file: Path, build: Callable[..., Any]) -> None:
    (tmp_path / "photos" / "happy").mkdir(parents=True)
    shutil.copy(sample_file, tmp_path / "photos" / "happy")
    metadata = build(tmp_path / "photos")
    analysis = photos.analyze_photo(sample_file, load_analyzer(), analyzer_settings())
    np.testing.assert_array_equal(load_dataset(tmp_path / "sets" / "mine").images, analysis.gray_crops)
    assert metadata["provenance"]["classifier"]["sha256"] == load_analyzer().classifier.bundle.sha256


def test_pre_cropped_faces_are_not_changed(tmp_path: Path, build: Callable[..., Any]) -> None:
    for number, face in enumerate(random_images(5)):
        write(tmp_path / "photos" / "happy" / f"{number}.png", face[..., None].repeat(3, 2))
    write(tmp_path / "photos" / "happy" / "tiny.png", photo(1, 18))
    metadata = build(tmp_path / "photos", pre_cropped=True)
    assert (metadata["faces"], metadata["provenance"], metadata["rejected"]) == (5, None, {"too small": 1})
    images = load_dataset(tmp_path / "sets" / "mine").images
    assert sorted(image.tobytes() for image in images) == sorted(face.tobytes() for face in random_images(5))


def test_source_without_faces_is_refused(tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]) -> None:
    detector.by_size = {120: []}
    write(tmp_path / "photos" / "happy" / "a.png", photo(1))
    with pytest.raises(DataError, match="No face is left of 1 photos in photos: 1 no face"):
        build(tmp_path / "photos")
    assert [path.name for path in (tmp_path / "sets").iterdir()] == [".mine.building"]
    assert not (tmp_path / "sets" / ".mine.building" / "set").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"size": 15}, {"size": 513}, {"min_face_px": 0}, {"seed": -1}, {"seed": 2**32}, {"detection_threshold": 1.1}],
)
def test_invalid_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="choose"):
        DatasetBuildConfig(**wrong)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "..\\a", ".hidden", "a.", "a ", "a\nb", "x" * 61, "ä", "-a"]
)
def test_invalid_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot be the name"):
        validate_name(name, tmp_path)


def test_name_of_an_existing_folder_is_refused(tmp_path: Path) -> None:
    assert validate_name("mine (2)", tmp_path) == tmp_path / "mine (2)"
    (tmp_path / "mine").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="already"):
        validate_name("mine", tmp_path)


@pytest.mark.slow
@given(
    size=st.integers(16, 512),
    training=st.integers(1, 99),
    seed=st.integers(0, 2**32 - 1),
    is_pre_cropped=st.booleans(),
    policy=st.sampled_from(["largest", "none"]),
    detector=st.sampled_from(["", "haar"]),
)
def test_a_configuration_file_holds_all_settings(
    size: int, training: int, seed: int, is_pre_cropped: bool, policy: Any, detector: str
) -> None:
    shares = parse_split_ratios(f"{training}/{100 - training}/0")
    config = DatasetBuildConfig(size, shares, seed, policy, 24, is_pre_cropped, detector, 0.5)
    configs: list[DatasetBuildConfig] = []

    def keep(
        source: Path, target: Path, settings: DatasetBuildConfig, folder: Path, report: JobReporter, *, mode: str
    ) -> dict[str, Any]:
        assert mode == "new"
        configs.append(settings)
        return {"photos": 0, "faces": 0, "counts": {}, "rejected": {}}

    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as temporary:
        patch.setattr(builder, "build_dataset", keep)
        folder = Path(temporary)
        BuildRequest(Path("x"), "mine", folder, config).write(folder / "request.json")
        assert main(["dataset", "build", "--config", str(folder / "request.json")]) == 0
    assert configs == [config]


class StoppingReporter(JobReporter):
    """Requests a stop after a number of photos."""

    def __init__(self, folder: Path, after: int) -> None:
        super().__init__(folder)
        self.after = after

    @property
    def stop_requested(self) -> bool:
        return (self.after < 0) or super().stop_requested

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        self.after -= message.startswith("Photo")


@pytest.mark.parametrize("after", [0, 3])
def test_stopped_build_leaves_nothing(tmp_path: Path, detector: FakeAnalyzer, after: int) -> None:
    for number in range(6):
        write(tmp_path / "photos" / "happy" / f"{number}.png", photo(number))
    folder = tmp_path / "sets" / ".mine.building"
    folder.mkdir(parents=True)
    target = tmp_path / "sets" / "mine"
    assert (
        build_dataset(tmp_path / "photos", target, DatasetBuildConfig(), folder, StoppingReporter(folder, after))
        is None
    )
    assert list(folder.iterdir()) == []
    assert not target.exists()


def test_full_disk_gives_a_message_and_leaves_nothing(
    tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "photos" / "happy" / "a.png", photo(1))

    def full(path: Path, gray: ImageArray) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(builder, "_write_png", full)
    with pytest.raises(JobError, match="the disk is full"):
        build(tmp_path / "photos")
    assert not (tmp_path / "sets" / "mine").exists()
    assert not (tmp_path / "sets" / ".mine.building" / "set").exists()


def test_faces_are_added_to_a_data_set_whose_faces_keep_their_split(
    tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]
) -> None:
    for number in range(20):
        write(tmp_path / "photos" / "happy" / f"{number}.png", photo(number))
    build(tmp_path / "photos", size=64)
    target = tmp_path / "sets" / "mine"
    before = {(row["photo"], row["split"], row["digest"], row["x1"]) for row in rows(target, FACES_FILE)}
    for number in range(10):
        write(tmp_path / "more" / "sad" / f"new-{number}.png", photo(100 + number))
    write(tmp_path / "more" / "happy" / "again.png", photo(3))
    write(tmp_path / "more" / "happy" / "broken.png", photo(0)).write_bytes(b"no photo")
    folder = tmp_path / "sets" / ".mine.building"
    build_dataset(tmp_path / "more", target, DatasetBuildConfig(), folder, JobReporter(folder), mode="extend")
    after = {(row["photo"], row["split"], row["digest"], row["x1"]) for row in rows(target, FACES_FILE)}
    assert before < after
    assert len(after) == 30
    assert {split for name, split, _, _ in after if "new" in name} == set(SPLITS)
    assert list_reasons(target) == {"happy/again.png": "duplicate", "happy/broken.png": "unreadable"}
    metadata = json.loads((target / METADATA_FILE).read_text())
    assert (metadata["photos"], metadata["labels"], metadata["config"]["size"]) == (32, ["happy", "sad"], 64)
    assert load_dataset(target, size=64).images.shape == (30, 64, 64)


def test_rejected_photos_stay_listed_when_faces_are_added(
    tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]
) -> None:
    for number in range(10):
        write(tmp_path / "photos" / "happy" / f"{number}.png", photo(number))
    write(tmp_path / "photos" / "happy" / "again.png", photo(3))
    build(tmp_path / "photos")
    target, folder = tmp_path / "sets" / "mine", tmp_path / "sets" / ".mine.building"
    write(tmp_path / "more" / "happy" / "same.png", photo(4))
    build_dataset(tmp_path / "more", target, DatasetBuildConfig(), folder, JobReporter(folder), mode="extend")
    rejected = rows(target, f"{REJECTED}.csv")
    assert {row["name"] for row in rejected} == {"happy/again.png", "happy/same.png"}
    assert all((target / row["thumbnail"]).is_file() for row in rejected)


def test_command_extends_only_a_data_set_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "photos" / "happy" / "0.png", photo(0))
    arguments = ["--name", "mine", "--out", str(tmp_path / "sets"), "--pre-cropped", "--extend"]
    (tmp_path / "sets").mkdir()
    assert main(["dataset", "build", str(tmp_path / "photos"), *arguments]) == 1
    assert "mine holds no faces; build a new data set" in capsys.readouterr().err


def test_second_build_does_not_overwrite(tmp_path: Path, detector: FakeAnalyzer, build: Callable[..., Any]) -> None:
    write(tmp_path / "photos" / "happy" / "a.png", photo(1))
    write(tmp_path / "sets" / "mine" / "train" / "sad" / "mine.png", photo(2))
    with pytest.raises(DataError, match="already"):
        build(tmp_path / "photos")
    assert list(tree(tmp_path / "sets" / "mine")) == ["train/sad/mine.png"]


def test_command_prints_counts_and_refuses_a_taken_name(
    tmp_path: Path, sample_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos" / "happy").mkdir(parents=True)
    shutil.copy(sample_file, tmp_path / "photos" / "happy")
    (tmp_path / "photos" / "happy" / "broken.jpg").write_bytes(b"x")
    arguments = ["dataset", "build", str(tmp_path / "photos"), "--name", "mine", "--out", str(tmp_path / "sets")]
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert "1 faces of 2 photos" in output
    assert "Left out: 1 unreadable" in output
    assert sorted(path.name for path in (tmp_path / "sets").iterdir()) == ["mine"]
    assert main(arguments) == 1
    assert "already" in capsys.readouterr().err
    assert main([*arguments[:4], "other", *arguments[5:], "--json", "--split-ratios", "50/50"]) == 1
    assert "80/10/10" in capsys.readouterr().err


def test_command_replaces_only_data_sets_that_it_built(
    tmp_path: Path, sample_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos" / "happy").mkdir(parents=True)
    shutil.copy(sample_file, tmp_path / "photos" / "happy")
    arguments = [
        "dataset",
        "build",
        str(tmp_path / "photos"),
        "--name",
        "mine",
        "--out",
        str(tmp_path / "sets"),
        "--overwrite",
    ]
    assert main(arguments) == 0
    (tmp_path / "photos" / "happy").rename(tmp_path / "photos" / "sad")
    assert main(arguments) == 0
    assert [p.name for p in (tmp_path / "sets" / "mine" / "train").iterdir()] == ["sad"]
    assert [p.name for p in (tmp_path / "sets").iterdir()] == ["mine"]
    (tmp_path / "sets" / "mine" / "train" / "sad" / "mine.png").write_bytes(sample_file.read_bytes())
    before = sorted(tmp_path.rglob("*"))
    capsys.readouterr()
    assert main(arguments) == 1
    assert "holds train/sad/mine.png, which is no part of its data set" in capsys.readouterr().err
    inner = ["dataset", "build", str(tmp_path / "sets" / "mine" / "train"), *arguments[3:]]
    (tmp_path / "sets" / "mine" / "train" / "sad" / "mine.png").unlink()
    before.remove(tmp_path / "sets" / "mine" / "train" / "sad" / "mine.png")
    assert main(inner) == 1
    assert "is an input and lies in" in capsys.readouterr().err
    (tmp_path / "sets" / ".mine.building").mkdir()
    (tmp_path / "sets" / ".mine.building" / "mine.txt").write_text("mine")
    assert main(arguments) == 1
    assert (tmp_path / "sets" / ".mine.building" / "mine.txt").exists()
    assert set(before) <= set(tmp_path.rglob("*"))


def test_failed_command_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    assert main(["dataset", "build", str(tmp_path / "photos"), "--name", "a", "--out", str(tmp_path / "sets")]) == 1
    assert "No photo is in photos" in capsys.readouterr().err
    assert list((tmp_path / "sets").iterdir()) == []
    (tmp_path / "file").touch()
    assert main(["dataset", "build", str(tmp_path / "photos"), "--name", "a", "--out", str(tmp_path / "file")]) == 1
    assert "choose another folder" in capsys.readouterr().err


def wait_for_end(job: jobs.Job, seconds: float = 60) -> jobs.JobState:
    wait_until(lambda: not job.read_state().is_running, seconds, f"the end of {job.folder}")
    return job.read_state()


@pytest.fixture
def many_photos(tmp_path: Path) -> Path:
    for number in range(300):
        write(tmp_path / "photos" / "happy" / f"{number}.png", photo(number, 300))
    return tmp_path / "photos"


@pytest.mark.slow
def test_killed_job_leaves_no_data_set_and_can_be_restarted(tmp_path: Path, many_photos: Path) -> None:
    job = start_from_path(
        many_photos, BuildTarget("mine", DatasetBuildConfig(pre_cropped=True), parent=tmp_path / "sets")
    )
    wait_until(lambda: job.read_state().message.startswith("Photo"), 60, "the first photo")
    with pytest.raises(JobError, match="being built already"):
        start_from_path(many_photos, BuildTarget("mine", DatasetBuildConfig(), parent=tmp_path / "sets"))
    os.kill(json.loads((job.folder / "state.json").read_text())["pid"], signal.SIGKILL)
    assert wait_for_end(job).status == "interrupted"
    assert not (tmp_path / "sets" / "mine").exists()
    assert [listed.folder for listed in list_build_jobs(tmp_path / "sets")] == [job.folder]
    assert wait_for_end(restart_job(job)).status == "done", job.tail_log()
    assert len(load_dataset(tmp_path / "sets" / "mine")) == 300
    delete_job(job)
    assert list_build_jobs(tmp_path / "sets") == []
    assert (tmp_path / "sets" / "mine").is_dir()


@pytest.mark.slow
def test_stopped_job_leaves_no_data_set(tmp_path: Path, many_photos: Path) -> None:
    job = start_from_path(
        many_photos, BuildTarget("mine", DatasetBuildConfig(pre_cropped=True), parent=tmp_path / "sets")
    )
    wait_until(lambda: job.read_state().message.startswith("Photo"), 60, "the first photo")
    assert job.stop().status == "stopped"
    assert sorted(path.name for path in (tmp_path / "sets").iterdir()) == [".mine.building"]
    assert not (job.folder / "set").exists()


def test_job_that_cannot_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="nowhere"):
        start_from_path(tmp_path / "nowhere", BuildTarget("mine", DatasetBuildConfig(), parent=tmp_path / "sets"))

    def refuse(*_: object) -> jobs.Job:
        raise JobError("No.")

    monkeypatch.setattr(jobs, "start_job", refuse)
    for name, message in (("mine", "No"), ("../mine", "cannot be the name")):
        with pytest.raises(EmotionError, match=message):
            start_from_path(tmp_path, BuildTarget(name, DatasetBuildConfig(), parent=tmp_path / "sets"))
    assert list((tmp_path / "sets").iterdir()) == []
