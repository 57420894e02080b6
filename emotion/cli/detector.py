"""The command line of face detectors: train, evaluate, calibrate and download them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from emotion.errors import EmotionError


def _train_detector(options: argparse.Namespace) -> int:
    from emotion.datasets.detection_dataset import load_photos
    from emotion.jobs.reporter import reporting
    from emotion.jobs.result_folder import DETECTOR, claim
    from emotion.model_store.store import open_bundle
    from emotion.training.detector.train import learn_detector

    if options.landmarks and not options.start:
        raise EmotionError("--landmarks teaches a finished detector; name it with --start.")
    claim(options.out, DETECTOR, inputs=filter(None, [options.data, options.start]))
    start = open_bundle(options.start) if options.start else None
    with reporting(options.out) as report:
        report.progress(0, options.epochs, "Loading the photos")
        photos = load_photos(options.data, "train")
        from emotion.training.detector.config import TILTED, DetectorConfig
        from emotion.training.detector.mosaic import SceneConfig
        from emotion.training.runs.step_monitor import Stopped

        config = DetectorConfig(
            epochs=options.epochs, learning_rate=options.learning_rate, seed=options.seed,
            start=start.sha256 if start else "", landmarks=options.landmarks,
            scenes=TILTED if options.landmarks else SceneConfig(),
        )  # fmt: skip
        try:
            bundle = learn_detector(photos, config, options.out, report, start)
        except Stopped as stopped:
            print(f"{stopped} Run the same command again to go on.")
            return 0
    print(json.dumps(bundle.card["metrics"], indent=1))
    return 0


def _evaluate_detector(options: argparse.Namespace) -> int:
    from emotion.datasets.detection_dataset import load_photos
    from emotion.model_store.store import default_bundle, open_bundle
    from emotion.recognition.detector_factory import FOREIGN, available_detectors, make_detector
    from emotion.recognition.onnx_detector import Glance
    from emotion.training.detector.evaluation import evaluate_detectors
    from emotion.training.detector.tables import detectors_table
    from emotion.training.detector.train import keep

    bundle = open_bundle(options.model) if options.model else default_bundle("detector")
    others = [] if options.only else [name for name in available_detectors() if name in FOREIGN]
    detectors = [Glance(bundle, threads=1), *(make_detector(name) for name in others)]
    held = [photo for photo in load_photos(options.data, "train") if photo.held_out]
    photos = [p for p in held if len(p.boxes)] if options.held_out else load_photos(options.data, "eval")
    empty = [photo for photo in held if not len(photo.boxes) and not len(photo.ignore)]
    rows = evaluate_detectors(detectors, photos, empty, lambda part: print(f"emotion: {part}", file=sys.stderr))
    if options.keep:
        keep(bundle.folder, {"detectors": rows})
    print(json.dumps(rows, indent=1) if options.json else detectors_table(rows).to_string(index=False))
    return 0


def _measure(options: argparse.Namespace) -> int:
    import numpy as np

    from emotion.datasets.loaders import load_dataset
    from emotion.model_store.card import CARD
    from emotion.model_store.store import open_bundle
    from emotion.recognition.detector_factory import make_detector
    from emotion.recognition.onnx_detector import Glance
    from emotion.training.detector.calibration import measure_geometry
    from emotion.training.detector.train import keep

    folder = Path(options.detector)
    ours = os.path.isfile(folder / CARD)
    if options.keep and not ours:
        raise EmotionError(f"{options.detector} is no folder of a detector trained here; its crops cannot be kept.")
    detector = Glance(open_bundle(folder)) if ours else make_detector(options.detector)
    data = load_dataset(options.data)
    rows = np.random.default_rng(0).permutation(data.rows("training"))[: options.faces]
    measured = measure_geometry(detector, data.images[rows])
    print(json.dumps(measured, indent=1))
    if options.keep:
        keep(folder, crops={key: round(measured[key], 3) for key in ("scale", "down")})
    return 0


def _confirm(options: argparse.Namespace) -> int:
    from emotion.datasets.detection_dataset import in_one_style, load_photos
    from emotion.model_store.store import default_bundle, open_bundle
    from emotion.recognition.classification import Recogniser
    from emotion.recognition.onnx_detector import Glance
    from emotion.training.detector.calibration import measure_confirmation
    from emotion.training.detector.train import keep

    detector = Glance(open_bundle(options.detector))
    recogniser = Recogniser(open_bundle(options.model) if options.model else default_bundle("recogniser"))
    held = [photo for photo in in_one_style(load_photos(options.data, "train")) if photo.held_out]
    measured = measure_confirmation(detector, recogniser, held)
    print(json.dumps(measured, indent=1))
    if options.keep:
        keep(options.detector, confirmation=measured)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from emotion.recognition.detector_factory import fetch_yunet

    print(f"YuNet is at {fetch_yunet()}.")
    return 0
