"""The relevance of an image, or of a layer's units: one backward pass through the program with the rules in place."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import INPUT, Model, Target
from cnnviz_plugins.explain.relevance.plan import RelevancePlan, RelevanceSettings, plan_of
from cnnviz_plugins.explain.relevance.sharing import rooted


@dataclass(frozen=True)
class Relevance:
    """What came back."""

    values: Float[Array, "..."]
    """At the image's values, (h, w, c), or at the layer's, (h, w, c) or (c,)."""
    root: Float[Array, ""]
    """How much relevance was given in: their sum, if every layer conserves it."""


jax.tree_util.register_dataclass(Relevance, ["values", "root"], [])


def model_plan(model: Model, settings: RelevanceSettings) -> RelevancePlan:
    """Return what would be decided for the model's logits, without computing anything.

    Raises:
        RuleError: The rules do not fit the model.
    """
    graph, head = model.program.graph, model.structure.head
    wanted = graph.output_ids if head is None else (model.program.layer_node(head).value,)
    return plan_of(model, settings, wanted, {})


def relevance_of(
    model: Model, image: Float[Array, "h w c"], target: Target, settings: RelevanceSettings, layer: str | None = None
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
    program, graph = model.program, model.program.graph
    given = dict(zip(graph.param_ids, jax.tree.leaves(model.params), strict=True))
    head = model.structure.head
    names = [name for name in target.layers if name != INPUT or INPUT in program.layers]
    tapped = {name: program.layer_node(name) for name in names}
    ids = [layer_node.value for layer_node in tapped.values()]
    if target.needs_outputs:
        ids += graph.output_ids if head is None else [program.layer_node(head).value]
    layer_node = None if layer is None else program.layer_node(layer)
    plan = plan_of(model, settings, ids if layer_node is None else [*ids, layer_node.value], given)

    def read(start: Array) -> tuple[Any, dict[str, Any]]:
        pixels = start if layer_node is None else image
        changes = (
            {} if layer_node is None else {layer_node.value: lambda value: value + layer_node.from_canonical(start)}
        )
        values = program.evaluator.run(
            {**given, graph.image_id: pixels[None]}, ids, changes=changes, overrides=plan.overrides
        )
        taps = {name: tap.to_canonical(values[tap.value]) for name, tap in tapped.items()}
        if INPUT in target.layers and INPUT not in program.layers:
            taps[INPUT] = pixels
        if not target.needs_outputs:
            return None, taps
        if head is not None:
            top = program.layer_node(head)
            return top.to_canonical(values[top.value]).astype(jnp.float32), taps
        tree = jax.tree.structure(jax.eval_shape(model.structure.apply, model.params, pixels[None]))
        outputs = jax.tree.unflatten(tree, [values[number] for number in graph.output_ids])
        return jax.tree.map(_one_float, model.structure.pure.logits(outputs)), taps

    def scored(start: Array) -> tuple[Array, Any]:
        found = read(start)
        begun = (
            jax.tree.map(lambda leaf: rooted(leaf) if _is_float(leaf) else leaf, found) if settings.is_rooted else found
        )
        return target.score(*begun), found

    start = image if layer_node is None else jnp.zeros(layer_node.canonical_shape, layer_node.dtype)
    values, found = jax.grad(scored, has_aux=True)(start)
    slopes = jax.grad(lambda both: target.score(*both), allow_int=True)(found)
    root = jnp.float32(0)
    for value, slope in zip(jax.tree.leaves(found), jax.tree.leaves(slopes), strict=True):
        if _is_float(value):
            root += jnp.sum(value * slope if settings.is_rooted else slope).astype(jnp.float32)
    return Relevance(values.astype(jnp.float32), root)


def _is_float(value: Any) -> bool:
    return bool(jnp.issubdtype(value.dtype, jnp.floating))


def _one_float(value: Array) -> Array:
    return value[0].astype(jnp.float32) if _is_float(value) else value[0]
