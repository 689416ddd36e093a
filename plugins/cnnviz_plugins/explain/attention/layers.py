"""Where attention stands in a traced program: softmax layers over as many tokens as they weigh."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Heatmap, LayerKindError, LayerNode, LayerNotFoundError, Model, TokenGrid, did_you_mean


@dataclass(frozen=True, eq=False)
class AttentionLayers:
    """The layers of attention of a model, and how its tokens are a map."""

    nodes: tuple[LayerNode, ...]
    """Softmax layers of values (heads, tokens, tokens) behind axes of length 1, in execution order."""
    tokens: tuple[LayerNode, ...]
    """Behind each of them, the tokens that its block hands on."""
    grid: TokenGrid

    @classmethod
    def of(cls, model: Model, names: Sequence[str] = ()) -> "AttentionLayers":
        """Return the layers called `names`, or all whose tokens are those of the map.

        Raises:
            LayerNotFoundError: No layer has such a name.
            LayerKindError: A named layer is no attention of tokens to tokens, or the model has none on a grid.
        """
        values = model.program.graph.values
        every = list(model.program.layers.values())
        orders = {node.name: getattr(values[node.value].producer, "order", -1) for node in every}
        sums = [node for node in every if node.grid is not None and node.kind == "add"]
        lengths = {node.shape[node.grid.tokens] for node in sums if node.grid is not None}
        fit = [node for node in every if _is_attention(node) and node.shape[-1] in lengths]
        chosen = [_named(model, name, fit) for name in names] or fit
        if not chosen:
            raise LayerKindError(
                f"{model.name} has no attention between tokens that form a grid: no softmax over as many tokens as it "
                "weighs. Where tokens form a grid that was not told, say adapt(..., tokens=(before, rows, columns))"
            )
        chosen.sort(key=lambda node: orders[node.name])
        # A block ends in the last sum of tokens before the next attention: the one behind its dense layers.
        ends = [*(orders[node.name] for node in fit), float("inf")]
        tokens = []
        for node in chosen:
            stop = next(end for end in ends if end > orders[node.name])
            behind = [each for each in sums if orders[node.name] < orders[each.name] < stop]
            if not behind:
                raise LayerKindError(
                    f"no sum of tokens follows {node.name!r} in {model.name}: it is in no residual block"
                )
            tokens.append(behind[-1])
        grid = tokens[-1].grid
        assert grid is not None  # of `sums`
        return cls(tuple(chosen), tuple(tokens), grid)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(node.name for node in self.nodes)

    def heads(self, value: Float[Array, "..."]) -> Float[Array, "heads q k"]:
        """Return a layer's value for one image as attention of every head."""
        return value.reshape(-1, *value.shape[-2:])

    def shown(self, weights: Float[Array, " k"], image: Float[Array, "h w c"]) -> Heatmap:
        """Return a number for each token as a map: those outside the grid left out, the grid enlarged to the image."""
        inside = weights[self.grid.before : self.grid.before + self.grid.count]
        raw = inside.reshape(self.grid.rows, self.grid.columns)
        return Heatmap(values=jax.image.resize(raw, image.shape[:2], "linear"), low_res=raw)

    def read(self, weights: Float[Array, "q k"]) -> Float[Array, " k"]:
        """Return the row that the scores are read from: the first token's, or the mean of all where none stands out."""
        return weights[0] if self.grid.before else jnp.mean(weights, axis=0)


def _is_attention(node: LayerNode) -> bool:
    # (1, heads, q, k), with further axes of length 1 as Flax has them, or without heads.
    alone = math.prod(node.shape[:-3]) == 1 and len(node.shape) >= 3
    return node.kind == "softmax" and alone and node.shape[-1] == node.shape[-2] > 1


def _named(model: Model, name: str, fit: Sequence[LayerNode]) -> LayerNode:
    node = model.program.layers.get(name.replace("/", "."))
    if node is None:
        raise LayerNotFoundError(f"no layer {name!r} in {model.name}.{did_you_mean(name, model.program.layers)}")
    if node not in fit:
        names = ", ".join(each.name for each in fit[:4]) or "none"
        raise LayerKindError(
            f"layer {name!r} of {model.name} is no attention between the tokens of a grid; there are {names}"
        )
    return node
