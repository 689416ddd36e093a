"""What is optimised in place of pixels: each parametrisation turns its parameters into an image in [0, 1].

A parametrisation is a frozen dataclass with `start`, `image` and `parameters`. Images may have any size and any
number of channels; a colour matrix applies to three channels only. Series (t, c) and volumes (d, h, w, c) have one
spatial axis or three, and no colours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.plugin import UsageError, normal_noise, uniform_noise

Shape = tuple[int, ...]
"""Lengths of the spatial axes, then channels: (h, w, c) of an image."""
Limits = tuple[float, float]

_SQUARE_ROOT = np.asarray([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)

CORRELATION = _SQUARE_ROOT / np.linalg.norm(_SQUARE_ROOT, axis=0).max()
"""Square root of the colour covariance of natural images, longest column of length 1. Source: Lucid,
`optvis/param/color.py`."""


def correlated(values: Float[Array, "*axes c"]) -> Float[Array, "*axes c"]:
    """Return decorrelated channels of an image as red, green, blue; any other number of channels as it is."""
    return values @ jnp.asarray(CORRELATION.T) if has_colours(values.shape) else values


def decorrelated(values: Float[Array, "*axes c"]) -> Float[Array, "*axes c"]:
    """Undo `correlated`."""
    return values @ jnp.asarray(np.linalg.inv(CORRELATION.T)) if has_colours(values.shape) else values


def has_colours(shape: Shape) -> bool:
    """Return whether channels are red, green, blue: three of them, in an image."""
    return len(shape) == 3 and shape[-1] == 3


@runtime_checkable
class Parametrization(Protocol):
    """Parameters in place of pixels."""

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> Any:
        """Return the parameters of the first image.

        Args:
            shape: Height, width and channels of the image; of a series or volume its own axes.
            key: Of this image alone.
            given: Arrays of this target: `mean`, the colour that the model subtracts, and what the user supplied.
        """

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "*axes c"]:
        """Return the image."""

    def parameters(self, image: Float[Array, "*axes c"]) -> Any:
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

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> Float[Array, "*axes c"]:
        """Return the noise as an image in [0, 1] units."""
        if self.noise == "uniform":
            noise = uniform_noise(key, shape) - 0.5
        elif self.noise == "normal":
            noise = normal_noise(key, shape)
        else:
            noise = jnp.zeros(shape)
        centre = given["mean"] if self.centre is None else (self.centre - self.low) / self.span
        return jnp.asarray(centre + self.amount / self.span * noise, jnp.float32)

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "*axes c"]:
        """Return the parameters."""
        return parameters

    def parameters(self, image: Float[Array, "*axes c"]) -> Float[Array, "*axes c"]:
        """Return the image."""
        return image


def frequencies(*sides: int) -> Float[np.ndarray, "*axes half"]:
    """Return the spatial frequency of each coefficient of a real image's spectrum, in cycles per pixel.

    Args:
        *sides: Height and width of an image; one length of a series, three of a volume.
    """
    along = [*map(np.fft.fftfreq, sides[:-1]), np.fft.rfftfreq(sides[-1])]
    squares = [each**2 for each in np.meshgrid(*along, indexing="ij", sparse=True)]
    return np.sqrt(sum(squares[1:], squares[0])).astype(np.float32)


@dataclass(frozen=True)
class Fourier:
    """The spectrum, scaled so that all frequencies move alike, in decorrelated colours, through a sigmoid.

    Of a series it is that along time, of a volume that along all three axes.

    Source: Olah, Mordvintsev, Schubert 2017, "Feature Visualization"; Lucid, `optvis/param/spatial.py`.
    """

    sd: float = 0.01
    """Standard deviation of the first spectrum's real and imaginary parts."""
    decay: float = 1.0
    """Power by which high frequencies are damped."""
    limits: Limits | None = None
    """Between which numbers all values lie; 0 and 1 when not given."""

    def __post_init__(self) -> None:
        check_limits("fourier", self.limits)

    def scale(self, shape: Shape) -> Float[np.ndarray, "*axes half"]:
        """Return what each coefficient is multiplied by."""
        sides = shape[:-1]
        damped = 1 / np.maximum(frequencies(*sides), 1 / max(sides)) ** self.decay
        return np.asarray(damped * np.sqrt(prod(sides)) / 4, np.float32)  # 4 is Lucid's

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> Float[Array, "2 *axes half c"]:
        """Return real and imaginary parts."""
        *sides, last, channels = shape
        return self.sd * normal_noise(key, (2, *sides, last // 2 + 1, channels))

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "*axes c"]:
        """Return the image."""
        scaled = parameters * jnp.asarray(self.scale(shape))[..., None]
        sides = shape[:-1]
        values = jnp.fft.irfftn(jax.lax.complex(scaled[0], scaled[1]), sides, axes=tuple(range(len(sides))))
        return squashed(correlated(values), self.limits)

    def parameters(self, image: Float[Array, "*axes c"]) -> Float[Array, "2 *sides half c"]:
        """Return the spectrum of an image; black and white end a little inside."""
        spectrum = jnp.fft.rfftn(decorrelated(logit(image, self.limits)), axes=tuple(range(image.ndim - 1)))
        return jnp.stack([spectrum.real, spectrum.imag]) / jnp.asarray(self.scale(image.shape))[..., None]


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
    limits: Limits | None = None
    """Between which numbers all values lie; 0 and 1 when not given."""

    def __post_init__(self) -> None:
        check_limits("laplacian", self.limits)
        if self.levels < 1 or self.sharpness <= 0:
            raise UsageError(
                f"laplacian: levels is at least 1 and sharpness positive; got {self.levels}, {self.sharpness}"
            )

    def start(self, shape: Shape, key: Key[Array, ""], given: Mapping[str, Array]) -> tuple[Float[Array, "..."], ...]:
        """Return the levels, finest first."""
        keys = jax.random.split(key, self.levels)
        sizes = [_halved(shape, n) for n in range(self.levels)]
        return tuple(self.sd * normal_noise(k, size) for k, size in zip(keys, sizes, strict=True))

    def image(self, parameters: Any, shape: Shape, given: Mapping[str, Array]) -> Float[Array, "*axes c"]:
        """Return the image."""
        total = self.sharpness * parameters[0]
        for level in parameters[1:]:
            total = total + jax.image.resize(level, shape, "linear")
        return squashed(correlated(total), self.limits)

    def parameters(self, image: Float[Array, "*axes c"]) -> tuple[Float[Array, "..."], ...]:
        """Return the image as the finest level, the others zero."""
        finest = decorrelated(logit(image, self.limits)) / self.sharpness
        return (finest, *(jnp.zeros(_halved(image.shape, n)) for n in range(1, self.levels)))


def _halved(shape: Shape, times: int) -> Shape:
    return (*(max(1, side >> times) for side in shape[:-1]), shape[-1])


def squashed(values: Float[Array, "*axes c"], limits: Limits | None) -> Float[Array, "*axes c"]:
    """Return the sigmoid of values, between these limits; between 0 and 1 where there are none."""
    inside = jax.nn.sigmoid(values)
    return inside if limits is None else limits[0] + (limits[1] - limits[0]) * inside


def logit(image: Float[Array, "*axes c"], limits: Limits | None = None) -> Float[Array, "*axes c"]:
    """Undo `squashed`; black and white, or what lies at the limits, end a little inside."""
    share = image if limits is None else (image - limits[0]) / (limits[1] - limits[0])
    inside = jnp.clip(share, 1e-3, 1 - 1e-3)
    return jnp.log(inside / (1 - inside))


def check_limits(name: str, limits: Any) -> None:
    """Raise `UsageError` unless limits are two rising numbers, or none."""
    if limits is None:
        return
    if not (isinstance(limits, tuple) and len(limits) == 2 and limits[0] < limits[1]):
        raise UsageError(f"{name}: limits are two rising numbers, such as (-1, 1); got {limits!r}")
