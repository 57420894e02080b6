"""Load a network that came from elsewhere, and run it once, in a process of its own with little memory and time.

A network is a program: it can loop without end, ask for all memory, or answer with what is no number. `check_network`
finds that in a child process; this module is also the program of that process.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from emotion.environment import BUILTIN_CHECKSUMS, get_workspace
from emotion.errors import ModelError
from emotion.model_store.store import ModelBundle
from emotion.storage import PROJECT_ROOT

MAX_CPU_SECONDS: Final = 20
_MAX_WALL_SECONDS: Final = 20 if sys.platform == "win32" else 180  # elsewhere a busy machine may take its time
MAX_MEMORY_BYTES: Final = 4_000_000_000  # of addresses; an empty process with ONNX Runtime takes one billion
_FREE_SIDE: Final = 128  # pixels of an image where the network leaves the size open; a multiple of its strides
_TOO_SLOW: Final = f"it was not ready after {MAX_CPU_SECONDS} seconds"
_trusted: Final = set[str]()  # sha256 of networks that this process made or tried


def trust_network(sha256: str) -> None:
    """Regard a network as tried, because this program made it."""
    _trusted.add(sha256)


def check_network(bundle: ModelBundle) -> None:
    """Try the network of a model, unless it is a shipped one or was tried before.

    Raises:
        ModelError: It takes too long or too much memory, or its answers are no finite numbers.
    """
    record = _get_trials_folder() / bundle.sha256
    if bundle.sha256 in _trusted or bundle.sha256 in _read_checksums() or record.exists():
        return
    problem = _run_child(bundle.onnx_path)
    if problem:
        raise ModelError(f"The network of the model {bundle.name} cannot be used: {problem}; fetch or train another.")
    _trusted.add(bundle.sha256)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()
    except OSError:
        return  # the next process tries it again


def _get_trials_folder() -> Path:
    return get_workspace() / "data" / "tried-networks"


@lru_cache(maxsize=1)
def _read_checksums() -> frozenset[str]:
    """Return the sha256 of the shipped networks, in the format of `sha256sum`."""
    lines = BUILTIN_CHECKSUMS.read_text(encoding="utf-8").splitlines() if BUILTIN_CHECKSUMS.is_file() else []
    return frozenset(line.split()[0] for line in lines if line.strip())


def _run_child(path: Path) -> str:
    """Return what is wrong with a network, "" where nothing is."""
    command = [sys.executable, "-m", "emotion.recognition.trial_run", str(path.resolve()), str(MAX_CPU_SECONDS)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_MAX_WALL_SECONDS,
            check=False,
            cwd=PROJECT_ROOT,
        )
    except subprocess.TimeoutExpired:
        return _TOO_SLOW
    if sys.platform != "win32" and done.returncode == -signal.SIGXCPU:
        return _TOO_SLOW
    try:
        return str(json.loads(done.stdout.splitlines()[-1])["problem"])
    except (ValueError, IndexError, KeyError, TypeError):
        return f"the process that tried it ended with code {done.returncode}"


def _limit_process(max_cpu_seconds: int) -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (max_cpu_seconds, max_cpu_seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def try_network(path: Path) -> str:
    """Load a network and run it on a black, a white and a random input; return what is wrong, "" where nothing is."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal errors
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        rng = np.random.default_rng(1)
        for low, high in ((0, 0), (255, 255), (0, 255), (-1, 1)):
            shapes = {value.name: _make_shape(value.shape) for value in session.get_inputs()}
            feed = {name: rng.uniform(low, high, shape).astype(np.float32) for name, shape in shapes.items()}
            for output in session.run(None, feed):
                if not np.isfinite(np.asarray(output, np.float64)).all():
                    return "it answers with what is no finite number"
    except MemoryError:
        return "it takes too much memory"
    except Exception as error:  # ONNX Runtime has no public base class of its exceptions
        text = " ".join(str(error).split())
        is_memory = any(words in text for words in ("bad_alloc", "Failed to allocate", "allocate memory"))
        return "it takes too much memory" if is_memory else text[:200]
    return ""


def _make_shape(shape: Sequence[int | str | None]) -> list[int]:
    """Return the shape of an input for one image, with a size where the network leaves it open."""
    return [size if isinstance(size, int) else 1 if i == 0 else _FREE_SIDE for i, size in enumerate(shape)]


if __name__ == "__main__":
    _limit_process(int(sys.argv[2]))
    print(json.dumps({"problem": try_network(Path(sys.argv[1]))}))
