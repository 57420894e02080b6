from __future__ import annotations

import numpy as np
import pytest

from emotion.demo.camera import FRAME_SIZE
from emotion.generation.people import NUM_PEOPLE, SyntheticPeople, choose_seeds, make_photo_camera
from emotion.generation.sampler import Sampler
from emotion.model_store.store import ModelBundle
from emotion.recognition.classification import ExpressionClassifier


@pytest.mark.slow
def test_people_have_different_seeds_and_the_camera_shows_the_first_two(
    sampler: Sampler, classifier_bundle: ModelBundle
) -> None:
    seeds = choose_seeds(sampler, ExpressionClassifier(classifier_bundle, num_threads=1))
    assert len(set(seeds)) == NUM_PEOPLE
    frames = [
        SyntheticPeople(sampler, some).make_camera().frame_at(0.0) for some in (seeds, seeds[:2], (seeds[1], seeds[0]))
    ]
    assert frames[0].shape == (FRAME_SIZE[1], FRAME_SIZE[0], 3)
    assert np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])


def test_without_a_generator_the_sample_photo_moves() -> None:
    camera = make_photo_camera()
    assert not np.array_equal(camera.frame_at(0.0), camera.frame_at(1.0))
