"""One file holds a whole training, or is refused and changes nothing; real trainings are in test_trainer.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.training.runs.folder import CHECKPOINT_FILE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]


def variables(seed: int, *shapes: tuple[int, ...]) -> list[Any]:
    """Of those shapes, and last an optimizer's counter."""
    import keras

    rng = np.random.default_rng(seed)
    weights = [keras.Variable(rng.normal(size=shape), dtype="float32") for shape in shapes]
    return [*weights, keras.Variable(int(rng.integers(1, 2**40)), dtype="int64", trainable=False)]


def saved(folder: Path) -> tuple[list[Any], list[NDArray]]:
    """A checkpoint there, and what is in it."""
    from emotion.training.checkpoints import save_checkpoint

    given, best = variables(1, (3, 4), (5,), ()), [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([np.nan])]
    save_checkpoint(folder, given, best, (7, -0.25, 1 / 3))
    return given, best


def test_a_checkpoint_is_restored_bit_by_bit(tmp_path: Path) -> None:
    from emotion.training.checkpoints import copy_values, load_checkpoint

    given, best = saved(tmp_path)
    other = variables(2, (3, 4), (5,), ())
    got = load_checkpoint(tmp_path, other, [np.zeros_like(value) for value in best], num_progress=3)
    assert got is not None
    assert got[1] == [7, -0.25, 1 / 3]
    for one, two in zip([*copy_values(other), *got[0]], [*copy_values(given), *best], strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


def test_values_are_copies() -> None:
    from emotion.training.checkpoints import copy_values

    (weight, _) = given = variables(1, (3,))
    before = copy_values(given)
    weight.assign([9, 9, 9])
    assert not (before[0] == 9).any()
    np.testing.assert_array_equal(copy_values(given)[0], 9)


def test_a_newer_checkpoint_replaces_the_older_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    from emotion.training.checkpoints import load_checkpoint, save_checkpoint

    _, best = saved(tmp_path)
    save_checkpoint(tmp_path, variables(3, (2,)), [], (1,))
    assert load_checkpoint(tmp_path, variables(4, (2,)), [], num_progress=1) == ([], [1.0])
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_FILE]
    assert best


def test_without_a_file_everything_stays(tmp_path: Path) -> None:
    from emotion.training.checkpoints import copy_values, load_checkpoint

    given = variables(1, (3,))
    before = copy_values(given)
    assert load_checkpoint(tmp_path, given, [], num_progress=3) is None
    for one, two in zip(copy_values(given), before, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("shapes", "best", "progress"),
    [
        (((3, 4), (5,)), ((2, 3), (1,)), 3),
        (((3, 4), (5,), (), ()), ((2, 3), (1,)), 3),
        (((4, 3), (5,), ()), ((2, 3), (1,)), 3),
        (((3, 4), (5,), (1,)), ((2, 3), (1,)), 3),
        (((3, 4), (5,), ()), ((2, 3),), 3),
        (((3, 4), (5,), ()), ((6,), (1,)), 3),
        (((3, 4), (5,), ()), ((2, 3), (1,)), 2),
    ],
)
def test_another_trainings_checkpoint_is_refused_and_changes_nothing(
    tmp_path: Path, shapes: tuple[tuple[int, ...], ...], best: tuple[tuple[int, ...], ...], progress: int
) -> None:
    from emotion.training.checkpoints import copy_values, load_checkpoint

    saved(tmp_path)
    given = variables(2, *shapes)
    before = copy_values(given)
    with pytest.raises(EmotionError, match=r"belongs to another network or other data; choose another folder\.$"):
        load_checkpoint(tmp_path, given, [np.zeros(shape) for shape in best], progress)
    for one, two in zip(copy_values(given), before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    from emotion.training.checkpoints import load_checkpoint

    given, best = saved(tmp_path)
    path = tmp_path / CHECKPOINT_FILE
    whole = path.read_bytes()
    for length in {0, 1, 4, len(whole) - 1, *range(0, len(whole), 61)}:
        path.write_bytes(whole[:length])
        with pytest.raises(EmotionError, match=r"checkpoint\.npz is damaged; remove it to train from the beginning"):
            load_checkpoint(tmp_path, given, best, num_progress=3)


def test_a_checkpoint_never_runs_code(tmp_path: Path) -> None:
    from emotion.training.checkpoints import load_checkpoint

    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("something in the file was run",)

    given, best = saved(tmp_path)
    with np.load(tmp_path / CHECKPOINT_FILE) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / CHECKPOINT_FILE, allow_pickle=True, **arrays | {"v0": np.array([Harm()], object)})
    with pytest.raises(EmotionError, match="is damaged"):
        load_checkpoint(tmp_path, given, best, num_progress=3)
