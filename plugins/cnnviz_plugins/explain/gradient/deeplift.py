"""DeepLIFT with the rescale rule, on the traced program (Shrikumar et al. 2017).

Two runs: one of the reference, in which every activation and max-pool notes what it saw; one of the image, in
which each is replaced by a line through its value then and its value now. The gradient of that second run holds
the multipliers.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
from jax import lax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import ACTIVATION_KINDS, Case, Handler, LayerNode, Model, Target
from cnnviz_plugins.explain.gradient.path import WholePath
from cnnviz_plugins.explain.gradient.plugin import DeepliftConfig
from cnnviz_plugins.explain.site import IMAGE, Site

SELECTING = frozenset({"max_pool", "min_pool"})
"""Kinds of layers that hand on one of several numbers; those in `ACTIVATION_KINDS` treat every number alone."""

Taken = tuple[Array, Array]


@dataclass(frozen=True, kw_only=True)
class Deeplift(WholePath):
    """(image - reference) times DeepLIFT's multipliers, (h, w, c): shares of the difference of scores.

    At a layer, the difference of its values times their multipliers: only what is above is rescaled.

    `extras` has `baseline_score` and `completeness_gap`; the gap is rounding alone for networks made of
    convolutions, dense layers, activations, pools, batch norm, sums and joins, explained by a logit. What mixes
    values otherwise (products of branches, layer norm, softmax) keeps its gradient, and then the gap is real.

    Cost: two forward passes and one backward per image, and one forward for the gap.
    Source: Shrikumar, Greenside, Kundaje 2017, section 3.5.1; max-pools as in Captum.
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    config: DeepliftConfig

    @classmethod
    def build(cls, config: DeepliftConfig, model: Model) -> "Deeplift":
        """Return the fold for `model`, with the layers that it rescales."""
        site = Site.of(config.at, model)
        notes = (("baseline", str(config.baseline)), ("rescaled", rescaled_layers(model)))
        notes += site.sum_note(model, "score - baseline_score")
        return cls(config=config, notes=notes, warnings=unrescaled_warning(model), **site.fields())

    def evaluate(self, case: Case) -> tuple[Float[Array, "..."], Float[Array, "h w c"]]:
        """Return the shares, and the reference."""
        reference = case.filled(self.config.baseline)
        shares = deeplift_map(
            case.model, case.image, reference, case.target, epsilon=self.config.epsilon, site=self.site
        )
        return shares, reference


def rescaled_layers(model: Model) -> tuple[str, ...]:
    """Return the names of the layers that are replaced by lines."""
    return tuple(_nonlinear(model))


def unrescaled_warning(model: Model) -> tuple[str, ...]:
    """Return a warning that names the layers which keep their gradient, if there are any."""
    left = [name for name, layer in model.program.layers.items() if layer.kind in ("softmax", "log_softmax")]
    return (f"deeplift leaves the gradient as it is at {', '.join(left)}",) if left else ()


def deeplift_map(
    model: Model,
    image: Float[Array, "h w c"],
    reference: Float[Array, "h w c"],
    target: Target,
    *,
    epsilon: float,
    site: Site = IMAGE,
) -> Float[Array, "..."]:
    """Return (image - reference) times the multipliers, or at a layer the same of its values.

    Cost: two forward passes and one backward.
    """
    layers = _nonlinear(model)
    seen: dict[str, Taken] = {}

    def noting(layer: LayerNode, inputs: list[Any], default: Any) -> Any:
        seen[layer.name] = (inputs[0], default(inputs[0]))
        return seen[layer.name][1]

    model.score(reference, target, handlers=dict.fromkeys(layers, noting))
    # A layer that is itself an activation is tapped behind it: its own line is then no part of the way down to it.
    lines = {name: _rescaled(taken, epsilon) for name, taken in seen.items()}
    value, multipliers = site.read(model, image, target, handlers=lines)
    return (value - site.value(model, reference)) * multipliers


def _nonlinear(model: Model) -> dict[str, LayerNode]:
    """The layers that are replaced by lines: activations, max-pools, global maxima."""
    found: dict[str, LayerNode] = {}
    for name, layer in model.program.layers.items():
        operation = layer.operation
        if operation is None or len(operation.inputs) != 1:
            continue
        is_maximum = layer.kind == "global_pool" and operation.node.name == "reduce_max"
        if layer.kind in ACTIVATION_KINDS | SELECTING or is_maximum:
            found[name] = layer
    return found


def _rescaled(taken: Taken, epsilon: float) -> Handler:
    """Return a handler whose value is the layer's own and whose derivative is the multiplier."""
    before, reference = taken

    def line(layer: LayerNode, inputs: list[Any], default: Any) -> Any:
        # The value is the layer's own to the last operation, and only its derivative is another: then the compiler sees
        # that the run is the one that gave the image's score, and does it once.
        @jax.custom_jvp
        def value(x: Array) -> Any:
            return default(x)

        @value.defjvp
        def along(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Any, Any]:
            (x,), (moved,) = primals, tangents
            # Operations of `lax`, as each of `jnp` is a function of its own to trace: a tenth of a first call.
            change = lax.sub(x, before)
            is_far = lax.gt(lax.abs(change), lax.full_like(change, epsilon))
            safe = lax.select(is_far, change, lax.full_like(change, 1))
            if layer.kind in ACTIVATION_KINDS and reference.shape == x.shape:
                now, slope = jax.jvp(default, (x,), (lax.full_like(x, 1),))
                return now, lax.mul(lax.select(is_far, lax.div(lax.sub(now, reference), safe), slope), moved)
            # What the winner now gains over the reference's output is its own; what the reference's winner
            # loses is that one's: the two sum to the difference of outputs.
            share = lax.select(is_far, lax.div(moved, safe), lax.full_like(moved, 0))
            now, gained = jax.jvp(default, (x,), (share,))
            _, lost = jax.jvp(default, (before,), (share,))
            best = lax.min(now, reference) if layer.kind == "min_pool" else lax.max(now, reference)
            return now, gained * (best - reference) + lost * (now - best)

        return value(inputs[0])

    return line
