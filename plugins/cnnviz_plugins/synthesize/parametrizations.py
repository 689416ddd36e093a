"""What is optimised in place of pixels: each parametrisation turns its parameters into an image in [0, 1].

A parametrisation is a frozen dataclass with `start`, `image` and `parameters`. Images may have any size and any
number of channels; a colour matrix applies to three channels only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.plugin import UsageError, normal_noise, uniform_noise

Shape = tuple[int, int, int]

_SQUARE_ROOT = np.asarray([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)

CORRELATION = _SQUARE_ROOT / np.linalg.norm(_SQUARE_ROOT, axis=0).max()
"""Square root of the colour covariance of natural images, longest column of length 1. Source: Lucid,
`optvis/param/color.py`."""


def correlated(values: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Return decorrelated channels as red, green, blue; any other number of channels is returned as it is."""
    return values @ jnp.asarray(CORRELATION.T) if values.shape[-1] == 3 else values


def decorrelated(values: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Undo `correlated`."""
    return values @ jnp.asarray(np.linalg.inv(CORRELATION.T)) if values.shape[-1] == 3 else values


@runtime_checkable
class Parametrization(Protocol):
    """Parameters in place of pixels."""

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> Any:
        """Return the parameters of the first image.

        Args:
            shape: Height, width and channels of the image.
            key: Of this image alone.
            given: Arrays of this target: `mean`, the colour that the model subtracts, and what the user supplied.
        """

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "h w c"]:
        """Return the image."""

    def parameters(self, image: Float[Array, "h w c"]) -> Any:
        """Return parameters that give `image`, or as near as can be."""


@dataclass(frozen=True)
class Pixel:
    """The pixels themselves, started as noise: `centre + amount * noise` in units in which an image has a `span`."""

    noise: Literal["uniform", "normal", "zero"] = "uniform"
    """`uniform` lies in -0.5..0.5, `normal` has standard deviation 1, `zero` is none."""
    amount: float = 0.02
    """Multiplies the noise, in these units."""
    centre: float | None = None
    """Around which it lies, in these units; `None` for the colour that the model subtracts."""
    span: float = 1.0
    """Length of these units: 1 for 0..1, 255 for 0..255, 2 for -1..1."""
    low: float = 0.0
    """What black is in these units."""

    def __post_init__(self) -> None:
        if self.noise not in ("uniform", "normal", "zero") or self.span <= 0:
            raise UsageError(
                f"pixel: noise is uniform, normal or zero and span positive; got {self.noise!r}, {self.span}"
            )

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> Float[Array, "h w c"]:
        """Return the noise as an image in [0, 1] units."""
        if self.noise == "uniform":
            noise = uniform_noise(key, shape) - 0.5
        elif self.noise == "normal":
            noise = normal_noise(key, shape)
        else:
            noise = jnp.zeros(shape)
        centre = given["mean"] if self.centre is None else (self.centre - self.low) / self.span
        return jnp.asarray(centre + self.amount / self.span * noise, jnp.float32)

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "h w c"]:
        """Return the parameters."""
        return parameters

    def parameters(self, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """Return the image."""
        return image


def frequencies(height: int, width: int) -> Float[np.ndarray, "h half"]:
    """Return the spatial frequency of each coefficient of a real image's spectrum, in cycles per pixel."""
    return np.sqrt(np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None, :] ** 2).astype(np.float32)


@dataclass(frozen=True)
class Fourier:
    """The spectrum, scaled so that all frequencies move alike, in decorrelated colours, through a sigmoid.

    Source: Olah, Mordvintsev, Schubert 2017, "Feature Visualization"; Lucid, `optvis/param/spatial.py`.
    """

    sd: float = 0.01
    """Standard deviation of the first spectrum's real and imaginary parts."""
    decay: float = 1.0
    """Power by which high frequencies are damped."""

    def scale(self, shape: Shape) -> Float[np.ndarray, "h half"]:
        """Return what each coefficient is multiplied by."""
        height, width, _ = shape
        least = 1 / max(height, width)
        damped = 1 / np.maximum(frequencies(height, width), least) ** self.decay
        return np.asarray(damped * np.sqrt(height * width) / 4, np.float32)  # 4 is Lucid's

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> Float[Array, "2 h half c"]:
        """Return real and imaginary parts."""
        height, width, channels = shape
        return self.sd * normal_noise(key, (2, height, width // 2 + 1, channels))

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "h w c"]:
        """Return the image."""
        scaled = parameters * jnp.asarray(self.scale(shape))[..., None]
        values = jnp.fft.irfft2(jax.lax.complex(scaled[0], scaled[1]), shape[:2], axes=(0, 1))
        return jax.nn.sigmoid(correlated(values))

    def parameters(self, image: Float[Array, "h w c"]) -> Float[Array, "2 h half c"]:
        """Return the spectrum of an image; black and white end a little inside."""
        spectrum = jnp.fft.rfft2(decorrelated(logit(image)), axes=(0, 1))
        height, width, channels = image.shape
        return jnp.stack([spectrum.real, spectrum.imag]) / jnp.asarray(self.scale((height, width, channels)))[..., None]


@dataclass(frozen=True)
class LaplacianPyramid:
    """Images of several resolutions added up, in decorrelated colours, through a sigmoid.

    Source: Lucid, `optvis/param/spatial.py`, `laplacian_pyramid_image`.
    """

    levels: int = 4
    """Resolutions, each half of the one before."""
    sd: float = 0.01
    """Standard deviation of every level at the start."""
    sharpness: float = 1.0
    """Multiplies the finest level; below 1, fine detail comes later."""

    def __post_init__(self) -> None:
        if self.levels < 1 or self.sharpness <= 0:
            raise UsageError(
                f"laplacian: levels is at least 1 and sharpness positive; got {self.levels}, {self.sharpness}"
            )

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> tuple[Float[Array, "..."], ...]:
        """Return the levels, finest first."""
        height, width, channels = shape
        sizes = [(max(1, height >> n), max(1, width >> n), channels) for n in range(self.levels)]
        keys = jax.random.split(key, self.levels)
        return tuple(self.sd * normal_noise(k, size) for k, size in zip(keys, sizes, strict=True))

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "h w c"]:
        """Return the image."""
        total = self.sharpness * parameters[0]
        for level in parameters[1:]:
            total = total + jax.image.resize(level, shape, "linear")
        return jax.nn.sigmoid(correlated(total))

    def parameters(self, image: Float[Array, "h w c"]) -> tuple[Float[Array, "..."], ...]:
        """Return the image as the finest level, the others zero."""
        rest = [max(1, s) for n in range(1, self.levels) for s in (image.shape[0] >> n, image.shape[1] >> n)]
        sizes = zip(rest[::2], rest[1::2], strict=True)
        finest = decorrelated(logit(image)) / self.sharpness
        return (finest, *(jnp.zeros((h, w, image.shape[2])) for h, w in sizes))


def logit(image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Undo the sigmoid; black and white end a little inside."""
    inside = jnp.clip(image, 1e-3, 1 - 1e-3)
    return jnp.log(inside / (1 - inside))
