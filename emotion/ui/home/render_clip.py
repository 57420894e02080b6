"""Render the demo clip of the Home page: `python -m emotion.ui.home.render_clip DETECTOR CLASSIFIER FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from emotion.generation import people
from emotion.generation.people import SyntheticPeople
from emotion.generation.sampler import Sampler
from emotion.jobs.process_resources import lower_priority
from emotion.recognition.analyzer import load_analyzer
from emotion.video.rendering.demo_clip import FrameSource, render_demo_clip


def main(detector: str, classifier: str, file: str) -> None:
    """Render the clip at a low priority.

    Args:
        detector: The name of the face detector.
        classifier: The folder of the classifier.
        file: The MP4 to write.
    """
    lower_priority()
    analyzer = load_analyzer(detector, Path(classifier))
    generators = people.list_generators().models
    camera: FrameSource = people.make_photo_camera()
    if generators:
        sampler = Sampler(generators[0])
        camera = SyntheticPeople(sampler, people.choose_seeds(sampler, analyzer.classifier)).make_camera()
    render_demo_clip(Path(file), camera, analyzer)


if __name__ == "__main__":
    main(*sys.argv[1:])
