"""From what a user gives as a target to a batched `Target` that fits the model."""

import dataclasses
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import TargetError
from cnnviz_jax.targets.classes import ClassScore
from cnnviz_jax.targets.custom import custom
from cnnviz_jax.targets.target import Target

if TYPE_CHECKING:
    from cnnviz_jax.model import Model


def resolve(target: Any, model: "Model", images: Float[Array | np.ndarray, "n h w c"]) -> Target:
    """Return `target` as a batched `Target`: `None` is each picture's top class, numbers are class indices.

    Raises:
        TargetError: The target does not fit the model or the number of pictures.
    """
    if target is None:
        logits = np.asarray(model(images))
        resolved: Target = ClassScore(jnp.asarray(logits.reshape(len(logits), -1, logits.shape[-1]).mean(1).argmax(-1)))
    elif isinstance(target, Target):
        resolved = target
    elif callable(target):
        resolved = custom(target)
    else:
        try:
            resolved = ClassScore(jnp.asarray(np.asarray(target)))
        except (TypeError, ValueError) as error:
            raise TargetError(
                f"a target is a class index, one per picture, or one of cv.targets; got {target!r}"
            ) from error
    return settle(resolved, model).batched(len(images))


def settle(target: Target, model: "Model") -> Target:
    """Return `target` with its layer's name as listed, after checking that it fits `model`."""
    layer = getattr(target, "layer", None)
    if layer is not None:
        target = dataclasses.replace(target, layer=model.layers.resolve(layer))  # type: ignore[type-var]
    target.check(model)
    return target
