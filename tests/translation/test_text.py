"""Text that a job wrote in English is translated where a page shows it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from emotion.errors import JobError
from emotion.jobs.process_record import STATE_FILE, ProcessRecord
from emotion.storage import DISK_FULL_MESSAGE
from emotion.translation import messages
from emotion.translation.messages import gettext as _
from emotion.translation.messages import translate_error, translate_text

ROOT = Path(__file__).resolve().parents[2]
# What visitors of Live, Photos and Videos meet; see `PACKAGES` for those of data sets, models and trainings.
TRANSLATED = (
    "storage.py",
    "jobs/job.py",
    "jobs/queue.py",
    "jobs/process_record.py",
    "jobs/reporter.py",
    "media/video_writer.py",
    "video/analysis.py",
    "video/library.py",
    "video/people.py",
    "video/redraw.py",
    "video/settings.py",
    "video/edits/identities.py",
    "video/edits/markers.py",
    "video/outputs/exports.py",
    "video/time_range.py",
    "live/recording.py",
    "jobs/limited_process.py",
    "field_types.py",
)
PACKAGES = ("archive", "datasets", "generation", "model_store", "recognition", "training")
# Modules of these with errors that only a command or a caller of the Python API meets, beside translated ones.
ENGLISH = {
    "archive/engines/local_engine.py",
    "archive/engines/ray_engine.py",
    "archive/listing.py",
    "archive/run.py",
    "archive/settings.py",
    "archive/store.py",
    "datasets/building/builder.py",  # the reasons in rejected.csv
    "datasets/building/config.py",
    "datasets/building/face_crops.py",
    "datasets/feature_crops.py",
    "datasets/label_movements.py",
    "datasets/readers/photo_sources.py",
    "generation/config.py",
    "generation/evaluation.py",
    "generation/filtering.py",
    "generation/images.py",
    "generation/morph_video.py",
    "generation/sampler.py",
    "generation/study/augmentation_study.py",
    "generation/upscaling/config.py",
    "generation/upscaling/upscaler.py",
    "model_store/store.py",
    "recognition/classification.py",
    "recognition/settings.py",
    "training/classifier/config.py",
    "training/classifier/evaluation/calibration.py",
    "training/classifier/evaluation/end_to_end.py",
    "training/classifier/evaluation/fer_package.py",
    "training/classifier/evaluation/labeled_faces.py",
    "training/classifier/parallel_training.py",
    "training/classifier/quantization.py",
    "training/detector/calibration.py",
    "training/detector/config.py",
    "training/detector/evaluation.py",
    "training/detector/train.py",
    "training/features/config.py",
    "training/parallel/connecting.py",
    "training/parallel/group.py",
    "training/sweep/space.py",
}


def speak(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "get_language", lambda: language)


def read_error(folder: Path, error: str) -> str:
    """Return an error as a page reads it from the record of a job."""
    ProcessRecord.from_current_process("failed", error).write(folder)
    return ProcessRecord.read(folder).error or ""


def test_error_of_a_job_is_english_in_its_file_and_translated_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = read_error(
        tmp_path, _("{name} is being analyzed: wait until that ends, then draw it again.").format(name="a")
    )
    assert error == "a is being analyzed: wait until that ends, then draw it again."
    speak("zh-TW", monkeypatch)
    assert translate_text(error) == "正在分析 a：請等分析結束後再重新繪製。"


def test_values_that_are_text_themselves_are_translated_and_names_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = _("{subject} {problem}: {advice}.")
    error = read_error(tmp_path, text.format(subject='"Stop"', problem=_("is empty"), advice=_("copy it again")))
    speak("vi", monkeypatch)
    translated = translate_text(error)
    assert '"Stop"' in translated
    assert "is empty" not in translated
    assert "copy it again" not in translated


def test_numbers_keep_their_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = _("{folder} needs {needed:,.0f} MB, its disk has {free:,.0f} MB free: make room.")
    error = read_error(tmp_path, text.format(folder=Path("/data"), needed=1234.5, free=3))
    speak("zh-TW", monkeypatch)
    assert translate_text(error) == "/data 需要 1,234 MB，磁碟只剩 3 MB：請騰出空間。"


@pytest.mark.parametrize(
    "parts",
    [
        None,
        7,
        {},
        {"message": 3, "values": {}},
        {"message": "{a:999999999}", "values": {"a": "x"}},
        {"message": "{path} cannot be written ({reason}); check the disk.", "values": {}},
        {"message": "{path} cannot be written ({reason}); check the disk.", "values": [1]},
        {"message": "{folder} needs {needed:,.0f} MB, its disk has {free:,.0f} MB free: make room.",
         "values": {"folder": "a", "needed": "b", "free": "c"}},
    ],
)  # fmt: skip
def test_a_damaged_record_keeps_its_english_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: object
) -> None:
    ProcessRecord.from_current_process("failed", "It failed.").write(tmp_path)
    values = json.loads((tmp_path / STATE_FILE).read_text())
    (tmp_path / STATE_FILE).write_text(json.dumps(values | {"error_parts": parts}))
    speak("zh-TW", monkeypatch)
    assert translate_text(ProcessRecord.read(tmp_path).error or "") == "It failed."


def test_error_that_another_thread_raised_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    error, other = JobError(_(DISK_FULL_MESSAGE)), ValueError("one", 2)
    speak("zh-TW", monkeypatch)
    assert translate_error(error) == "磁碟已滿：請騰出空間後重新開始。"
    assert translate_error(other) == str(other)


def find_plain_errors(tree: ast.AST) -> list[int]:
    """Return the lines that raise an error for people whose sentence is not looked up."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and ast.unparse(node.exc.func).endswith("Error")
        and ast.unparse(node.exc.func) not in ("ValueError", "OSError")
        and node.exc.args
        and isinstance(node.exc.args[0], ast.Constant | ast.JoinedStr)
    ]


@pytest.mark.parametrize("name", TRANSLATED)
def test_errors_that_visitors_meet_are_translated(name: str) -> None:
    assert find_plain_errors(ast.parse((ROOT / "emotion" / name).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_errors_of_data_sets_models_and_trainings_are_translated(package: str) -> None:
    plain = set()
    for path in (ROOT / "emotion" / package).rglob("*.py"):
        if find_plain_errors(ast.parse(path.read_text(encoding="utf-8"))):
            plain.add(path.relative_to(ROOT / "emotion").as_posix())
    assert plain == {name for name in ENGLISH if name.startswith(f"{package}/")}


@pytest.mark.parametrize("path", sorted((ROOT / "emotion" / "media").rglob("*.py")), ids=lambda path: path.name)
def test_errors_of_images_and_videos_are_translated(path: Path) -> None:
    assert find_plain_errors(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_a_plain_error_is_found() -> None:
    assert find_plain_errors(ast.parse('raise JobError(f"{name} is missing.")')) == [1]
    assert not find_plain_errors(ast.parse('raise JobError(_("It is missing."))'))
