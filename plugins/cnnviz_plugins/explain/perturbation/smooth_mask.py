"""Smooth masks of an image: the largest of a few smooth bumps at each pixel, from a coarse grid of heights."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_COLDNESS = 20.0


@dataclass(frozen=True)
class SmoothMask:
    """Masks of an image of height and width `size` from parameters `step` pixels apart.

    Pixel u is the soft maximum over nearby parameters v of k(|u - v| / sigma) * parameter, with
    k(z) = exp(-2 max(z - 1/2, 0)^2): no mask is rougher than its kernel.

    Source: Fong, Patrick, Vedaldi 2019, section 3.2 and its appendix; the kernel and the temperature 20 of
    facebookresearch/TorchRay, there with zeros and a margin around the image, here with its border repeated.
    """

    size: tuple[int, int]
    step: int
    sigma: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of parameters."""
        return -(-self.size[0] // self.step), -(-self.size[1] // self.step)

    @property
    def radius(self) -> int:
        """Parameters that reach a pixel, to each side of its own."""
        return 1 + math.ceil(self.sigma / self.step)

    def offsets(self) -> tuple[Float[Array, "h near"], Float[Array, "w near"]]:
        """Return the distance of each pixel from its nearby parameters along each axis, in sigmas."""
        near = jnp.arange(-self.radius, self.radius + 1)

        def along(pixels: int) -> Float[Array, "pixels near"]:
            place = jnp.arange(pixels)[:, None]
            centre = ((place // self.step + near).astype(jnp.float32) + 0.5) * self.step - 0.5
            return (place.astype(jnp.float32) - centre) / self.sigma

        return along(self.size[0]), along(self.size[1])

    def ranked(self, mask: Float[Array, "h w"]) -> Float[Array, " pixels"]:
        """Return the mask's values in ascending order; which of equal ones comes first is spread over the image.

        At the first step all values are nearly equal. In raster order the area constraint would then push the top of
        the image down and the bottom up, far more strongly than any score can.
        """
        values = mask.reshape(-1)
        scattered = jnp.arange(len(values), dtype=jnp.float32) * 0.618034 % 1
        return values[jnp.argsort(values + 1e-4 * scattered)]

    def __call__(
        self,
        parameters: Float[Array, "rows cols"],
        offsets: tuple[Float[Array, "h near"], Float[Array, "w near"]],
    ) -> Float[Array, "h w"]:
        """Return the mask of some parameters in [0, 1]."""
        near = jnp.arange(2 * self.radius + 1)
        rows, cols = ((jnp.arange(pixels) // self.step)[:, None] + near for pixels in self.size)
        padded = jnp.pad(parameters, self.radius, mode="edge")  # else a mask of equal heights has higher corners
        heights = padded[rows][:, :, cols]  # h near w near
        distance2 = (offsets[0] ** 2)[:, :, None, None] + (offsets[1] ** 2)[None, None]
        bump = jnp.exp(-2 * jax.nn.relu(jnp.sqrt(distance2) - 0.5) ** 2)
        values = jnp.transpose(bump * heights, (0, 2, 1, 3)).reshape(*self.size, -1)
        return (values * jax.nn.softmax(_COLDNESS * values, axis=-1)).sum(-1)
