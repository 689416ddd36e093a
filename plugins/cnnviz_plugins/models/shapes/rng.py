"""Random numbers for many images at once, each image from a generator of its own.

Image 7 of a split looks the same whether it is drawn alone or among a thousand.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


class Rng:
    """One random generator per image; every throw gives one number, or one block of them, per image.

    Args:
        seed: Picks the family of images.
        indices: The images wanted.
        purpose: What is drawn; rng for different purposes know nothing of each other.
    """

    def __init__(self, seed: int, indices: Sequence[int], purpose: int) -> None:
        self._generators = [np.random.default_rng((seed, purpose, index)) for index in indices]

    def uniform(self, low: float | int, high: float | int, *shape: int) -> Float[np.ndarray, "n ..."]:
        """Numbers between `low` and `high`, `n *shape`."""
        throws = np.array([generator.random(shape, np.float32) for generator in self._generators])
        return np.float32(low) + np.float32(high - low) * throws

    def normal(self, *shape: int) -> Float[np.ndarray, "n ..."]:
        """Standard normal numbers, `n *shape`."""
        return np.array([generator.standard_normal(shape, np.float32) for generator in self._generators])

    def integers(self, count: int, *shape: int) -> Int[np.ndarray, "n ..."]:
        """Whole numbers from 0 to `count - 1`, `n *shape`."""
        return (self.uniform(0, 1, *shape) * count).astype(int)
