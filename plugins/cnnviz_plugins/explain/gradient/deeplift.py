"""DeepLIFT with the rescale rule, on the traced program (Shrikumar et al. 2017).

Two runs: one of the reference, in which every activation and max-pool notes what it saw; one of the image, in
which each is replaced by a line through what it gave then and gives now. The gradient of that second run are
the multipliers.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Handler, LayerNode, Model, Target, fill_of
from cnnviz_plugins.explain.gradient.path import WholePath
from cnnviz_plugins.explain.gradient.plugin import DeepliftConfig

ELEMENTWISE = frozenset({
    "relu", "relu6", "clip", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "squareplus",
    "sparse_plus", "tanh", "hard_tanh", "sigmoid", "hard_sigmoid", "log_sigmoid", "hard_swish", "soft_sign",
})  # fmt: skip
"""Kinds of layers that treat every number alone: each gets the quotient of differences."""
SELECTING = frozenset({"max_pool", "min_pool"})
"""Kinds of layers that hand on one of several numbers."""
_UNRULED = frozenset({"softmax", "log_softmax"})

Taken = tuple[Array, Array]


@dataclass(frozen=True, kw_only=True)
class Deeplift(WholePath):
    """(image - reference) times DeepLIFT's multipliers, (h, w, c): shares of the difference of scores.

    `extras` has `baseline_score` and `completeness_gap`; the gap is rounding alone for networks made of
    convolutions, dense layers, activations, pools, batch norm, sums and joins, explained by a logit. What mixes
    values otherwise (products of branches, layer norm, softmax) keeps its gradient, and then the gap is real.

    Cost: three forward passes and one backward per image, and one forward for the gap.
    Source: Shrikumar, Greenside, Kundaje 2017, section 3.5.1; max-pools as in Captum.
    """

    config: DeepliftConfig

    @classmethod
    def build(cls, config: DeepliftConfig, model: Model) -> "Deeplift":
        """Return the fold for `model`, with the layers that it rescales."""
        names = tuple(name for name, layer_node in _nonlinear(model).items())
        left = [name for name, layer_node in model.program.layers.items() if layer_node.kind in _UNRULED]
        warnings = (f"deeplift leaves the gradient as it is at {', '.join(left)}",) if left else ()
        return cls(config=config, notes=(("baseline", str(config.baseline)), ("rescaled", names)), warnings=warnings)

    def evaluate(self, case: Case) -> tuple[Float[Array, "h w c"], Float[Array, "h w c"]]:
        """Return the shares, and the reference."""
        reference = fill_of(case.image, self.config.baseline, case.model)
        return deeplift_map(case.model, case.image, reference, case.target, epsilon=self.config.epsilon), reference


def deeplift_map(
    model: Model, image: Float[Array, "h w c"], reference: Float[Array, "h w c"], target: Target, *, epsilon: float
) -> Float[Array, "h w c"]:
    """Return (image - reference) times the multipliers.

    Cost: two forward passes and one backward.
    """
    layer_nodes = _nonlinear(model)
    seen: dict[str, Taken] = {}

    def noting(layer_node: LayerNode, inputs: list[Any], default: Any) -> Any:
        seen[layer_node.name] = (inputs[0], default(inputs[0]))
        return seen[layer_node.name][1]

    model.score(reference, target, handlers=dict.fromkeys(layer_nodes, noting))
    lines: dict[str, Handler] = {
        name: _rescaled(seen[name], epsilon, is_elementwise=layer_node.kind in ELEMENTWISE)
        for name, layer_node in layer_nodes.items()
        if name in seen
    }
    multipliers = jax.grad(lambda pixels: model.score(pixels, target, handlers=lines)[0])(image)
    return (image - reference) * multipliers


def _nonlinear(model: Model) -> dict[str, LayerNode]:
    """The layers that are replaced by lines: activations, max-pools, global maxima."""
    found: dict[str, LayerNode] = {}
    for name, layer_node in model.program.layers.items():
        operation = layer_node.operation
        if operation is None or len(operation.inputs) != 1:
            continue
        is_maximum = layer_node.kind == "global_pool" and operation.node.name == "reduce_max"
        if layer_node.kind in ELEMENTWISE or layer_node.kind in SELECTING or is_maximum:
            found[name] = layer_node
    return found


def _rescaled(taken: Taken, epsilon: float, *, is_elementwise: bool) -> Handler:
    """Return a handler whose value is the layer's own and whose derivative is the multiplier."""
    before, given = taken

    def line(layer_node: LayerNode, inputs: list[Any], default: Any) -> Any:
        x = inputs[0]
        fixed = jax.lax.stop_gradient(x)
        moved, now = x - fixed, default(fixed)
        change = fixed - before
        is_far = jnp.abs(change) > epsilon
        safe = jnp.where(is_far, change, jnp.ones_like(change))
        if is_elementwise and now.shape == fixed.shape:
            _, slope = jax.jvp(default, (fixed,), (jnp.ones_like(fixed),))
            return now + jnp.where(is_far, (now - given) / safe, slope) * moved
        # What the winner now gains over the reference's output is its own; what the reference's winner
        # loses is that one's: the two sum to the difference of outputs.
        share = jnp.where(is_far, moved / safe, jnp.zeros_like(moved))
        best = jnp.minimum(now, given) if layer_node.kind == "min_pool" else jnp.maximum(now, given)
        _, gained = jax.jvp(default, (fixed,), (share,))
        _, lost = jax.jvp(default, (before,), (share,))
        return now + gained * (best - given) + lost * (now - best)

    return line
