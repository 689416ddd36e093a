"""Units of the same layer that are like a unit: by their answers and by their kernels."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Distributions, LayerCase, Part, Text, Units

_NEAREST = 6


def build(case: LayerCase) -> Callable[[int], list[Part]]:
    """Return what shows a unit's nearest units by correlation of answers and by cosine of kernels, and its twins."""
    found: Distributions = case.results["distributions"]
    twins = {unit: group for group in found.twins for unit in group}
    cosines = kernel_cosines(case)

    def of(unit: int) -> list[Part]:
        parts: list[Part] = []
        if unit in twins:
            others = ", ".join(str(other) for other in twins[unit] if other != unit)
            parts.append(
                Text(text=f"Says the same as unit {others}: their answers are correlated like those of one unit.")
            )
        parts += _nearest(case, "By answers: correlation at the same place", found.correlation[unit], unit)
        if cosines is not None:
            parts += _nearest(case, "By kernels: cosine", cosines[unit], unit)
        return parts

    return of


def kernel_cosines(case: LayerCase) -> Float[np.ndarray, "c c"] | None:
    """Return the cosine of every pair of the units' kernels; `None` where no one kernel makes the layer.

    A kernel of zeros has cosine 0.
    """
    kernels, _ = case.sources_of(case.layer.name)
    if len(kernels) != 1:
        return None
    kernel = case.model.layers[kernels[0]].kernel
    if kernel is None:
        return None
    rows = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
    norms = np.sqrt((rows * rows).sum(0))
    rows = rows / np.where(norms > 0, norms, 1)
    return np.clip(rows.T @ rows, -1, 1)


def _nearest(case: LayerCase, title: str, alike: Float[np.ndarray, " c"], unit: int) -> list[Part]:
    first = np.argsort(-alike, kind="stable")[: _NEAREST + 1].tolist()  # one of them may be the unit itself
    order = [other for other in first if other != unit and alike[other] > 0][:_NEAREST]
    return [Units(rows=[(case.layer.name, other, alike[other]) for other in order], title=title)] if order else []
