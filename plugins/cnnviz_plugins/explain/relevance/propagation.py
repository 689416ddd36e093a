"""The relevance of an image, or of a layer's units: one backward pass through the program with the rules in place."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model, Target
from cnnviz_plugins.explain.relevance.plan import RelevancePlan, RelevanceSettings, plan_of
from cnnviz_plugins.explain.relevance.sharing import taken


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Relevance:
    """What came back."""

    values: Float[Array, "..."]
    """At the image's values, (h, w, c), or at the layer's, (h, w, c) or (c,)."""
    root: Float[Array, ""]
    """How much relevance was given in: their sum, if every layer conserves it."""


def model_plan(model: Model, settings: RelevanceSettings) -> RelevancePlan:
    """Return what would be decided for the model's logits, without computing anything.

    Raises:
        RuleError: The rules do not fit the model.
    """
    return plan_of(model, settings, model.structure.read_values((), need_outputs=True), {})


def relevance_of(
    model: Model,
    image: Float[Array, "h w c"],
    target: Target,
    settings: RelevanceSettings,
    layer: str | None = None,
) -> Relevance:
    """Return how much of the score each value of the image, or of a layer, is given.

    Args:
        model: The model.
        image: One image in [0, 1].
        target: What is scored.
        settings: The rules.
        layer: The layer whose units are given relevance; `None` for the image.

    Raises:
        RuleError: The rules do not fit the model.

    Cost: one forward and one backward pass, each layer one to four times by its rule.
    """
    ends = model.structure.read_values(target.layers, target.needs_outputs)
    node = None if layer is None else model.program.layer_node(layer)
    params = model.program.numbered(model.params)
    plan = plan_of(model, settings, ends if node is None else [*ends, node.value], params)

    # The image's relevance is the cotangent that arrives at the image. A layer's is the one that arrives at a zero
    # added to the layer: d score / d start at start = 0 is d score / d layer, and all readers of the layer contribute
    # to it.
    def scored(start: Array) -> tuple[Array, Any]:
        found = model.run(
            image if layer is not None else start,
            read=target.layers,
            add={} if layer is None else {layer: start},
            overrides=plan.overrides,
            need_outputs=target.needs_outputs,
        )
        return target.score(*rooted(found, settings)), found

    start = image if node is None else jnp.zeros(node.canonical_shape, node.dtype)
    values, found = jax.grad(scored, has_aux=True)(start)
    return Relevance(values.astype(jnp.float32), root_of(target, found, settings))


def rooted(found: Any, settings: RelevanceSettings) -> Any:
    """Return outputs and layer values as relevance begins at them: the score's slope comes back times each value."""
    # Of the score z_1 - z_2 / 2, z_1 gets z_1 and z_2 gets -z_2 / 2, which add up to the score. Excitation backprop
    # begins with the slope alone, 1 at the target.
    if not settings.is_rooted:
        return found
    return jax.tree.map(lambda leaf: taken(leaf, leaf) if _is_float(leaf) else leaf, found)


def root_of(target: Target, found: Any, settings: RelevanceSettings) -> Float[Array, ""]:
    """Return how much relevance begins at the outputs and layer values that a target reads."""
    slopes = jax.grad(lambda both: target.score(*both), allow_int=True)(found)
    root = jnp.float32(0)
    for value, slope in zip(jax.tree.leaves(found), jax.tree.leaves(slopes), strict=True):
        if _is_float(value):
            root += jnp.sum(value * slope if settings.is_rooted else slope).astype(jnp.float32)
    return root


def _is_float(value: Any) -> bool:
    return bool(jnp.issubdtype(value.dtype, jnp.floating))
