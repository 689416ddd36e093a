"""CKA averaged over minibatches of images, which are told apart by number, so that parts add in any order."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.independence import LEAST, hsic1_sums, ratio

MINIBATCH = 256
"""Images of a minibatch."""

Parts = tuple[Float[np.ndarray, "a b"], Float[np.ndarray, " a"], Float[np.ndarray, " b"]]
"""HSIC₁ of all pairs, and of the layers of either network with themselves."""


@dataclass(frozen=True, kw_only=True)
class MinibatchSums:
    """HSIC₁ of all pairs of layers by minibatch. Minibatch k holds the images k size to (k + 1) size - 1.

    Cut by the images' numbers, never by arrival: the mean depends on how rows are grouped.
    """

    size: int = MINIBATCH
    parts: Mapping[int, Parts] = field(default_factory=dict)
    """By number of the minibatch."""
    left_out: int = 0
    """Images of minibatches of fewer than 4."""

    def plus(
        self, number: int, xs: Sequence[Float[np.ndarray, "n _"]], ys: Sequence[Float[np.ndarray, "n _"]]
    ) -> "MinibatchSums":
        """Return the sums with a whole minibatch added.

        Raises:
            UsageError: That minibatch was added before.
        """
        if number in self.parts:
            raise UsageError(f"minibatch {number} was added before; a minibatch is added once, whole")
        if len(xs[0]) < LEAST:
            return replace(self, left_out=self.left_out + len(xs[0]))
        tables = [[np.asarray(each, np.float64) for each in side] for side in (xs, ys)]
        return replace(self, parts={**self.parts, number: hsic1_sums(*tables)})

    def merged(self, other: "MinibatchSums") -> "MinibatchSums":
        """Return the sums of the minibatches of both.

        Raises:
            UsageError: Both hold the same minibatch, or they are cut differently.
        """
        if self.size != other.size or set(self.parts) & set(other.parts):
            raise UsageError("minibatch sums add where they are of one size and of different minibatches")
        return replace(self, parts={**self.parts, **other.parts}, left_out=self.left_out + other.left_out)

    def cka(self) -> Float[np.ndarray, "a b"]:
        """Return the CKA of all pairs of layers: the ratio of means over minibatches.

        Raises:
            UsageError: No minibatch has 4 images.
        """
        if not self.parts:
            raise UsageError(f"a minibatch has at least {LEAST} images, and none has")
        each = [self.parts[number] for number in sorted(self.parts)]
        return ratio(*(_total([part[place] for part in each]) for place in range(3)))


def _total(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the sum, rounded once: in whatever order parts came, it is the same."""
    table = np.stack([array.ravel() for array in arrays], 1)
    return np.array([math.fsum(row) for row in table]).reshape(arrays[0].shape)
