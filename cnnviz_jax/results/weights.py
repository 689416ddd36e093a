"""What is returned about weights: how much variety the filters of a layer have, and what a unit really sees."""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.program import Field
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.pytrees import Numbers, static
from cnnviz_jax.results.result import Result
from cnnviz_jax.results.units import Groups


@dataclass(frozen=True, kw_only=True)
class LayerVariety:
    """How much the filters of one layer differ."""

    layer: str
    cosine: Float[np.ndarray, "o o"]
    """|cosine| of every pair of filters; 0 for a filter of zeros."""
    twins: Groups
    """Filters that are the same up to size and sign."""
    dead: tuple[int, ...]
    """Filters of zeros."""
    effective_rank: float
    """Dimensions that the filters really use: exp of the entropy of the singular values."""
    largest_rank: int
    """The most it could be: the smaller of filters and weights per filter."""
    distinct: int
    """Filters left when the dead and all but one of each group of twins are taken away."""
    verdict: str
    """One sentence."""


@dataclass(frozen=True, kw_only=True, repr=False)
class FilterVariety(Result):
    """How much the filters of each layer differ, in execution order."""

    layers: tuple[LayerVariety, ...]
    provenance: Provenance
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class EffectiveReceptiveField(Result):
    """How strongly each pixel moves the central unit of a layer."""

    layer: str
    unit: tuple[int, int]
    """Row and column of that unit."""
    sensitivity: Float[np.ndarray, "h w"]
    """Mean over images of |d unit / d pixel|, summed over colour channels."""
    box: tuple[int, int, int, int]
    """Top, left, bottom, right (inclusive) of what the unit can see."""
    centre: tuple[float, float]
    """Row and column of the mean of the sensitivity; (nan, nan) never: the box's middle where nothing moves it."""
    sigma: tuple[float, float]
    """Its standard deviation along rows and columns, in pixels."""
    share: float
    """Least share of the box's pixels that holds 95 % of the sensitivity."""
    samples: int
    """Images drawn."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class Convolution(Result):
    """One kernel over one image."""

    image: Float[np.ndarray, "h w"]
    """Brightness of the image, the mean of its channels."""
    kernel: Float[np.ndarray, "k l"]
    kernel_name: str
    response: Float[np.ndarray, "rows columns"]
    """Sum of products under the kernel; the kernel is not flipped."""
    pooled: Float[np.ndarray, "pooled_rows pooled_columns"] | None
    at: tuple[int, int]
    """Row and column of the response that is worked out."""
    patch: Float[np.ndarray, "k l"]
    """What lies under the kernel there, zeros beyond the image."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class FilterMatch(Result):
    """How much every patch of an image looks like one filter."""

    layer: str
    unit: int
    image: Float[np.ndarray, "h w c"]
    kernel: Float[np.ndarray, "k l c"]
    cosine: Float[np.ndarray, "rows columns"]
    """Of the filter with the patch whose top left pixel is there, after the model's mean and standard deviation."""
    at: tuple[int, int]
    """Row and column of the largest."""
    patch: Float[np.ndarray, "k l c"]
    """The patch of the image there, in [0, 1]."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, repr=False)
class FilterBank(Result):
    """The kernel of one layer."""

    kernel: Float[Numbers, "*sides i o"]
    """Height, width, in, out; (time, in, out) of series, (depth, height, width, in, out) of volumes."""
    layer: str = static()
    provenance: Provenance = static()
    warnings: tuple[str, ...] = static(default=())


@dataclass(frozen=True, kw_only=True, repr=False)
class ReceptiveFields(Result):
    """What every layer sees of the input."""

    fields: dict[str, Field]
    """By layer name, in execution order."""
    input_shape: tuple[int, ...]
    """Height, width, channels of the input; of a volume its depth first."""
    kinds: dict[str, str]
    provenance: Provenance
    unit: tuple[str | int, ...] | None = None
    """Layer, row and column (in a volume slice, row and column) of the unit whose way down is asked for; then `fields`
    end with its layer."""
    warnings: tuple[str, ...] = ()
