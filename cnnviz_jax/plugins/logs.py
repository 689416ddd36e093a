"""What the log of a training takes, step by step. Light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class TrainingLog(Protocol):
    """An open log of one training, such as a folder of TensorBoard's or a run of Weights & Biases."""

    def image(self, tag: str, step: int, sheet: Any, caption: str) -> None:
        """Take one image: (rows, columns, 3) bytes."""
        ...

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Take numbers by tag."""
        ...

    def close(self) -> None:
        """Write what is not written yet."""
        ...
