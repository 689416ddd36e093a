"""Random views of the image: what moves it becomes one affine resample at one size.

A transform is a frozen dataclass. One that moves the image has `matrix`, which maps a view's coordinates to the
image's, (row, column, 1) from the centre, in pixels; the matrices of all are multiplied and the image is
resampled once, bilinearly. One that changes values has `values` and acts on the view after that, in order.
Each is handed random numbers in place of a key, four of them uniform in [0, 1): all that a step needs is drawn at
once, because every draw of its own adds a second to the compilation.
Of series and volumes `Jitter` moves along every axis, and no other does: a matrix is of rows and columns.
Where a view looks past the image's edge it sees `pad`'s value, or without `pad` the nearest pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax.plugin import UsageError, normal_noise, uniform_noise

Matrix = Float[Array, "3 3"]
Size = tuple[int, int]
Chance = Float[Array, "4"]


@runtime_checkable
class Moving(Protocol):
    """A transform that moves the image."""

    def matrix(self, chance: Chance, size: Size, progress: Float[Array, ""]) -> Matrix:
        """Return where each place of the view lies in the image.

        Args:
            chance: Four random numbers, uniform in [0, 1).
            size: Height and width of the image.
            progress: From 0 at the first step to 1 at the last.
        """

    @property
    def reach_px(self) -> int:
        """How many pixels a unit's view of the image may wander by it."""


@runtime_checkable
class Changing(Protocol):
    """A transform that changes values."""

    def values(self, view: Float[Array, "*axes c"], key: Key[Array, ""], progress: Float[Array, ""]) -> Any:
        """Return the changed view."""


@dataclass(frozen=True)
class Pad:
    """A border of one value around the image; as the size is fixed it decides what lies outside, however wide."""

    width: int = 12
    """In pixels, as published."""
    value: float = 0.5
    """Its colour, in [0, 1]."""


@dataclass(frozen=True)
class Jitter:
    """A shift by whole pixels, uniform over `px` + 1 places along each axis, centred; steps of a series, voxels."""

    px: int = 8

    def shift(self, chance: Chance, axes: int) -> Float[Array, " axes"]:
        """Return the shift along each of at most three axes."""
        return jnp.minimum(jnp.floor(chance[:axes] * (self.px + 1)), self.px) - self.px // 2

    def matrix(self, chance: Chance, size: Size, progress: Float[Array, ""]) -> Matrix:
        """Return the shift."""
        return jnp.eye(3).at[:2, 2].set(self.shift(chance, 2))

    @property
    def reach_px(self) -> int:
        """Half of it."""
        return -(-self.px // 2)


class _InPlace:
    @property
    def reach_px(self) -> int:
        """None is counted: the centre stays, or the whole image is meant."""
        return 0


@dataclass(frozen=True)
class Scale(_InPlace):
    """A zoom by a uniform factor; above 1 the image grows."""

    low: float = 0.9
    high: float = 1.1

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise UsageError(f"scale goes from a positive factor up, got {self.low} to {self.high}")

    def matrix(self, chance: Chance, size: Size, progress: Float[Array, ""]) -> Matrix:
        """Return the zoom about the centre."""
        factor = self.low + (self.high - self.low) * chance[0]
        return jnp.diag(jnp.stack([1 / factor, 1 / factor, jnp.float32(1)]))


@dataclass(frozen=True)
class Rotate(_InPlace):
    """A turn about the centre by a uniform angle, in degrees."""

    low: float = -10.0
    high: float = 10.0

    def matrix(self, chance: Chance, size: Size, progress: Float[Array, ""]) -> Matrix:
        """Return the turn."""
        angle = jnp.deg2rad(self.low + (self.high - self.low) * chance[0])
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        return jnp.eye(3).at[0, 0].set(cos).at[0, 1].set(-sin).at[1, 0].set(sin).at[1, 1].set(cos)


@dataclass(frozen=True)
class Crop(_InPlace):
    """A square crop, enlarged to the size, at a random place; its share of the image goes from `first` to `last`.

    Source: Fel et al. 2023; Xplique, `maco_optimisation_step`: centres normal around the middle with standard
    deviation `centre_sd` of the image, shares normal with standard deviation `share_sd`, at least `least`.
    """

    first: float = 0.5
    last: float = 0.05
    centre_sd: float = 0.15
    share_sd: float = 0.05
    least: float = 0.05

    def matrix(self, chance: Chance, size: Size, progress: Float[Array, ""]) -> Matrix:
        """Return the enlargement."""
        draw = jnp.sqrt(2.0) * jax.lax.erf_inv(jnp.clip(2 * chance - 1, -0.999999, 0.999999))  # normal
        share = self.first + (self.last - self.first) * progress + self.share_sd * draw[2]
        share = jnp.clip(share, self.least, 1.0)
        centre = self.centre_sd * draw[:2] * jnp.asarray(size, jnp.float32)
        return jnp.diag(jnp.stack([share, share, jnp.float32(1)])).at[:2, 2].set(centre)


@dataclass(frozen=True)
class Octaves(_InPlace):
    """The image is shown small first and larger octave by octave, so that large patterns come before fine ones."""

    count: int = 3
    """Octaves; each lasts for the same number of steps."""
    factor: float = 1.4
    """By how much one is larger than the one before; the last has the image's own size."""

    def matrix(self, chance: Chance, size: Size, progress: Float[Array, ""]) -> Matrix:
        """Return the reduction of this step's octave."""
        octave = jnp.minimum(jnp.floor(progress * self.count), self.count - 1)
        shrink = self.factor ** (self.count - 1 - octave)
        return jnp.diag(jnp.stack([shrink, shrink, jnp.float32(1)]))


@dataclass(frozen=True)
class Flip(_InPlace):
    """Left and right exchanged, every other time."""

    def matrix(self, chance: Chance, size: Size, progress: Float[Array, ""]) -> Matrix:
        """Return the reflection or none."""
        sign = jnp.where(chance[0] < 0.5, -1.0, 1.0)
        return jnp.eye(3).at[1, 1].set(sign)


@dataclass(frozen=True)
class Blur:
    """A Gaussian blur of the view."""

    sigma: float = 1.0
    """In pixels."""

    def values(self, view: Float[Array, "*axes c"], key: Key[Array, ""], progress: Float[Array, ""]) -> Any:
        """Return the blurred view."""
        return blurred(view, self.sigma)


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of standard deviation `sd` and uniform noise of width `sd`, in units of an image's `span`."""

    sd: float = 0.08
    span: float = 1.0

    def values(self, view: Float[Array, "*axes c"], key: Key[Array, ""], progress: Float[Array, ""]) -> Any:
        """Return the noisy view."""
        normal, even = jax.random.split(key)
        noise = normal_noise(normal, view.shape) + uniform_noise(even, view.shape) - 0.5
        return view + self.sd / self.span * noise


TRANSFORMS: dict[str, type] = {
    "pad": Pad, "jitter": Jitter, "scale": Scale, "rotate": Rotate, "crop": Crop, "flip": Flip, "blur": Blur,
    "noise": Noise, "octaves": Octaves,
}  # fmt: skip
"""The built-in transforms by name."""


def viewed(
    image: Float[Array, "*axes c"], transforms: Sequence[Any], key: Key[Array, ""], progress: Float[Array, ""]
) -> Float[Array, "*axes c"]:
    """Return one random view of the image, of the image's size; of series and volumes too, see `check_views`."""
    if not transforms:
        return image
    fill = next((each.value for each in transforms if isinstance(each, Pad)), None)
    moving = [each for each in transforms if isinstance(each, Moving)]
    if moving and image.ndim != 3:
        check_views(transforms, image.ndim - 1)
        chances = jax.random.uniform(key, (len(moving), 4))
        jitters = [each for each in moving if isinstance(each, Jitter)]  # all of them, says the check
        shifts = [each.shift(chance, image.ndim - 1) for each, chance in zip(jitters, chances, strict=True)]
        image = shifted(
            image, sum(shifts[1:], shifts[0]).astype(jnp.int32), sum(each.reach_px for each in moving), fill
        )
    elif moving:
        size = (image.shape[0], image.shape[1])
        chances = jax.random.uniform(key, (len(moving), 4))
        matrices = [each.matrix(chance, size, progress) for each, chance in zip(moving, chances, strict=True)]
        total = matrices[0]
        for matrix in matrices[1:]:
            total = jnp.einsum("ij,jk->ik", total, matrix, precision="highest")
        if all(isinstance(each, Jitter) for each in moving):
            image = shifted(image, total[:2, 2].astype(jnp.int32), sum(each.reach_px for each in moving), fill)
        else:
            image = resampled(image, total, fill)
    for number, each in enumerate(transforms):
        if isinstance(each, Changing):
            image = each.values(image, jax.random.fold_in(key, number), progress)
    return image


def check_views(transforms: Sequence[Any], axes: int) -> None:
    """Raise an error unless views of inputs with so many spatial axes can be made.

    Raises:
        UsageError: One turns, scales or flips, which is told by rows and columns.
    """
    if axes == 2:
        return
    names = {kind: name for name, kind in TRANSFORMS.items()}
    apart = [names.get(type(each), type(each).__name__) for each in transforms if isinstance(each, Moving)]
    apart = [name for name in dict.fromkeys(apart) if name != "jitter"]
    if apart:
        raise UsageError(
            f"{', '.join(apart)}: of rows and columns alone; views of {'series' if axes == 1 else 'volumes'} are made "
            "by jitter, blur, noise and pad, such as transforms='pad(12, 0), jitter(8)'"
        )


def shifted(
    image: Float[Array, "*axes c"], shift: Int[Array, " number"], reach: int, fill: float | None
) -> Float[Array, "*axes c"]:
    """Return what `resampled` returns for a shift by whole pixels, without its gathers place by place.

    With their gradient, XLA:CPU compiles those in 1.8 s and runs them in 3 ms, and one slice in 1.0 s and 0.8 ms.

    Args:
        image: The image.
        shift: Rows and columns by which the view lies farther down and right in the image; a number for each axis.
        reach: The most of them.
        fill: As in `resampled`.
    """
    around = (*((reach, reach),) * (image.ndim - 1), (0, 0))
    wide = jnp.pad(image, around, "edge") if fill is None else jnp.pad(image, around, constant_values=fill)
    return jax.lax.dynamic_slice(wide, (*(reach + shift), 0), image.shape)


def resampled(image: Float[Array, "h w c"], matrix: Matrix, fill: float | None) -> Float[Array, "h w c"]:
    """Return the image resampled bilinearly at `matrix @ (row, column, 1)`, measured from its centre.

    Args:
        image: The image.
        matrix: Where each place of the result lies in the image.
        fill: What lies outside the image; `None` for the nearest pixel.
    """
    height, width, _ = image.shape
    middle = (height - 1) / 2, (width - 1) / 2
    along = [jnp.arange(n, dtype=jnp.float32) - m for n, m in zip((height, width), middle, strict=True)]
    rows, columns = jnp.meshgrid(*along, indexing="ij")
    # Written out: a matrix product would be rounded to fewer bits on accelerators.
    y = matrix[0, 0] * rows + matrix[0, 1] * columns + matrix[0, 2] + middle[0]
    x = matrix[1, 0] * rows + matrix[1, 1] * columns + matrix[1, 2] + middle[1]
    top, left = jnp.floor(y), jnp.floor(x)

    def corner(row: Array, column: Array) -> Array:
        i, j = row.astype(jnp.int32), column.astype(jnp.int32)
        value = image[jnp.clip(i, 0, height - 1), jnp.clip(j, 0, width - 1)]
        if fill is None:
            return value
        inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
        return jnp.where(inside[..., None], value, jnp.asarray(fill, value.dtype))

    down, right = (y - top)[..., None], (x - left)[..., None]
    upper = corner(top, left) * (1 - right) + corner(top, left + 1) * right
    lower = corner(top + 1, left) * (1 - right) + corner(top + 1, left + 1) * right
    return upper * (1 - down) + lower * down


def blurred(image: Float[Array, "*axes c"], sigma: float) -> Float[Array, "*axes c"]:
    """Return the image, series or volume under a Gaussian of `sigma` pixels, cut at 4 sigma, reflected at the edges.

    The same as `scipy.ndimage.gaussian_filter` with its defaults, channel by channel.
    """
    radius = int(4 * sigma + 0.5)
    if sigma <= 0 or radius == 0:
        return image
    bell = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = jnp.asarray(bell / bell.sum(), image.dtype)
    for axis in range(image.ndim - 1):
        pad = [(radius, radius) if k == axis else (0, 0) for k in range(image.ndim)]
        wide = jnp.pad(image, pad, mode="symmetric")
        size = image.shape[axis]
        parts = [weights[k] * jax.lax.slice_in_dim(wide, k, k + size, axis=axis) for k in range(2 * radius + 1)]
        image = sum(parts, jnp.zeros_like(image))
    return image
