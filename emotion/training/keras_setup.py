"""What all networks need of Keras: types, and settings for repeatable results."""

from __future__ import annotations

from typing import Any

# Keras does not annotate what its layers return.
Tensor = Any
