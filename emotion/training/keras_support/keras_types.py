"""The type of what Keras' layers return."""

from __future__ import annotations

from typing import Any

# Keras does not annotate what its layers return.
Tensor = Any
