"""What is returned about a training: filters, decision lines and weights step by step, and how far they moved."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.result import Result
from cnnviz_jax.results.synthesis import Status


@dataclass(frozen=True, kw_only=True, repr=False)
class Evolution(Result):
    """A network through its training."""

    steps: tuple[int, ...]
    names: tuple[str, ...]
    """Names of the parameters, such as `conv1.kernel`."""
    drift: Float[np.ndarray, "names s"]
    """Per parameter and step, the length of the change since the step before over its length there; 0 at the first."""
    distance: Float[np.ndarray, "names s"]
    """The length of the change since the first step, over its length there."""
    quantiles: Float[np.ndarray, "names s q"]
    """Of the weights, at `shares`."""
    shares: tuple[float, ...]
    layer: str
    """Name of the kernel that is drawn."""
    view: Literal["filters", "lines"]
    """`lines`: the kernel has two inputs, and each unit is the line where it is zero."""
    kernel: Float[np.ndarray, "s h w i o"]
    """A dense kernel has h = w = 1, or the image's height and width where it was said."""
    bias: Float[np.ndarray, "s o"]
    """Zeros where the layer has none."""
    answers: Float[np.ndarray, "s c q"] | None
    """Quantiles of each unit's answers over the images, at `shares`; without images none."""
    fire_rate: Float[np.ndarray, "s c"] | None
    """Share of positions above zero."""
    surveyed: str | None
    """The layer whose answers these are."""
    synthesised: str | None = None
    """The layer whose units have an image at every step; without one, none."""
    units: tuple[int, ...] = ()
    """Which of its units."""
    images: Float[np.ndarray, "s u h w c"] | None = None
    """Per step and unit, the image that activation maximisation makes from the same start; as shown, in [0, 1]."""
    activation: Float[np.ndarray, "s u"] | None = None
    """What each image reaches, in the units of the layer."""
    status: tuple[tuple[Status, ...], ...] = ()
    """Per step and unit, `ok` or why there is no image to believe."""
    points: Float[np.ndarray, "p 2"] | None = None
    """Of a kernel with two inputs, points that are drawn below its lines."""
    classes: Int[np.ndarray, " p"] | None = None
    """The class of each point."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    def table(self) -> list[dict[str, float | int | str]]:
        """Return one row per step and parameter: drift since the step before, distance from the first."""
        return [
            {
                "step": step,
                "parameter": name,
                "drift": float(self.drift[row, column]),
                "distance": float(self.distance[row, column]),
            }
            for column, step in enumerate(self.steps)
            for row, name in enumerate(self.names)
        ]

    def units_table(self) -> list[dict[str, float | int | str]]:
        """Return one row per step and synthesised unit: the activation its image reaches, and its status."""
        if self.activation is None:
            return []
        return [
            {
                "step": step,
                "unit": unit,
                "activation": float(self.activation[column, row]),
                "status": self.status[column][row],
            }
            for column, step in enumerate(self.steps)
            for row, unit in enumerate(self.units)
        ]


def line_of(weights: Float[np.ndarray, "2"], bias: float, extent: float) -> Float[np.ndarray, "n 2"]:
    """Return the ends of the line `w . x + b = 0` inside the square of that half width; none where it misses it."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * extent
    values = corners @ weights + bias
    ends = []
    for (start, low), (stop, high) in pairwise(zip(corners, values, strict=True)):
        if (low > 0) != (high > 0):
            ends.append(start + (stop - start) * low / (low - high))
    return np.array(ends[:2], np.float64).reshape(-1, 2)


def lengths(arrays: Int[np.ndarray, "s n"] | Float[np.ndarray, "s n"]) -> Float[np.ndarray, " s"]:
    """Return the Euclidean length of each row."""
    return np.sqrt((arrays.astype(np.float64) ** 2).sum(1))
