"""The command line of face detectors: train, evaluate, calibrate and download them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from emotion.errors import EmotionError


def _train_detector(options: argparse.Namespace) -> int:
    from emotion.datasets.detection_dataset import load_annotated_images
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import DETECTOR, claim_result_folder
    from emotion.model_store.store import open_model
    from emotion.training.detector.train import train_detector

    if options.landmarks and not options.start:
        raise EmotionError("--landmarks teaches a finished detector; name it with --start.")
    claim_result_folder(options.out, DETECTOR, inputs=filter(None, [options.data, options.start]))
    start = open_model(options.start) if options.start else None
    with job_context(options.out) as report:
        report.progress(0, options.epochs, "Loading the photos")
        photos = load_annotated_images(options.data, "train")
        from emotion.training.detector.config import LANDMARK_AUGMENTATION, DetectorConfig
        from emotion.training.detector.mosaic import MosaicConfig
        from emotion.training.runs.step_monitor import TrainingStopped

        config = DetectorConfig(
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            seed=options.seed,
            init_from=start.sha256 if start else "",
            landmarks_only=options.landmarks,
            mosaic=LANDMARK_AUGMENTATION if options.landmarks else MosaicConfig(),
        )
        try:
            bundle = train_detector(photos, config, options.out, report, start)
        except TrainingStopped as stopped:
            print(f"{stopped} Run the same command again to go on.")
            return 0
    print(json.dumps(bundle.card.metrics, indent=1))
    return 0


def _evaluate_detector(options: argparse.Namespace) -> int:
    from emotion.datasets.detection_dataset import load_annotated_images
    from emotion.model_store.store import get_default_model, open_model
    from emotion.recognition.detector_factory import THIRD_PARTY, available_detectors, make_detector
    from emotion.recognition.onnx_detector import OnnxFaceDetector
    from emotion.training.detector.evaluation import evaluate_detectors
    from emotion.training.detector.tables import detectors_table
    from emotion.training.detector.train import save_measurements

    bundle = open_model(options.model) if options.model else get_default_model("detector")
    others = [] if options.only else [name for name in available_detectors() if name in THIRD_PARTY]
    detectors = [OnnxFaceDetector(bundle, num_threads=1), *(make_detector(name) for name in others)]
    held = [photo for photo in load_annotated_images(options.data, "train") if photo.is_validation]
    photos = [p for p in held if len(p.boxes)] if options.held_out else load_annotated_images(options.data, "eval")
    empty = [photo for photo in held if not len(photo.boxes) and not len(photo.ignore_boxes)]
    rows = evaluate_detectors(detectors, photos, empty, lambda part: print(f"emotion: {part}", file=sys.stderr))
    if options.keep:
        save_measurements(bundle.folder, {"detectors": rows})
    print(json.dumps(rows, indent=1) if options.json else detectors_table(rows).to_string(index=False))
    return 0


def _calibrate_crops(options: argparse.Namespace) -> int:
    import numpy as np

    from emotion.datasets.loaders import load_dataset
    from emotion.model_store.card import CARD_FILE
    from emotion.model_store.store import open_model
    from emotion.recognition.detector_factory import make_detector
    from emotion.recognition.onnx_detector import OnnxFaceDetector
    from emotion.training.detector.calibration import measure_crop_geometry
    from emotion.training.detector.train import save_measurements

    folder = Path(options.detector)
    ours = os.path.isfile(folder / CARD_FILE)
    if options.keep and not ours:
        raise EmotionError(f"{options.detector} is no folder of a detector trained here; its crops cannot be kept.")
    detector = OnnxFaceDetector(open_model(folder)) if ours else make_detector(options.detector)
    data = load_dataset(options.data)
    rows = np.random.default_rng(0).permutation(data.rows_in("train"))[: options.faces]
    measured = measure_crop_geometry(detector, data.images[rows])
    print(json.dumps(measured, indent=1))
    if options.keep:
        save_measurements(folder, crop_geometry={key: round(measured[key], 3) for key in ("scale", "y_offset")})
    return 0


def _calibrate_fusion(options: argparse.Namespace) -> int:
    from emotion.datasets.detection_dataset import load_annotated_images, normalize_box_style
    from emotion.model_store.store import get_default_model, open_model
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.recognition.onnx_detector import OnnxFaceDetector
    from emotion.training.detector.calibration import fit_score_fusion
    from emotion.training.detector.train import save_measurements

    detector = OnnxFaceDetector(open_model(options.detector))
    classifier = ExpressionClassifier(open_model(options.model) if options.model else get_default_model("classifier"))
    held = [photo for photo in normalize_box_style(load_annotated_images(options.data, "train")) if photo.is_validation]
    measured = fit_score_fusion(detector, classifier, held)
    print(json.dumps(measured, indent=1))
    if options.keep:
        save_measurements(options.detector, score_fusion=measured)
    return 0


def _download_yunet(options: argparse.Namespace) -> int:
    from emotion.recognition.detector_factory import download_yunet

    print(f"YuNet is at {download_yunet()}.")
    return 0
