"""One fold over a batch of images, traced: what the host's loop over chunks and a sweep's device batch share."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.model.model import Model
from cnnviz_jax.targets import Target


def prepared(
    fold: Fold, model: Model, images: Float[Array, "b h w c"], target: Target, keys: Key[Array, " b"]
) -> tuple[Float[Array, " b"], Any]:
    """Return the scores of the untouched images, and what all evaluations of an image share."""

    def one(image: Array, target: Target, key: Any) -> Any:
        return model.score(image, target)[0], fold.prepare(Case(model, target, key, image))

    found: tuple[Array, Any] = jax.vmap(one)(images, target, keys)
    return found


def evaluated(
    fold: Fold,
    model: Model,
    images: Float[Array, "b h w c"],
    target: Target,
    keys: Key[Array, " b"],
    contexts: Any,
    indices: Int[Array, " m"],
) -> Any:
    """Return some evaluations of every image, b m ..."""

    def one_image(image: Array, target: Target, key: Any, context: Any) -> Any:
        def one(index: Array) -> Any:
            # Evaluation i draws from fold_in(image's key, i), never from a key that is split along the way: its noise
            # is then the same in whichever chunk, batch or device it is computed, and after a resume.
            return fold.evaluate(Case(model, target, jax.random.fold_in(key, index), image, context, index))

        return jax.vmap(one)(indices)

    return jax.vmap(one_image)(images, target, keys, contexts)


def summed(evaluations: Shaped[Array, "b m ..."], valid: Bool[Array, " m"]) -> Shaped[Array, "b ..."]:
    """Return the sum over evaluations, those that only pad a chunk left out."""
    # where, not a product with 0: what a padding evaluation gives may be infinite, and 0 times that is NaN.
    mask = valid.reshape(1, -1, *(1,) * (evaluations.ndim - 2))
    return jnp.where(mask, evaluations, jnp.zeros((), evaluations.dtype)).sum(1)


def finished(
    fold: Fold, model: Model, images: Float[Array, "b h w c"], target: Target, contexts: Any, gathered: Any
) -> Any:
    """Return the result of every image from all that was gathered."""

    def one(image: Array, target: Target, context: Any, own: Any) -> Any:
        return fold.finish(Case(model, target, None, image, context), own)

    return jax.vmap(one)(images, target, contexts, gathered)
