"""From what a user gives as a target to a batched `Target` that fits the model."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.targets.classes import ClassScore
from cnnviz_jax.targets.custom import custom
from cnnviz_jax.targets.parsing import target_in_words
from cnnviz_jax.targets.target import Target


def resolve(target: Any, model: Model, images: Float[Array | np.ndarray, "n h w c"]) -> Target:
    """Return `target` as a batched `Target`: `None` is each image's top class, see `as_target` for all else.

    Raises:
        TargetError: The target does not fit the model or the number of images.
    """
    if target is None:
        target, _ = top_classes(model, images)
    return resolve_layers(as_target(target, model).frozen(model, images), model).batched(len(images))


def top_classes(
    model: Model, images: Float[Array | np.ndarray, "n h w c"]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return each image's top class, of outputs with places the one that is highest on average, and its probability.

    Cost: one forward pass.
    """
    logits = np.asarray(model(images))
    logits = logits.reshape(len(logits), -1, logits.shape[-1]).mean(1)
    exponentials = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return logits.argmax(-1), (exponentials.max(-1) / exponentials.sum(-1)).astype(np.float32)


def as_target(target: Any, model: Model) -> Target:
    """Return what a user gives as one `Target`, not yet checked against the model.

    Args:
        target: Class indices or names, one or several; a `Target`, or several of one kind; a function of the outputs.
            A text may name a unit or a sum, too, as `target_in_words` reads it.
        model: Its labels and layers are the names.

    Raises:
        TargetError: It is none of these, or no class has that name.
    """
    if isinstance(target, Target):
        return target
    if callable(target):
        return custom(target)
    if isinstance(target, str):
        return as_target(target_in_words(target, model), model)
    if isinstance(target, (list, tuple)):
        target = [target_in_words(each, model) if isinstance(each, str) else each for each in target]
    several = target if isinstance(target, list) else [target]
    if several and all(isinstance(each, Target) for each in several):
        if len({jax.tree.structure(each) for each in several}) > 1:
            kinds = ", ".join(sorted({type(each).__name__ for each in several}))
            raise TargetError(f"targets in one list differ in numbers only, not in kind, layer or unit; got {kinds}")
        return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *several)
    try:
        return ClassScore(jax.device_put(np.asarray(target)))
    except (TypeError, ValueError) as error:
        raise TargetError(f"a target is a class, one per image, or one of cv.targets; got {target!r}") from error


def resolve_layers(target: Target, model: Model) -> Target:
    """Return `target` with its layer's name as listed, after checking that it fits `model`."""
    layer = getattr(target, "layer", None)
    if layer is not None:
        target = dataclasses.replace(target, layer=model.layers.resolve(layer))  # type: ignore[type-var]
    target.check(model)
    return target
