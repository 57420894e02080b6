"""Errors that are raised in English in a job, and shown in the language of the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.datasets.building.rejections import RejectionError, RejectionLog
from emotion.datasets.catalog import get_dataset_info
from emotion.datasets.readers.fer2013_files import read_csv
from emotion.datasets.readers.photo_sources import open_source
from emotion.errors import EmotionError
from emotion.expressions import translate_label
from emotion.formatting import format_list
from emotion.jobs.process_record import ProcessRecord
from emotion.model_store.store import list_models, open_model
from emotion.recognition.detectors.detector_factory import make_detector
from emotion.training.classifier.config import TrainingPlan
from emotion.training.runs.folder import write_config
from emotion.training.runs.predictions import Predictions
from emotion.training.sweep.space import parse_space
from emotion.translation import languages, messages
from emotion.translation.languages import in_english
from emotion.translation.messages import get_message, translate_text
from emotion.translation.messages import gettext as _


def read_damaged_table(folder: Path) -> None:
    path = folder / "faces.csv"
    path.write_text("emotion,pixels,Usage\n9,1 2 3,Training\n")
    read_csv(path)


def open_empty_folder(folder: Path) -> None:
    (folder / "empty").mkdir()
    with open_source(folder / "empty"):
        pass


def open_incomplete_model(folder: Path) -> None:
    (folder / "card.json").write_text(json.dumps({"kind": "classifier", "files": {"model.onnx": {"sha256": "0"}}}))
    open_model(folder)


def open_card_without_network(folder: Path) -> None:
    (folder / "card.json").write_text(json.dumps({"kind": "upscaler", "files": {}, "input": {}, "output": {}}))
    open_model(folder)


def vary_too_much(folder: Path) -> None:
    parse_space({"learning_rate": {"choices": [20]}}, TrainingPlan("cnn-4conv", data=str(folder)))


def train_with_other_settings(folder: Path) -> None:
    (folder / "history.csv").touch()
    (folder / "config.json").write_text(json.dumps({"epochs": 3}))
    write_config(folder, "classifier", {"epochs": 4})


def load_damaged_predictions(folder: Path) -> None:
    (folder / "predictions.npz").write_bytes(b"damaged")
    Predictions.load(folder)


# What raises an error in a folder DIR, its English text, and its translations.
ERRORS: list[tuple[Callable[[Path], object], str, str, str]] = [
    (
        lambda folder: get_dataset_info(folder / "faces"),
        "There is no DIR/faces; choose a data set that is on this machine.",
        "沒有 DIR/faces；請選擇本機上的資料集。",
        "Không có DIR/faces; hãy chọn tập dữ liệu có trên máy này.",
    ),
    (
        read_damaged_table,
        "faces.csv, line 2: 3 pixels; expected 2304 from 0 to 255.",
        "faces.csv 第 2 行：有 3 個像素；應為 2304 個，值為 0 到 255。",
        "faces.csv, dòng 2: có 3 pixel; cần 2304 giá trị từ 0 đến 255.",
    ),
    (
        open_empty_folder,
        "No photo is in empty; expected a folder for each label with photos in it.",
        "empty 中沒有照片；每個標籤應有一個含照片的資料夾。",
        "Không có ảnh nào trong empty; mỗi nhãn cần một thư mục có ảnh.",
    ),
    (
        open_incomplete_model,
        "DIR/card.json: the field 'input' of a classifier is missing; fetch the model again.",
        "DIR/card.json：缺少分類器的欄位 'input'；請重新取得模型。",
        "DIR/card.json: thiếu trường 'input' của bộ phân loại; hãy lấy lại mô hình.",
    ),
    (
        open_card_without_network,
        'DIR/card.json: "files" must name model.onnx with its sha256.',
        'DIR/card.json："files" 必須列出 model.onnx 及其 sha256。',
        'DIR/card.json: "files" phải nêu model.onnx kèm sha256 của nó.',
    ),
    (
        lambda folder: make_detector("yunet"),
        "EMOTION_YUNET=none switches YuNet off; unset it or use another detector.",
        "EMOTION_YUNET=none 已停用 YuNet；請取消該設定或使用其他偵測器。",
        "EMOTION_YUNET=none tắt YuNet; hãy bỏ đặt biến này hoặc dùng bộ phát hiện khác.",
    ),
    (
        lambda folder: TrainingPlan("cnn-4conv", epochs=0),
        "epochs is 0; expected a whole number from 1 to 10000.",
        "epochs 為 0；應為 1 到 10000 的整數。",
        "epochs là 0; cần một số nguyên từ 1 đến 10000.",
    ),
    (
        vary_too_much,
        "The space has learning_rate = 20: The learning rate is 20; expected a number above 0 and up to 10.",
        "搜尋空間有 learning_rate = 20：學習率為 20；應為大於 0 且不超過 10 的數字。",
        "Không gian dò có learning_rate = 20: Tốc độ học là 20; cần một số lớn hơn 0 và không quá 10.",
    ),
    (
        train_with_other_settings,
        "DIR holds a training with other settings; choose another folder (it differs in epochs).",
        "DIR 中有其他設定的訓練；請選擇其他資料夾（不同之處：epochs）。",
        "DIR chứa một lần huấn luyện với cài đặt khác; hãy chọn thư mục khác (khác ở epochs).",
    ),
    (
        load_damaged_predictions,
        "DIR/predictions.npz is damaged; write it again with emotion classifier evaluate DIR --save-predictions.",
        "DIR/predictions.npz 已損毀；請以 emotion classifier evaluate DIR --save-predictions 重新寫入。",
        "DIR/predictions.npz bị hỏng; hãy ghi lại bằng emotion classifier evaluate DIR --save-predictions.",
    ),
]


def record(folder: Path, text: str) -> str:
    """Return a text as a page reads it from the record of a job."""
    folder.mkdir()
    ProcessRecord.from_current_process("failed", text).write(folder)
    return ProcessRecord.read(folder).error or ""


@pytest.mark.parametrize(
    ("raise_error", "english", "chinese", "vietnamese"), ERRORS, ids=[row[1][:30] for row in ERRORS]
)
def test_error_of_a_job_is_shown_in_the_language_of_the_page(
    raise_error: Callable[[Path], object],
    english: str,
    chinese: str,
    vietnamese: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMOTION_YUNET", "none")
    with pytest.raises(EmotionError) as caught:
        raise_error(tmp_path)
    text = record(tmp_path / "job", get_message(caught.value))
    assert text == str(caught.value) == english.replace("DIR", str(tmp_path))
    for language, expected in (("zh-TW", chinese), ("vi", vietnamese)):
        monkeypatch.setattr(messages, "get_language", lambda language=language: language)
        assert translate_text(text) == expected.replace("DIR", str(tmp_path))


def test_reasons_of_a_build_are_translated_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RejectionLog(tmp_path / "set")
    for reason in ("blank", "no face", "no face"):
        log.add("a.png", "happy", RejectionError(reason, "It is not used."), None)
    problem = _("No face is left of {count} photos in {name}: {reasons}.")
    text = record(tmp_path / "job", problem.format(count=3, name="photos", reasons=log.describe()))
    assert text == "No face is left of 3 photos in photos: 2 no face, 1 blank."
    monkeypatch.setattr(messages, "get_language", lambda: "zh-TW")
    assert translate_text(text) == "photos 的 3 張照片沒有留下任何人臉：沒有人臉 2 張、空白 1 張。"


def test_labels_of_an_error_of_a_job_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = format_list(map(translate_label, ("happy", "sad", "sleepy")))
    text = _("{source} has only the label {names}; a classifier needs two or more.").format(source="a", names=labels)
    assert text == "a has only the label happy, sad, sleepy; a classifier needs two or more."
    monkeypatch.setattr(messages, "get_language", lambda: "vi")
    assert translate_text(text) == "a chỉ có nhãn vui, buồn, sleepy; bộ phân loại cần từ hai nhãn trở lên."


def test_error_that_a_cache_keeps_is_shown_in_each_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("a,b\n")
    shown = []
    for language in ("zh-TW", "en", "vi"):
        monkeypatch.setattr(languages, "_source", lambda language=language: language)
        with pytest.raises(EmotionError) as caught:
            get_dataset_info(path)
        shown.append(str(caught.value))
    assert shown == [
        "faces.csv 不是人臉表格；應有 emotion,pixels,Usage 欄。",
        "faces.csv is not a table of faces; expected the columns emotion,pixels,Usage.",
        "faces.csv không phải bảng khuôn mặt; cần các cột emotion,pixels,Usage.",
    ]


def test_models_are_listed_in_english_for_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "card.json").write_text("{")
    monkeypatch.setattr(languages, "_source", lambda: "vi")
    with in_english():
        (error,) = list_models("classifier", tmp_path).errors
    assert error == f"{tmp_path / 'broken' / 'card.json'} is not readable JSON; fetch the model again."
    assert translate_text(error).endswith("không phải JSON đọc được; hãy lấy lại mô hình.")
    assert list_models("classifier", tmp_path).errors == [translate_text(error)]
