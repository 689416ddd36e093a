"""Arrays that a user gave as options, as each image's evaluations read them."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.arrays import arrays_in
from cnnviz_jax.results.pytrees import Numbers


class GivenArrays(NamedTuple):
    """The arrays by option, and what a fold made of all images."""

    own: dict[str, Shaped[np.ndarray, "n ..."]]
    """One row for each image."""
    shared: dict[str, Shaped[np.ndarray, "..."]]
    """The same for all images."""


def given_arrays(
    fold: Fold, config: Any, model: Model, images: Float[Numbers, "n h w c"], technique: str, key: Key[Array, ""]
) -> GivenArrays:
    """Return the arrays among a technique's options, one row for each image where they are not shared.

    Args:
        fold: What the technique built.
        config: Its options.
        model: What is explained.
        images: All that are explained together.
        technique: Its name, for errors.
        key: The call's own, for what is made of all images.

    Raises:
        UsageError: The shape of one does not fit, or only its text is known.
    """
    own: dict[str, np.ndarray] = dict(fold.companions(np.asarray(images), key))
    shared: dict[str, np.ndarray] = {}
    space = model.structure.space
    for name, given in arrays_in(config).items():
        one = tuple(fold.array_shape(name, model))
        # Vectors, series and volumes are held as images: (k,) as (1, k, 1). The user knows their own axes.
        own_shape = space.shape if space is not None and one == model.input_shape else one
        if given.array is None:
            raise UsageError(f"{technique}: {name} was an {given}, of which this is the text alone; give the array")
        several = name in fold.distributions
        if given.shape in (one, own_shape):
            row = given.array.reshape(one)
            found: np.ndarray = row[None] if several else np.broadcast_to(row, (len(images), *one))
        elif given.shape[1:] in (one, own_shape) and (several or given.shape[0] == len(images)):
            found = given.array.reshape(-1, *one)
        else:
            many = (
                f"several, (k, {', '.join(map(str, own_shape))})"
                if several
                else (f"one per image, {(len(images), *own_shape)}")
            )
            got = (given.shape[0], *own_shape) if given.shape[1:] == one else given.shape
            raise UsageError(f"{technique}: as an array {name} is {own_shape}, or {many}; got {got}")
        (shared if several else own)[name] = found
    return GivenArrays(own, shared)
