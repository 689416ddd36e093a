"""LeGrad: gradients by attention, layer by layer, as if the network ended there (Bousselham et al. 2024)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, Override
from cnnviz_plugins.explain.attention.layers import AttentionLayers
from cnnviz_plugins.explain.attention.plugin import LegradConfig


@dataclass(frozen=True, kw_only=True)
class Legrad(Fold):
    """How strongly attention to each token speaks for the target, (h, w), never negative.

    The tokens that a block hands on, or with `pooling="mean"` their mean in place of each, are put in the place of the
    last block's, and the score that comes out is differentiated by the block's attention. Negative gradients become 0,
    heads and the tokens that attend are averaged, and so are the layers. `low_res` is the map at the tokens' grid,
    `extras["per_layer"]` the same for every layer.

    Raises (when built):
        LayerKindError: The model has no attention between tokens that form a grid.

    Cost: one forward pass, and for each layer one forward and backward pass of its block and of the head.
    Source: Bousselham, Boggust, Chaybouti, Strobelt, Kuehne 2024, section 3.2.
    """

    config: LegradConfig

    @classmethod
    def build(cls, config: LegradConfig, model: Model) -> "Legrad":
        """Return the fold for `model`."""
        layers = AttentionLayers.of(model, config.layers)
        return cls(config=config, notes=(("layers", layers.names), ("blocks", tuple(t.name for t in layers.tokens))))

    def evaluate(self, case: Case) -> Float[Array, "layers k"]:
        """Return the weight of every token in every layer."""
        layers = AttentionLayers.of(case.model, self.config.layers)
        last = AttentionLayers.of(case.model).tokens[-1]
        program = case.model.program
        known = program.numbered(case.model.params)
        known[program.graph.image_id] = case.image[None]
        # Native values: those of a layer on a grid, as techniques read them, leave out the class token.
        numbers = [node.value for node in layers.nodes]
        attention = program.evaluator.run(known, numbers)

        rows = []
        for node, block in zip(layers.nodes, layers.tokens, strict=True):

            def score(weights: Any, node: Any = node, block: Any = block) -> Float[Array, ""]:
                tokens = program.evaluator.run({**known, node.value: weights}, [block.value])[block.value]
                if self.config.pooling == "mean":
                    tokens = jnp.broadcast_to(tokens.mean(layers.grid.tokens, keepdims=True), tokens.shape)
                found = case.model.run(
                    case.image,
                    read=case.target.layers,
                    overrides={last.value: Override((), lambda: tokens)},
                    need_outputs=case.target.needs_outputs,
                )
                return case.target.score(*found)

            rows.append(weighed(layers.heads(jax.grad(score)(attention[node.value]))))
        return jnp.stack(rows)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the mean over layers as a map."""
        layers = AttentionLayers.of(case.model, self.config.layers)
        each = gathered[0]
        found = layers.shown(each.mean(0), case.image)
        if self.config.scale == "min-max":
            low, top = found.values.min(), found.values.max()
            spread = jnp.where(top > low, top - low, 1)
            found = Heatmap(values=(found.values - low) / spread, low_res=found.low_res)
        grid = layers.grid
        inside = each[:, grid.before : grid.before + grid.count].reshape(-1, grid.rows, grid.columns)
        return Heatmap(values=found.values, low_res=found.low_res, extras={"per_layer": inside})


def weighed(gradient: Float[Array, "heads q k"]) -> Float[Array, " k"]:
    """Return the positive part of a gradient by attention, its mean over heads and over the tokens that attend."""
    return jax.nn.relu(gradient).mean((0, 1))
