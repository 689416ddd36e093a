"""Targets made of targets: what is in a sum, how many it stands for, and the scores of images made together."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.model.model import Model
from cnnviz_jax.targets.layers import Direction, Diversity
from cnnviz_jax.targets.resolving import resolve_layers
from cnnviz_jax.targets.target import Target, WeightedSum, WrappedTarget


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TargetWithInputs(WrappedTarget):
    """A target together with arrays that its synthesis starts from, one of each per target: images, a spectrum."""

    arrays: dict[str, Float[Array, "..."]]

    def batched(self, count: int) -> Self:
        """Return it with one entry per target."""
        return dataclasses.replace(self, inner=self.inner.batched(count))


def terms_of(target: Target) -> tuple[Target, ...]:
    """Return the plain targets that a target is made of."""
    if isinstance(target, TargetWithInputs):
        return terms_of(target.inner)
    if isinstance(target, WeightedSum):
        return tuple(plain for term in target.terms for plain in terms_of(term))
    return (target,)


def mapped(target: Target, change: Callable[[Target], Target]) -> Target:
    """Return `target` with every plain target in it replaced by `change(plain target)`."""
    if isinstance(target, TargetWithInputs):
        return dataclasses.replace(target, inner=mapped(target.inner, change))
    if isinstance(target, WeightedSum):
        return dataclasses.replace(target, terms=tuple(mapped(term, change) for term in target.terms))
    return change(target)


def resolved_layers(target: Target, model: Model) -> Target:
    """Return `target` with the layers of all its parts named as `model` lists them, after checking that they fit."""
    return mapped(target, lambda plain: resolve_layers(plain, model))


def count_of(target: Target) -> int:
    """Return how many targets a target that is not yet batched stands for."""

    def one(plain: Target) -> int:
        if isinstance(plain, Direction):
            return len(plain.vector) if np.ndim(plain.vector) in (2, 4) else 1
        return max((np.atleast_1d(np.asarray(leaf)).shape[0] for leaf in jax.tree.leaves(plain)), default=1)

    return max(one(plain) for plain in terms_of(target))


def group_scores(
    target: Target, outputs: Any, activations: dict[str, Float[Array, "k ..."]], count: int
) -> Float[Array, " k"]:
    """Return the score of each of `count` images that were made together for one target.

    Args:
        target: Of one group, not batched.
        outputs: The model's outputs of all images, or `None`.
        activations: Layer values of all images.
        count: How many images.
    """
    if isinstance(target, TargetWithInputs):
        return group_scores(target.inner, outputs, activations, count)
    if isinstance(target, WeightedSum):
        parts = [group_scores(term, outputs, activations, count) for term in target.terms]
        return jnp.asarray(sum(w * part for w, part in zip(target.weights, parts, strict=True)), jnp.float32)
    if isinstance(target, Diversity):
        return target.score_group(activations[target.layer])
    if outputs is None:
        return jax.vmap(lambda values: target.score(None, values), axis_size=count)(activations)
    return jax.vmap(target.score, axis_size=count)(outputs, activations)
