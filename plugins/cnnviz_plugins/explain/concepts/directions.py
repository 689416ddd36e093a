"""Directions of a layer as part of a fold's identity: arrays that are compared by their bytes."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Directions:
    """Numbers that a compiled program holds; equal where their shape and bytes are."""

    digest: str
    array: Float[np.ndarray, "k ..."] = field(compare=False, repr=False)

    @classmethod
    def of(cls, array: Float[np.ndarray, "k ..."]) -> "Directions":
        """Return the directions of an array."""
        values = np.ascontiguousarray(array, np.float32)
        return cls(hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest(), values)
