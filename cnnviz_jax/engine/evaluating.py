"""One fold over a batch of images, traced: what the host's loop over chunks and a sweep's device batch share.

A batch is one `Case` whose target, key, image and context have a leading axis of images, and whose model has none.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from cnnviz_jax.compiling import abstract
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold import Fold


def each(function: Callable[..., Any], batch: Case, *more: Any) -> Any:
    """Return what `function(case, *more)` makes of every image of a batch."""

    def one(target: Any, key: Any, image: Any, context: Any, given: Any, *more: Any) -> Any:
        return function(Case(batch.model, target, key, image, context, given=given, shared=batch.shared), *more)

    return jax.vmap(one)(batch.target, batch.key, batch.image, batch.context, batch.given, *more)


def rows_of(cases: Case, rows: Int[np.ndarray, " k"]) -> Case:
    """Return the cases in some places of a batch."""
    if np.array_equal(rows, np.arange(len(cases.key))):
        return cases  # as they are, and nothing is compiled
    # One program for all arrays: one by one, NumPy's indexing of a handful of them costs the host 8 ms, in which a
    # small network is evaluated a hundred times.
    return _by_image(partial(_taken, rows=rows), cases)


@jax.jit
def _taken(leaves: Any, rows: Int[Array, " k"]) -> Any:
    return jax.tree.map(lambda leaf: leaf[rows], leaves)


def shapes_of(cases: Case, count: int) -> Case:
    """Return the shapes of so many such cases."""

    def shape(leaf: Any) -> Any:
        return jax.ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype)

    every = _by_image(partial(jax.tree.map, shape), cases)
    return replace(every, model=cases.model.shapes, shared=jax.tree.map(abstract, cases.shared))


def _by_image(change: Callable[[Any], Any], cases: Case) -> Case:
    """Return the cases with all that has a row for each image changed at once."""
    image, target, key, given = change((cases.image, cases.target, cases.key, cases.given))
    return Case(cases.model, target, key, image, given=given, shared=cases.shared)


def prepared(fold: Fold, batch: Case) -> tuple[Float[Array, " b"], Any]:
    """Return the scores of the untouched images, and what all evaluations of an image share."""
    found: tuple[Array, Any] = each(
        lambda case: (case.model.score(case.image, case.target)[0], fold.prepare(case)), batch
    )
    return found


def evaluated(fold: Fold, batch: Case, indices: Int[Array, " m"]) -> Any:
    """Return some evaluations of every image, b m ..."""

    def one_image(case: Case) -> Any:
        def one(index: Array) -> Any:
            # Evaluation i draws from fold_in(image's key, i), never from a key that is split along the way: its noise
            # is then the same in whichever chunk, batch or device it is computed, and after a resume.
            return fold.evaluate(replace(case, key=jax.random.fold_in(case.key, index), index=index))

        return jax.vmap(one)(indices)

    return each(one_image, batch)


def summed(evaluations: Shaped[Array, "b m ..."], valid: Bool[Array, " m"]) -> Shaped[Array, "b ..."]:
    """Return the sum over evaluations, those that only pad a chunk left out."""
    # where, not a product with 0: what a padding evaluation gives may be infinite, and 0 times that is NaN.
    mask = valid.reshape(1, -1, *(1,) * (evaluations.ndim - 2))
    return jnp.where(mask, evaluations, jnp.zeros((), evaluations.dtype)).sum(1)


def finished(fold: Fold, batch: Case, gathered: Any) -> Any:
    """Return the result of every image from all that was gathered."""
    return each(fold.finish, replace(batch, key=None), gathered)
