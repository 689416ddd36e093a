"""Relevance on its way down from a score, stopped at layers: read there, reduced to some channels, and sent on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import INPUT, LayerKindError, LayerNode, Model, Target, UsageError
from cnnviz_plugins.explain.relevance.plan import RelevancePlan, RelevanceSettings, plan_of
from cnnviz_plugins.explain.relevance.propagation import root_of, rooted

Stopped = dict[str, Float[Array, "..."]]
"""Relevance at layers, by name."""


# Relevance is linear in what is sent, so everything here is made of legs: from the score, or from a layer, to layers
# below it and to the image. A leg's forward pass is run once; what is sent down may be a batch, and then only the way
# back is one too (`jax.vmap` of `Leg.down`).
@dataclass(frozen=True, eq=False)
class Descent:
    """The rules of one model in place, with the layers at which relevance may be stopped."""

    model: Model
    target: Target
    settings: RelevanceSettings
    plan: RelevancePlan
    places: Mapping[str, LayerNode]
    """By name of layer: the value at which its relevance stands. A BatchNorm behind a convolution is folded into it, so
    that both names mean the value behind the BatchNorm, and rules see the weights that they would without stops."""

    @classmethod
    def of(cls, model: Model, target: Target, settings: RelevanceSettings, layers: Sequence[str]) -> "Descent":
        """Return the descent that may stop at `layers`.

        Args:
            model: The model.
            target: What is scored.
            settings: The rules.
            layers: Resolved names.

        Raises:
            RuleError: The rules do not fit the model.
        """
        params = model.program.numbered(model.params)
        ends = model.structure.read_values(target.layers, target.needs_outputs)
        nodes = {name: model.program.layer_node(name) for name in layers}
        folds = plan_of(model, settings, ends, params).folds
        apart = [node.value for node in nodes.values() if node.value not in folds]
        plan = plan_of(model, settings, [*ends, *apart], params)
        places = {name: replace(node, value=folds.get(node.value, node.value)) for name, node in nodes.items()}
        return cls(model, target, settings, plan, places)

    def leg(self, image: Float[Array, "h w c"], start: str | None, stops: Sequence[str] = ()) -> "Leg":
        """Return the way from `start`, a layer or the score (`None`), to `stops` and the image.

        Args:
            image: One image in [0, 1].
            start: The layer, or `None` for the score.
            stops: Layers below it; relevance that passes one goes on to the image as well.

        Cost: one forward pass up to `start`, of which every `down` is a backward pass.
        """
        model, target = self.model, self.target
        zeros = {name: jnp.zeros(self.places[name].canonical_shape, self.places[name].dtype) for name in stops}

        def run(image: Array, deltas: Stopped, read: tuple[str, ...], need_outputs: bool) -> Any:
            return model.run(
                image,
                read=read,
                add=deltas,
                overrides=self.plan.overrides,
                places=self.places,
                need_outputs=need_outputs,
            )

        def scored(image: Array, deltas: Stopped) -> tuple[Any, Any]:
            found = run(image, deltas, target.layers, target.needs_outputs)
            return target.score(*rooted(found, self.settings)), found

        def valued(image: Array, deltas: Stopped) -> tuple[Any, Any]:
            return run(image, deltas, (start or "",), False)[1][start or ""], ()

        _, back, found = jax.vjp(scored if start is None else valued, image, zeros, has_aux=True)
        return Leg(back, root_of(target, found, self.settings) if start is None else None)

    def highest_first(self, layers: Sequence[str]) -> tuple[str, ...]:
        """Return layers in the order in which relevance comes to them."""
        values = self.model.program.graph.values

        def order(name: str) -> int:
            producer = values[self.places[name].value].producer
            return -1 if producer is None else producer.order

        return tuple(sorted(dict.fromkeys(layers), key=order, reverse=True))

    def may_pass_by(self, layers: Sequence[str]) -> bool:
        """Return whether the score sees the image by a way that leaves out one of the layers."""
        ends = self.model.structure.read_values(self.target.layers, self.target.needs_outputs)
        image = self.model.program.graph.image_id
        return any(image in self._above(set(ends) - {site}, {site}) for site in self._sites(layers))

    def leads_to(self, layer: str, above: str) -> bool:
        """Return whether one layer's values are made of another's."""
        (own, other) = self._sites((layer, above))
        return own != other and own in self._above({other}, set())

    def _sites(self, layers: Sequence[str]) -> list[int]:
        return [self.places[name].value for name in layers]

    def _above(self, values: set[int], closed: set[int]) -> set[int]:
        """Every value that some values are made of from the image, by ways that leave out those that are closed."""
        graph, analysis, needed = self.model.program.graph, self.model.program.analysis, set(values)
        for leaf in reversed(graph.leaves):
            if needed.intersection(leaf.outputs):
                needed.update(set(analysis.sources(leaf)) - closed)
        return needed


@dataclass(frozen=True, eq=False)
class Leg:
    """A way down of relevance."""

    _back: Callable[[Any], tuple[Array, Stopped]]
    root: Float[Array, ""] | None
    """Of the leg from the score: how much relevance it begins with."""

    def down(self, relevance: Float[Array, "..."] | float = 1.0) -> tuple[Float[Array, "h w c"], Stopped]:
        """Return what reaches the image and the stops of the relevance at the leg's start.

        Args:
            relevance: At every unit of the layer; from the score on 1 stands for all that there is.
        """
        values, stopped = self._back(relevance if self.root is None else jnp.float32(relevance))
        return values.astype(jnp.float32), stopped


def checked_layer(model: Model, name: str, use: str) -> str:
    """Return a layer's resolved name.

    Raises:
        LayerNotFoundError: The model has no such layer.
        UsageError: It is the image itself.
        LayerKindError: It holds the codes of a dictionary.
    """
    resolved = model.layers.resolve(name)
    (own,) = model.own_layers((resolved,))
    if own != resolved:
        raise LayerKindError(
            f"{resolved!r} holds a dictionary's codes of {own!r}, and relevance has no way through those; name a "
            f"layer of the network, such as {own!r}"
        )
    if resolved == INPUT and INPUT not in model.program.layers:
        raise UsageError(f"{use} is a layer of the network, and 'input' is the image itself; lrp gives its relevance")
    return resolved
