"""Variety: which filters of a layer repeat each other, which are zero, how many dimensions all of them use."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import FilterVariety, LayerVariety, Model, Provenance, UsageError, grouped
from cnnviz_plugins.inspect.filters import layers_with_kernel
from cnnviz_plugins.inspect.plugin import VarietyConfig

_LISTED = 6


def build(config: VarietyConfig, model: Model) -> Callable[[Provenance], FilterVariety]:
    """Return what compares the filters of `config.layer`, or of every layer with a kernel.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no kernel, or no layer has.
        UsageError: `twins_at` is no cosine above 0.

    Cost: no evaluation; one eigenvalue problem of at most filters by filters per layer.
    """
    if not 0 < config.twins_at <= 1:
        raise UsageError(f"twins_at lies above 0 and up to 1, got {config.twins_at:g}")
    chosen = layers_with_kernel(model, config.layer)

    def read(provenance: Provenance) -> FilterVariety:
        layers = tuple(variety(layer.name, np.asarray(layer.kernel), config.twins_at) for layer in chosen)
        return FilterVariety(layers=layers, provenance=provenance)

    return read


def variety(layer: str, kernel: Float[np.ndarray, "*kernel o"], twins_at: float) -> LayerVariety:
    """Return how much the filters of one kernel differ; filters are its last axis.

    Source: effective rank as in Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality".
    """
    filters = kernel.reshape(-1, kernel.shape[-1]).T.astype(np.float64)
    norms = np.sqrt((filters**2).sum(1))
    units = filters / np.where(norms > 0, norms, 1)[:, None]
    cosine = np.clip(np.abs(units @ units.T), 0, 1)
    dead = tuple(int(i) for i in np.flatnonzero(norms == 0))
    twins = grouped(cosine >= twins_at)
    rank, largest = effective_rank(filters), min(filters.shape)
    count = len(filters)
    distinct = count - len(dead) - sum(len(group) - 1 for group in twins)
    return LayerVariety(
        layer=layer,
        cosine=cosine,
        twins=twins,
        dead=dead,
        effective_rank=rank,
        largest_rank=largest,
        distinct=distinct,
        verdict=_sentence(count, distinct, twins, dead, (rank, largest)),
    )


def effective_rank(filters: Float[np.ndarray, "o n"]) -> float:
    """Return exp of the entropy of the singular values as shares of their sum; 0 where all weights are zero."""
    gram = filters @ filters.T if filters.shape[0] <= filters.shape[1] else filters.T @ filters
    values = np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0, None))
    # Rounding leaves sqrt(eps) of the largest where the Gram matrix has a true zero.
    values = values[values > 1e-6 * values.max(initial=0)]
    if not len(values):
        return 0.0
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _sentence(
    count: int, distinct: int, twins: tuple[tuple[int, ...], ...], dead: tuple[int, ...], rank: tuple[float, int]
) -> str:
    words = f"{distinct} of {count} filters distinct"
    if twins:
        shown = ", ".join(" = ".join(map(str, group[:_LISTED])) for group in twins[:_LISTED])
        words += f"; twins {shown}" + (f" and {len(twins) - _LISTED} groups more" if len(twins) > _LISTED else "")
    if dead:
        words += f"; zero: {', '.join(map(str, dead[:_LISTED]))}" + (", ..." if len(dead) > _LISTED else "")
    return words + f"; they use {rank[0]:.1f} of {rank[1]} dimensions."
