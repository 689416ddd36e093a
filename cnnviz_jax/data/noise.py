"""Gaussian noise on images, and how users write it: `relative(0.15)` or `absolute(0.1)`. Light until it is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnviz_jax.errors import UsageError
from cnnviz_jax.options.values import word_and_number

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Key


@dataclass(frozen=True)
class Noise:
    """How strong the noise on an image is."""

    is_relative: bool
    """Whether `amount` is a share of each image's max - min."""
    amount: float
    """The standard deviation, or that share."""

    @classmethod
    def of(cls, text: str, option: str = "noise") -> Noise:
        """Return the noise that `relative(share)` or `absolute(value)` means.

        Raises:
            UsageError: Another word, no number, or a negative one.
        """
        word, amount = word_and_number(text, option, {"relative": True, "absolute": True})
        if (amount or 0.0) < 0:
            raise UsageError(f"{option} is not negative, got {text!r}")
        return cls(word == "relative", amount or 0.0)

    def __str__(self) -> str:
        """Return what the user would write."""
        return f"{'relative' if self.is_relative else 'absolute'}({self.amount:g})"

    def sigma(self, image: Float[Array, "h w c"]) -> Float[Array, ""]:
        """Return the standard deviation for one image; traceable."""
        import jax.numpy as jnp

        return jnp.float32(self.amount) * ((image.max() - image.min()) if self.is_relative else 1.0)


def noisy_image(image: Float[Array, "h w c"], sigma: Float[Array, ""], key: Key[Array, ""]) -> Float[Array, "h w c"]:
    """Return the image plus normal noise of standard deviation `sigma`; not clipped."""
    return image + sigma * normal_noise(key, image.shape, image.dtype)


# Drawn in one row and folded afterwards: the same bits, and XLA:CPU compiles a generator of one axis in 0.4 s where one
# of four, (2, 64, 33, 3) under vmap, takes it 3.9 s.
def normal_noise(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = "float32") -> Float[Array, ...]:
    """Return what `jax.random.normal(key, shape, dtype)` returns, which compiles several times as fast."""
    import jax

    return jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)


def uniform_noise(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = "float32") -> Float[Array, ...]:
    """Return what `jax.random.uniform(key, shape, dtype)` returns, which compiles several times as fast."""
    import jax

    return jax.random.uniform(key, (math.prod(shape),), dtype).reshape(shape)
