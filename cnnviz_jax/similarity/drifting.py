"""Checkpoints of one training: how a layer moves towards what it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.alignment import Form, cka
from cnnviz_jax.similarity.matching import UnitMatching, match_units
from cnnviz_jax.similarity.rows import Rows, Values


@dataclass(frozen=True, kw_only=True)
class LayerDrift:
    """One layer through its checkpoints."""

    to_last: Float[np.ndarray, " s"]
    """CKA of each checkpoint with the last."""
    to_next: Float[np.ndarray, " t"]
    """CKA of each checkpoint with the one after it."""
    same_unit: Float[np.ndarray, " t"]
    """Mean correlation of each unit with itself at the next checkpoint."""
    own_best: Float[np.ndarray, " t"]
    """Share of living units whose best match at the next checkpoint is themselves."""
    died: Int[np.ndarray, " t"]
    """Units that stopped changing from image to image."""
    revived: Int[np.ndarray, " t"]


def drift(checkpoints: Sequence[Values], *, form: Form = "debiased", rows: Rows = "pooled") -> LayerDrift:
    """Return how a layer moves over the checkpoints of a training, on the same images.

    Args:
        checkpoints: The layer's values at each, (n, c) or (n, h, w, c).
        form: Of the CKA.
        rows: What one row is, of maps.

    Raises:
        UsageError: Fewer than two checkpoints, or other shapes among them.

    Source: Kornblith et al. 2019, section 6.
    """
    if len(checkpoints) < 2 or len({np.shape(each) for each in checkpoints}) != 1:
        shapes = ", ".join(sorted({str(np.shape(each)) for each in checkpoints}))
        raise UsageError(f"a drift is over two or more checkpoints of one layer, got {len(checkpoints)} of {shapes}")
    steps = [moved(*pair, form=form, rows=rows) for pair in pairwise(checkpoints)]
    return LayerDrift(
        to_last=np.array([cka(each, checkpoints[-1], form, rows=rows) for each in checkpoints]),
        to_next=np.array([each.cka for each in steps]),
        same_unit=np.array([each.same_unit for each in steps]),
        own_best=np.array([each.own_best for each in steps]),
        died=np.array([each.died for each in steps]),
        revived=np.array([each.revived for each in steps]),
    )


@dataclass(frozen=True, kw_only=True)
class Step:
    """A layer from one checkpoint to the next; fields as in `LayerDrift`."""

    cka: float
    same_unit: float
    own_best: float
    died: int
    revived: int


def moved(old: Values, new: Values, *, form: Form = "debiased", rows: Rows = "pooled") -> Step:
    """Return how a layer moved from one checkpoint to the next."""
    found: UnitMatching = match_units(old, new, rows=rows)
    before, after = set(found.dead_x), set(found.dead_y)
    living = [unit for unit in range(len(found.best_of_x)) if unit not in before]
    return Step(
        cka=cka(old, new, form, rows=rows),
        same_unit=float(np.diagonal(found.correlation).mean()),
        own_best=float(np.mean([found.best_of_x[unit] == unit for unit in living])) if living else 0.0,
        died=len(after - before),
        revived=len(before - after),
    )
