"""Arrays that a user gave as options, as each image's evaluations read them."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.arrays import arrays_in
from cnnviz_jax.results.pytrees import Numbers


class Given(NamedTuple):
    """The arrays by option, and what a fold made of all images."""

    own: dict[str, Shaped[np.ndarray, "n ..."]]
    """One row for each image."""
    shared: dict[str, Shaped[np.ndarray, "..."]]
    """The same for all images."""


def given_arrays(
    fold: Fold, config: Any, model: Model, images: Float[Numbers, "n h w c"], technique: str, key: Key[Array, ""]
) -> Given:
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
    for name, given in arrays_in(config).items():
        one = tuple(fold.array_shape(name, model))
        if given.array is None:
            raise UsageError(f"{technique}: {name} was an {given}, of which this is the text alone; give the array")
        if name in fold.distributions and given.shape[1:] == one:
            shared[name] = given.array
        elif name in fold.distributions and given.shape == one:
            shared[name] = given.array[None]
        elif given.shape == one and name not in fold.distributions:
            own[name] = np.broadcast_to(given.array, (len(images), *one))
        elif given.shape == (len(images), *one) and name not in fold.distributions:
            own[name] = given.array
        else:
            several = (
                f"or several, (k, {', '.join(map(str, one))})"
                if name in fold.distributions
                else (f"or one per image, {(len(images), *one)}")
            )
            raise UsageError(f"{technique}: as an array {name} is {one}, {several}; got {given.shape}")
    return Given(own, shared)
