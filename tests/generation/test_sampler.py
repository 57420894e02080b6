"""Sampler: seeds, latents, repeatable faces, strips, and refused arguments and models."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import EmotionError, ModelError
from emotion.expressions import FER2013_LABELS
from emotion.generation.sampler import MAX_FACES, MAX_SEED, Sampler, latent_from_seed, make_seeds, parse_seed, slerp
from emotion.model_store.store import ModelBundle, open_model
from tests.generation.making import LATENT_DIM, write_generator

SEEDS = st.integers(0, MAX_SEED)


@pytest.mark.parametrize(("text", "seed"), [("0", 0), (" 7 ", 7), ("007", 7), (str(MAX_SEED), MAX_SEED)])
def test_valid_seeds_are_parsed(text: str, seed: int) -> None:
    assert parse_seed(text) == seed


@pytest.mark.parametrize(
    "text",
    ["", " ", "-1", "+1", "1.0", "1e3", "seven", "0x7", "1_000", "٧", "²", str(MAX_SEED + 1), "9" * 5000, "7\0"],
)
def test_invalid_seeds_are_refused(text: str) -> None:
    with pytest.raises(EmotionError, match=f"expected a whole number from 0 to {MAX_SEED}") as caught:
        parse_seed(text)
    assert len(str(caught.value)) < 150


def test_seeds_are_consecutive_and_continue_at_zero() -> None:
    assert make_seeds(7, 3) == (7, 8, 9)
    assert make_seeds(MAX_SEED, 2) == (MAX_SEED, 0)
    assert len(make_seeds(5, MAX_FACES)) == MAX_FACES


@pytest.mark.parametrize("count", [0, -1, MAX_FACES + 1, 100_000])
def test_too_few_or_too_many_faces_are_refused(count: int) -> None:
    with pytest.raises(EmotionError, match=f"^{count} faces were requested; expected 1 to {MAX_FACES}"):
        make_seeds(0, count)


def test_the_latent_of_a_seed_never_changes() -> None:
    """With other numbers, faces that people recorded by their seeds would change."""
    np.testing.assert_allclose(latent_from_seed(7, 4), [0.0012301, 0.2987455, -0.2741378, -0.8905919], atol=1e-6)
    assert latent_from_seed(7, 128)[:4].tolist() == latent_from_seed(7, 4).tolist()


@given(SEEDS, SEEDS, st.floats(0, 1))
def test_interpolated_latents_are_on_an_arc(start_seed: int, end_seed: int, fraction: float) -> None:
    start, end = latent_from_seed(start_seed, 128), latent_from_seed(end_seed, 128)
    np.testing.assert_allclose(slerp(start, end, 0), start, atol=1e-5)
    np.testing.assert_allclose(slerp(start, end, 1), end, atol=1e-5)
    np.testing.assert_allclose(slerp(start, end, fraction), slerp(end, start, 1 - fraction), atol=1e-4)
    lengths = sorted(np.linalg.norm([start, end], axis=1))
    # Linear interpolation would leave the shell of the seeds' latents.
    assert lengths[0] * 0.95 <= np.linalg.norm(slerp(start, end, fraction)) <= lengths[1] * 1.05


@pytest.mark.parametrize("other", [[3, 4], [-3, -4], [0, 0]])
def test_parallel_latents_are_interpolated_linearly(other: list[float]) -> None:
    start, end = np.array([3, 4], np.float32), np.array(other, np.float32)
    middle = slerp(start, end, 0.5)
    assert np.isfinite(middle).all()
    np.testing.assert_array_equal(slerp(start, end, 0), start)
    np.testing.assert_allclose(slerp(start, end, 1), end, atol=1e-6)


# --- drawing -----------------------------------------------------------------------------------------------


@given(st.lists(SEEDS, max_size=5), st.sampled_from(FER2013_LABELS), st.floats(0, 1))
def test_a_face_does_not_depend_on_the_other_seeds(
    sampler: Sampler, seeds: list[int], expression: str, truncation: float
) -> None:
    faces = sampler.sample(seeds, expression, truncation)
    assert faces.shape == (len(seeds), 48, 48)
    assert faces.dtype == np.uint8
    for seed, face in zip(seeds, faces, strict=True):
        np.testing.assert_array_equal(sampler.sample([seed], expression, truncation)[0], face)


def test_every_face_is_a_run_of_its_own_on_one_core(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    """This makes faces repeatable with a network that is large enough for blocks and threads."""
    batch_sizes: list[tuple[int, ...]] = []
    session = sampler._session

    class RecordingSession:
        def run(self, names: list[str], feed: dict[str, Any]) -> Any:
            batch_sizes.append((len(feed["latent"]), len(feed["expression"])))
            return session.run(names, feed)

    monkeypatch.setattr(sampler, "_session", RecordingSession())
    sampler.sample(range(9), "sad")
    assert batch_sizes == [(1, 1)] * 9
    assert session.get_session_options().intra_op_num_threads == 1


def test_a_sampler_is_thread_safe(sampler: Sampler) -> None:
    expected = sampler.sample(range(8), "happy")
    with ThreadPoolExecutor(8) as pool:
        for faces in pool.map(lambda _: sampler.sample(range(8), "happy"), range(16)):
            np.testing.assert_array_equal(faces, expected)


def test_seed_expression_and_truncation_all_affect_the_face(sampler: Sampler) -> None:
    arguments = [(seed, name, factor) for seed in (1, 2) for name in ("sad", "fear") for factor in (1, 0.5)]
    faces = [sampler.sample([seed], name, factor)[0] for seed, name, factor in arguments]
    assert len({face.tobytes() for face in faces}) == 8
    np.testing.assert_array_equal(sampler.sample([1], "sad"), sampler.sample([1], "sad", 0.75))  # the card's default
    average = sampler.sample([1, 2, 3], "sad", 0)
    assert (average == average[0]).all()


def test_a_face_is_the_rounded_output_of_the_network(sampler: Sampler) -> None:
    feed = {"latent": latent_from_seed(5, LATENT_DIM)[None], "expression": np.eye(7, dtype=np.float32)[[3]]}
    (raw,) = sampler._session.run(None, feed)
    np.testing.assert_array_equal(sampler.sample([5], "happy", 1)[0], np.round(raw[0, ..., 0]))


@pytest.mark.parametrize("truncation", [-0.1, 1.1, math.nan, math.inf])
def test_a_truncation_out_of_range_is_refused(sampler: Sampler, truncation: float) -> None:
    with pytest.raises(EmotionError, match="The setting truncation is"):
        sampler.sample([1], "happy", truncation)


@pytest.mark.parametrize("expression", ["", "glad", "contempt", "Happy"])
def test_an_unknown_expression_is_refused(sampler: Sampler, expression: str) -> None:
    with pytest.raises(EmotionError, match=r"has no label .* choose one of angry, disgust"):
        sampler.sample([1], expression)


# --- strips ------------------------------------------------------------------------------------------------


def test_a_morph_passes_every_expression(sampler: Sampler) -> None:
    strip = sampler.morph(7, num_steps=4, truncation=1)
    assert strip.faces.shape == (25, 48, 48)
    np.testing.assert_allclose(strip.weights.sum(axis=1), 1, atol=1e-6)
    for i, name in enumerate(FER2013_LABELS):
        np.testing.assert_array_equal(strip.faces[4 * i], sampler.sample([7], name, 1)[0])
        assert strip.weights[4 * i, i] == 1
    np.testing.assert_allclose(strip.weights[2], [0.5, 0.5, 0, 0, 0, 0, 0])
    assert len({face.tobytes() for face in strip.faces}) == 25


def test_a_blend_leads_from_one_expression_to_the_other(sampler: Sampler) -> None:
    strip = sampler.blend(7, ("sad", "happy"), (0, 0.25, 1))
    np.testing.assert_array_equal(strip.faces[0], sampler.sample([7], "sad")[0])
    np.testing.assert_array_equal(strip.faces[2], sampler.sample([7], "happy")[0])
    columns = [sampler.labels.index(label) for label in ("sad", "happy")]
    np.testing.assert_allclose(strip.weights[1, columns], [0.75, 0.25])
    np.testing.assert_allclose(strip.weights.sum(1), 1)


def test_a_walk_leads_from_one_seed_to_the_other(sampler: Sampler) -> None:
    strip = sampler.walk(1, 2, "sad", 5)
    assert strip.faces.shape == (5, 48, 48)
    np.testing.assert_array_equal(strip.faces[[0, -1]], sampler.sample([1, 2], "sad"))
    np.testing.assert_array_equal(sampler.interpolate_many(1, 2, "sad", [0.5]).faces[0], strip.faces[2])
    assert (strip.weights == sampler.encode_expression("sad")).all()
    empty = sampler.walk(1, 2, "sad", 0)
    assert (empty.faces.shape, empty.weights.shape) == ((0, 48, 48), (0, 7))


# --- models ------------------------------------------------------------------------------------------------


def test_only_a_generator_can_be_sampled(classifier_bundle: ModelBundle) -> None:
    with pytest.raises(ModelError, match="is a classifier; faces are drawn by a generator"):
        Sampler(classifier_bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.update(latent_dim=5),
        lambda card: card["output"].update(size=64),
        lambda card: card.update(labels=list(FER2013_LABELS[:6])),
    ],
    ids=["latent", "size", "labels"],
)
def test_a_card_that_does_not_match_the_network_is_refused(tmp_path: Path, change: Callable[[dict], object]) -> None:
    bundle = open_model(write_generator(tmp_path / "made", change))
    with pytest.raises(ModelError, match="The card of the model made gives the inputs"):
        Sampler(bundle)
