"""How a finished image is shown: raw values become an image in [0, 1]."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float


@runtime_checkable
class Display(Protocol):
    """From the image as it is to the image as it is shown."""

    def shown(self, image: Float[Array, "h w c"]) -> Float[Array, "rows columns c"]:
        """Return an image in [0, 1]."""


@dataclass(frozen=True)
class AsIs:
    """Nothing is changed but that values stay in [0, 1]."""

    def shown(self, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """Return it clipped."""
        return jnp.clip(image, 0, 1)


@dataclass(frozen=True)
class Standardized:
    """Centred, with a standard deviation of `sd`, around 0.5, clipped; then `crop_px` are cut off every side.

    Source: `deprocess_image` of the two Keras scripts; epsilon is theirs, in units of `span`.
    """

    sd: float = 0.1
    crop_px: int = 0
    """Cut from every side, before the clipping; of a small image at most a quarter."""
    span: float = 255.0
    epsilon: float = 1e-5

    def shown(self, image: Float[Array, "h w c"]) -> Float[Array, "rows columns c"]:
        """Return it standardised."""
        centred = (image - image.mean()) * self.span
        scaled = centred / (centred.std() + self.epsilon) * self.sd + 0.5
        h, w = (min(self.crop_px, extent // 4) for extent in image.shape[:2])
        return jnp.clip(scaled[h : image.shape[0] - h, w : image.shape[1] - w], 0, 1)


@dataclass(frozen=True)
class Stretched:
    """Its mean colour becomes grey, and the value farthest from it black or white.

    Source: `norm01c` of the toolbox of Yosinski et al. 2015, by which it shows what it found.
    """

    def shown(self, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """Return it stretched; a plain image is grey."""
        centred = image - image.mean((0, 1))
        return 0.5 + 0.5 * centred / jnp.maximum(jnp.abs(centred).max(), 1e-12)


DISPLAYS: dict[str, type] = {"as-is": AsIs, "standardized": Standardized, "stretched": Stretched}
"""The built-in displays by name."""
