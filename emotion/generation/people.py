"""Synthetic people whose faces convince a classifier, and the demo camera that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from emotion.demo.camera import DemoCamera, SyntheticFacesCamera
from emotion.demo.sample_image import SAMPLE_FACE_CENTER, SAMPLE_FACE_PX, SAMPLE_IMAGE
from emotion.generation.filtering import best_seeds
from emotion.generation.sampler import Sampler
from emotion.media.image_reader import read_image
from emotion.model_store.store import ModelListing, get_model_folders, list_models
from emotion.recognition.classification import ExpressionClassifier
from emotion.training import manager

NUM_PEOPLE: Final = 8  # as many as a group photo shows
PEOPLE_TRUNCATION: Final = 0.8  # a little more alike, and rarely odd
_MORPH_STEPS: Final = 8
_NUM_CAMERA_PEOPLE: Final = 2


class SyntheticPeople(NamedTuple):
    """A generator and the seeds of its best people."""

    sampler: Sampler
    seeds: tuple[int, ...]

    def make_camera(self) -> SyntheticFacesCamera:
        """Make the demo camera, which shows the first two people through all expressions."""
        strips = [
            self.sampler.morph(seed, _MORPH_STEPS, PEOPLE_TRUNCATION).faces for seed in self.seeds[:_NUM_CAMERA_PEOPLE]
        ]
        return SyntheticFacesCamera(strips, len(self.sampler.labels))


def get_generator_folders() -> tuple[Path, ...]:
    """Return the folders with shipped, installed and trained generators."""
    return (*get_model_folders(), manager.RUNS_FOLDER)


def list_generators() -> ModelListing:
    """List the usable generators, the default one first, and a message for each other one."""
    return list_models("generator", *get_generator_folders())


def choose_seeds(sampler: Sampler, classifier: ExpressionClassifier) -> tuple[int, ...]:
    """Return the seeds of the people whose faces convince the classifier most, best first."""
    return best_seeds(sampler, classifier, NUM_PEOPLE, truncation=PEOPLE_TRUNCATION)


def make_photo_camera() -> DemoCamera:
    """Make the demo camera without a generator: the sample photo, which moves."""
    return DemoCamera(read_image(SAMPLE_IMAGE), SAMPLE_FACE_CENTER, SAMPLE_FACE_PX)
