"""Load a network that came from elsewhere, and run it once, in a process of its own with little memory and time.

A network is a program: it can loop without end, ask for all memory, or answer with what is no number. `check_network`
finds that in a child process; this module is also the program of that process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotion.environment import BUILTIN_CHECKSUMS, get_workspace
from emotion.errors import ModelError
from emotion.jobs.limited_process import limit_process, print_problem, run_limited
from emotion.model_store.store import ModelBundle
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

_FREE_SIDE: Final = 128  # pixels of an image where the network leaves the size open; a multiple of its strides
_VALUE_RANGES: Final = ((0, 0), (255, 255), (0, 255), (-1, 1))  # of the inputs: black, white and random
_MAX_REASON_LENGTH: Final = 200
_TOO_MUCH_MEMORY: Final = gettext_noop("it takes too much memory")
_ODD_ANSWER: Final = gettext_noop("it answers with what is no finite number")
_ALLOCATION_ERRORS: Final = ("bad_alloc", "Failed to allocate", "allocate memory", "OOM when allocating")
_trusted: Final = set[str]()  # sha256 of networks that this process made or tried


def trust_network(sha256: str) -> None:
    """Regard a network as tried, because this program made it."""
    _trusted.add(sha256)


def check_network(bundle: ModelBundle) -> None:
    """Try the network of a model, unless it is a shipped one or was tried before.

    Raises:
        ModelError: It takes too long or too much memory, or its answers are no finite numbers.
    """
    problem = try_once("emotion.recognition.trial_run", bundle.onnx_path, bundle.sha256)
    if problem:
        raise ModelError(
            _("The network of the model {model} cannot be used: {problem}; fetch or train another.").format(
                model=bundle.name, problem=problem
            )
        )


def try_once(module: str, path: Path, sha256: str) -> str:
    """Let a module try the network of a file, unless it is a shipped one or was tried before.

    Args:
        module: See `run_limited`.
        path: The file.
        sha256: Of the file.

    Returns:
        What is wrong with the network; "" where nothing is.
    """
    record = _get_trials_folder() / sha256
    if sha256 in _trusted or sha256 in _read_checksums() or record.exists():
        return ""
    problem = run_limited(module, path)
    if not problem:
        _trusted.add(sha256)
        try:
            record.parent.mkdir(parents=True, exist_ok=True)
            record.touch()
        except OSError:
            pass  # the next process tries it again
    return problem


def _get_trials_folder() -> Path:
    return get_workspace() / "data" / "tried-networks"


@lru_cache(maxsize=1)
def _read_checksums() -> frozenset[str]:
    """Return the sha256 of the shipped networks, in the format of `sha256sum`."""
    lines = BUILTIN_CHECKSUMS.read_text(encoding="utf-8").splitlines() if BUILTIN_CHECKSUMS.is_file() else []
    return frozenset(line.split()[0] for line in lines if line.strip())


def try_network(path: Path) -> str:
    """Load a network and run it on a black, a white and a random input; return what is wrong, "" where nothing is."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal errors
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        return find_odd_answer(
            lambda inputs: session.run(None, dict(zip(names, inputs, strict=True))),
            [value.shape for value in session.get_inputs()],
        )
    except Exception as error:  # ONNX Runtime has no public base class of its exceptions
        return describe_failure(error)


def find_odd_answer(
    run: Callable[[list[NDArray[np.float32]]], Iterable[Any]], shapes: Sequence[Sequence[int | str | None]]
) -> str:
    """Run a network on black, white and random inputs.

    Args:
        run: From float32 inputs to outputs.
        shapes: Of the inputs; what is no number is open.

    Returns:
        What is wrong with an answer; "" where nothing is.
    """
    rng = np.random.default_rng(1)
    for low, high in _VALUE_RANGES:
        inputs = [rng.uniform(low, high, _make_shape(shape)).astype(np.float32) for shape in shapes]
        if not all(_is_finite(output) for output in run(inputs)):
            return _ODD_ANSWER
    return ""


def _is_finite(output: ArrayLike) -> bool:
    return bool(np.isfinite(np.asarray(output, np.float64)).all())


def describe_failure(error: Exception) -> str:
    """Return in a few words why a network could not be loaded or run."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text for words in _ALLOCATION_ERRORS):
        return _(_TOO_MUCH_MEMORY)
    return text[:_MAX_REASON_LENGTH] or type(error).__name__


def _make_shape(shape: Sequence[int | str | None]) -> list[int]:
    """Return the shape of an input for one image, with a size where the network leaves it open."""
    return [size if isinstance(size, int) else 1 if i == 0 else _FREE_SIDE for i, size in enumerate(shape)]


if __name__ == "__main__":
    limit_process(int(sys.argv[2]))
    print_problem(try_network(Path(sys.argv[1])))
