"""FullGrad: gradient times input plus gradient times bias, over all layers (Srinivas, Fleuret 2019).

The biases, explicit and implicit, are read off the program: what a layer adds that its input does not. Near an image
every operation y(x) is linear: y = J x + b. For convolutions, dense layers and norms b is y at 0; for a smooth
activation it is y - J x, which depends on the image; for ReLU, pools and sums it is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model
from cnnviz_plugins.explain.cam.plugin import FullgradConfig
from cnnviz_plugins.explain.cam.postprocess import resized, scaled
from cnnviz_plugins.explain.layer_values import zeros_like_values

_WITHOUT = frozenset({
    "relu", "leaky_relu", "max_pool", "min_pool", "avg_pool", "sum_pool", "global_pool", "add", "concat", "flatten",
})  # fmt: skip

Sides = tuple[int, int, int] | None
"""Depth, height and width of a map in a volume."""

_EPSILON = 1e-7
"""What pytorch_grad_cam/utils/image.py adds to a maximum before it divides."""


@dataclass(frozen=True)
class Bias:
    """One layer that adds something."""

    layer: str
    value: int
    """Its value in the program."""
    inputs: tuple[int, ...]
    """What is 0 when it gives its bias, or, for an implicit bias, what it is computed from."""
    how: Literal["explicit", "implicit"]


def biases(model: Model) -> tuple[Bias, ...]:
    """Return every bias of the program, in execution order."""
    names = {layer.value: name for name, layer in reversed(list(model.program.layers.items()))}
    found = []
    for operation in model.program.operations:
        name = names.get(operation.value)
        if name is None or operation.kind in _WITHOUT:
            continue
        if operation.kind in ("conv", "dense"):
            product = operation.node.outputs[0]
            if product != operation.value:
                found.append(Bias(name, operation.value, (product,), "explicit"))
        else:
            how: Literal["explicit", "implicit"] = "explicit" if operation.kind == "norm" else "implicit"
            found.append(Bias(name, operation.value, operation.inputs, how))
    return tuple(found)


def bias_values(model: Model, image: Float[Array, "h w c"], sources: Sequence[Bias]) -> tuple[Float[Array, "..."], ...]:
    """Return each bias as (h, w, c) or (c,), spread over its layer.

    Cost: one forward pass if there are implicit biases, else almost nothing.
    """
    program, graph = model.program, model.program.graph
    fixed = program.numbered(model.params)
    needed = tuple(dict.fromkeys(number for bias in sources if bias.how == "implicit" for number in bias.inputs))
    read = program.evaluator.run({**fixed, graph.image_id: image[None]}, needed) if needed else {}

    def native(bias: Bias) -> Any:
        def compute(*inputs: Any) -> Any:
            known = {**fixed, **dict(zip(bias.inputs, inputs, strict=True))}
            return program.evaluator.run(known, (bias.value,))[bias.value]

        if bias.how == "explicit":
            return compute(*(jnp.zeros(graph.values[n].shape, graph.values[n].dtype) for n in bias.inputs))
        at = tuple(read[number] for number in bias.inputs)
        value, along = jax.jvp(compute, at, at)
        return value - along

    return tuple(program.layers[bias.layer].to_canonical(native(bias)) for bias in sources)


@dataclass(frozen=True, kw_only=True)
class Fullgrad(Fold):
    """The sum over the input's term and every layer's bias term of its enlarged, rescaled absolute values.

    The input's term is input * d score / d input, the input as the network gets it, after mean and std. A layer's is
    bias * d score / d layer. All terms together are the score: `extras["completeness_gap"]` is what is missing, and
    `extras["input_sum"]` and `extras["bias_sums"]` (in the order of the note `bias_layers`) are their sums. Biases of
    BatchNorm are read off the program; smooth activations have the implicit bias of the paper, y - y' x. Layers
    without a map, in a model of volumes one of all three axes, count in the sums only.

    `pytorch-grad-cam`: the input's term and those of convolutions and norms alone, each channel from 0 to 1, and their
    sum from 0 to 1 again. `extras` are then the sums of these terms.

    Cost: two forward passes and one backward pass per image.
    Source: Srinivas, Fleuret 2019, propositions 1 and 2, section 4 for the map; idiap/fullgrad-saliency.
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)

    config: FullgradConfig
    biases: tuple[Bias, ...]
    volumes: tuple[Sides, ...] = ()
    """In a model of volumes, depth, height and width of the input and of each bias's layer; `None` without a map."""

    @classmethod
    def build(cls, config: FullgradConfig, model: Model) -> "Fullgrad":
        """Return the fold for `model`, with the biases that its program tells."""
        found = biases(model)
        if config.convention == "pytorch-grad-cam":  # pytorch_grad_cam/fullgrad_cam.py: Conv2d and BatchNorm2d
            kinds = {bias.layer: model.program.layers[bias.layer].kind for bias in found}
            found = tuple(b for b in found if b.how == "explicit" and kinds[b.layer] in ("conv", "norm"))
        layers = model.program.layers
        volumes: tuple[Sides, ...] = ()
        if len(model.structure.extents) == 3:
            depth, height, width = model.structure.extents
            volumes = ((depth, height, width), *(layers[bias.layer].volume for bias in found))
        notes = (("bias_layers", tuple(bias.layer for bias in found)),)
        return cls(config=config, biases=found, volumes=volumes, notes=notes)

    def evaluate(self, case: Case) -> tuple[Float[Array, ""], Float[Array, "h w c"], tuple[Float[Array, "..."], ...]]:
        """Return the score, the input's term and every bias term."""
        names = tuple(bias.layer for bias in self.biases)
        deltas = zeros_like_values(case.model, case.image, *names)

        def score(pixels: Any, deltas: Any) -> Float[Array, ""]:
            return case.model.score(pixels, case.target, add=deltas)[0]

        value, (slope, slopes) = jax.value_and_grad(score, argnums=(0, 1))(case.image, deltas)
        mean = jnp.asarray(case.model.structure.mean, case.image.dtype)
        shifts = bias_values(case.model, case.image, self.biases)
        terms = tuple((shift * slopes[name]).astype(jnp.float32) for name, shift in zip(names, shifts, strict=True))
        return value, (case.image - mean) * slope, terms

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the map and the sums."""
        score, at_input, terms = jax.tree.map(lambda leaf: leaf[0], gathered)
        size = case.image.shape[:2]
        whole, *sides = self.volumes or (None,) * (1 + len(terms))
        total = self._shown(at_input, size, whole)
        for term, side in zip(terms, sides, strict=True):
            if term.ndim == 3 and (whole is None or side is not None):
                total = total + self._shown(term, size, side)
        if self.config.convention == "pytorch-grad-cam":
            total = scaled(total, "min-max", _EPSILON)
        sums = jnp.stack([at_input.sum(), *(term.sum() for term in terms)])
        extras = {"input_sum": sums[0], "bias_sums": sums[1:], "completeness_gap": sums.sum() - score}
        return Heatmap(values=total, extras=extras)

    def _shown(
        self, term: Float[Array, "rows cols channels"], size: tuple[int, int], side: Sides
    ) -> Float[Array, "h w"]:
        values = term if self.config.signed else jnp.abs(term)
        is_peers = self.config.convention == "pytorch-grad-cam"
        if is_peers or self.config.rescale == "channel":
            added = _EPSILON if is_peers else 0.0
            values = jax.vmap(lambda each: scaled(each, "min-max", added), in_axes=2, out_axes=2)(values)
        elif self.config.rescale == "term":
            values = scaled(values, "min-max")
        whole = self.volumes[0] if self.volumes else None
        volumes = None if side is None or whole is None else (side, whole)
        return resized(values, size, "linear", volumes).sum(-1)
