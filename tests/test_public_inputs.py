"""What the public functions take: every kind of image alike, and settings in their range."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from emotion import AnalyzerSettings, Box, Face, ImageError, SettingsError, annotate, as_rgb, load_analyzer, read_image
from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.generation.sampler import Sampler
from emotion.media.image_reader import encode_jpeg, encode_png
from emotion.media.video_writer import VideoWriter, letterbox
from emotion.model_store.store import get_default_model
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import pixelate
from emotion.recognition.anonymizer import Anonymizer, pixelate_all
from emotion.recognition.saliency import overlay_class_activation
from emotion.tracking.settings import StreamSettings
from emotion.tracking.stream import Stream

IMAGE = read_image(SAMPLE_IMAGE)[::2, ::2].copy()
FACES = (Face(Box(60, 40, 140, 130), 0.9),)


def file_of(image: NDArray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


SAME: dict[str, Any] = {
    "bytes": file_of(IMAGE),
    "open file": io.BytesIO(file_of(IMAGE)),
    "Pillow": Image.fromarray(IMAGE),
    "float32 0 to 1": (IMAGE / 255).astype(np.float32),
    "float64 0 to 1": IMAGE / 255,
    "float32 0 to 255": IMAGE.astype(np.float32),
    "float16 0 to 255": IMAGE.astype(np.float16),
    "int64": IMAGE.astype(np.int64),
    "uint16": IMAGE.astype(np.uint16) * 257,
    "RGBA": np.dstack([IMAGE, np.full(IMAGE.shape[:2], 255, np.uint8)]),
    "a view from right to left": IMAGE[:, ::-1].copy()[:, ::-1],
    "Fortran order": np.asfortranarray(IMAGE),
    "read-only": np.frombuffer(IMAGE.tobytes(), np.uint8).reshape(IMAGE.shape),
}
WRONG: dict[str, Any] = {
    "None": None,
    "number": 7,
    "no file": "no such file.jpg",
    "no image": b"no image",
    "empty": IMAGE[:0],
    "channels first": IMAGE.transpose(2, 0, 1),
    "several": np.stack([IMAGE, IMAGE]),
    "complex": IMAGE * 1j,
    "too large values": IMAGE.astype(int) * 2,
    "NaN": np.full(IMAGE.shape, math.nan),
    "text": np.full((4, 4), "a"),
    "between the ranges of floats": IMAGE / 255 * 1.1,
}


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return load_analyzer()


@pytest.fixture
def entries(analyzer: Analyzer, tmp_path: Path) -> dict[str, Callable[[Any], Any]]:
    """The public functions that take an image, each with what it makes of one as a value to compare."""
    settings = AnalyzerSettings()

    def write(image: Any) -> bytes:
        with VideoWriter(tmp_path / "a.mp4", 256, 256) as writer:
            writer.write(image, 0.0)
        return (tmp_path / "a.mp4").read_bytes()

    return {
        "as_rgb": as_rgb,
        "analyze": analyzer.analyze,
        "analyze_any_orientation": lambda image: analyzer.analyze_any_orientation(image).faces,
        "classify_all": lambda image: [reading.face for reading in analyzer.classify_all(image, settings)],
        "detect": lambda image: analyzer.detect(image, 0.6, 640),
        "candidate_boxes": lambda image: analyzer.candidate_boxes(image, settings),
        "process": lambda image: Stream(analyzer).process(image, 0.0).faces,
        "annotate": lambda image: annotate(image, FACES),
        "annotate and blur": lambda image: annotate(image, FACES, anonymize=True),
        "pixelate": lambda image: pixelate(image, [FACES[0].box]),
        "pixelate_all": pixelate_all,
        "apply": lambda image: Anonymizer(analyzer).apply(image, [], 0.0, settings),
        "regions": lambda image: Anonymizer(analyzer).regions(image, [], 0.0, settings),
        "letterbox": lambda image: letterbox(image, 300, 200),
        "encode_png": encode_png,
        "encode_jpeg": encode_jpeg,
        "write": write,
    }


@pytest.mark.slow
def test_every_function_takes_every_kind_of_image_alike(entries: dict[str, Callable[[Any], Any]]) -> None:
    for name, function in entries.items():
        expected = function(IMAGE)
        for kind, image in SAME.items():
            assert np.array_equal(as_rgb(image), IMAGE), kind
            assert _equal(function(image), expected), (name, kind)


def _equal(one: Any, other: Any) -> bool:
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


def test_every_function_refuses_what_is_no_image_in_the_same_sentence(
    entries: dict[str, Callable[[Any], Any]],
) -> None:
    for kind, image in WRONG.items():
        sentences = set()
        for function in entries.values():
            with pytest.raises(ImageError, match=r"^[^.]* .*: .*\.$") as caught:
                function(image)
            sentences.add(str(caught.value))
        assert len(sentences) == 1, kind


def test_a_path_and_the_order_of_opencv(analyzer: Analyzer) -> None:
    image = read_image(SAMPLE_IMAGE)
    expected = analyzer.analyze(image)
    assert analyzer.analyze(SAMPLE_IMAGE) == analyzer.analyze(str(SAMPLE_IMAGE)) == expected
    bgr = image[..., ::-1]
    assert analyzer.analyze(bgr, order="bgr") == expected
    assert analyzer.analyze_any_orientation(bgr, order="bgr").faces == expected
    assert Stream(analyzer).process(bgr, 0.0, order="bgr") == Stream(analyzer).process(image, 0.0)
    for function in (as_rgb, analyzer.analyze, analyzer.analyze_any_orientation):
        with pytest.raises(ImageError, match="color order 'BGR': expected is"):
            function(image, order="BGR")  # type: ignore[call-overload]


def test_a_gray_image_is_one_with_three_equal_colors(analyzer: Analyzer) -> None:
    gray = IMAGE[..., 1]
    expected = analyzer.analyze(np.repeat(gray[..., None], 3, axis=2))
    assert expected
    for image in (gray, gray[..., None], gray / 255, Image.fromarray(gray), gray.astype(np.uint16) << 8):
        assert analyzer.analyze(image) == expected


def test_an_image_that_is_right_already_is_not_copied_and_never_changed() -> None:
    assert as_rgb(IMAGE) is IMAGE
    before = IMAGE.copy()
    drawn = annotate(IMAGE, FACES), pixelate(IMAGE, []), pixelate_all(IMAGE)
    assert not any(np.shares_memory(IMAGE, one) for one in drawn)
    view = IMAGE.view()
    view.flags.writeable = False
    assert not np.shares_memory(annotate(view, FACES), view)
    assert np.array_equal(IMAGE, before)


# --- Settings

NO_SHARES = (-0.01, 1.01, 60, math.nan, math.inf, "0.5", None, True, [0.5])
NO_COUNTS = (0, -1, 640.0, math.nan, "640", None, True)
BAD: list[tuple[type, str, tuple]] = [
    (AnalyzerSettings, "detection_threshold", NO_SHARES),
    (AnalyzerSettings, "min_confidence", NO_SHARES),
    (AnalyzerSettings, "max_side", NO_COUNTS),
    (AnalyzerSettings, "head", (7, b"ferplus", ["ferplus"])),
    (StreamSettings, "recognition", (None, {"max_side": 640}, 640)),
    (StreamSettings, "switch_margin", NO_SHARES),
    (StreamSettings, "max_faces_per_frame", NO_COUNTS),
    (StreamSettings, "max_roi_searches", (-1, 0.5, "4")),
    (StreamSettings, "classify_hz", (0, -0.1, math.nan, math.inf, "1", None)),
    *(
        (StreamSettings, name, (-0.1, math.nan, math.inf, "1", None))
        for name in (
            "half_life",
            "switch_delay",
            "detect_interval",
            "min_detect_interval",
            "max_lost_seconds",
        )
    ),
]


@pytest.mark.parametrize(("kind", "name", "values"), BAD, ids=lambda part: part if isinstance(part, str) else "")
def test_settings_out_of_their_range_are_refused(kind: type, name: str, values: tuple) -> None:
    for value in values:
        with pytest.raises(SettingsError, match=rf"^The setting {name} is .*; expected .*\.$"):
            kind(**{name: value})


def test_settings_at_their_borders_and_numbers_of_numpy_are_taken() -> None:
    for value in (0, 1, 0.0, 1.0, np.float32(0.5), np.float64(0.5)):
        AnalyzerSettings(detection_threshold=value, min_confidence=value)  # type: ignore[arg-type]
    AnalyzerSettings(max_side=1, head=None)
    AnalyzerSettings(max_side=np.int64(640), head="ferplus")  # type: ignore[arg-type]
    StreamSettings(half_life=0, classify_hz=1e6, max_roi_searches=0, max_faces_per_frame=1, switch_margin=0)


def test_what_the_model_does_not_have_is_refused_with_and_without_faces(analyzer: Analyzer) -> None:
    settings, empty = AnalyzerSettings(head="fer2031"), np.zeros((64, 64, 3), np.uint8)
    sentence = r"^The model has no answer 'fer2031'; it has .*fer2013.*\.$"
    for image in (IMAGE, empty):
        for function in (analyzer.analyze, analyzer.analyze_any_orientation):
            with pytest.raises(SettingsError, match=sentence):
                function(image, settings)
    stream = Stream(analyzer, StreamSettings(settings))
    with pytest.raises(SettingsError, match=sentence):
        stream.process(IMAGE, 0.0)
    classifier = analyzer.classifier
    crop = np.zeros((classifier.input_size, classifier.input_size), np.uint8)
    with pytest.raises(SettingsError, match=sentence):
        classifier.has_cam("fer2031")
    with pytest.raises(SettingsError, match="has no label 'joy'; it has"):
        overlay_class_activation(classifier, crop, "joy", None, 96)


def test_times_and_sizes_that_are_none_are_refused(analyzer: Analyzer, tmp_path: Path) -> None:
    stream, path = Stream(analyzer), tmp_path / "a.mp4"
    with VideoWriter(path, 64, 64) as writer:
        writer.write(IMAGE, 0.0)
        for seconds in (math.nan, math.inf, "1", None):
            for function in (stream.process, writer.write):
                with pytest.raises(SettingsError, match=r"time of the frame is .*; expected a finite number"):
                    function(IMAGE, seconds)  # type: ignore[arg-type]
        writer.write(IMAGE, 1.0)
    assert stream.stats.frames == 0
    assert path.stat().st_size > 0, "the video goes on after a frame that was refused"
    for name, size in (("width", (0, 64)), ("height", (64, -2)), ("width", (math.nan, 64)), ("height", (64, 64.0))):
        with pytest.raises(SettingsError, match=f"The setting {name} is "):
            VideoWriter(tmp_path / "b.mp4", *size)  # type: ignore[arg-type]
    assert not (tmp_path / "b.mp4").exists()


def test_faces_of_the_sampler_are_images_and_its_seeds_are_checked(analyzer: Analyzer) -> None:
    sampler = Sampler(get_default_model("generator"))
    (face,) = sampler.sample([7], sampler.labels[0])
    assert as_rgb(face).shape == (*face.shape, 3)
    assert isinstance(analyzer.analyze(face), tuple)
    for seed in (-1, 2**32, 0.5, math.nan, "7", True, None):
        with pytest.raises(SettingsError, match=r"^The seed is .*; expected a whole number"):
            sampler.latent_for(seed)  # type: ignore[arg-type]
    for truncation in (-0.1, 1.1, math.nan, "1"):
        with pytest.raises(SettingsError, match="truncation"):
            sampler.latent_for(7, truncation)  # type: ignore[arg-type]
