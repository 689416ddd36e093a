"""The biases of a network, explicit and implicit, read off its program: what a layer adds that its input does not.

Near an image every operation y(x) is linear: y = J x + b. For convolutions, dense layers and norms b is y at 0; for
a smooth activation it is y - J x, which depends on the image; for ReLU, pools and sums it is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model

_WITHOUT = frozenset({
    "relu", "leaky_relu", "max_pool", "min_pool", "avg_pool", "sum_pool", "global_pool", "add", "concat", "flatten",
})  # fmt: skip


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
    names = {layer_node.value: name for name, layer_node in reversed(list(model.program.layers.items()))}
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


def bias_values(model: Model, image: Float[Array, "h w c"], wanted: Sequence[Bias]) -> tuple[Float[Array, "..."], ...]:
    """Return each bias as (h, w, c) or (c,), spread over its layer.

    Cost: one forward pass if there are implicit biases, else almost nothing.
    """
    program, graph = model.program, model.program.graph
    fixed = dict(zip(graph.param_ids, jax.tree.leaves(model.params), strict=True))
    needed = tuple(dict.fromkeys(number for bias in wanted if bias.how == "implicit" for number in bias.inputs))
    known = program.evaluator.run({**fixed, graph.image_id: image[None]}, needed) if needed else {}

    def native(bias: Bias) -> Any:
        def compute(*inputs: Any) -> Any:
            given = {**fixed, **dict(zip(bias.inputs, inputs, strict=True))}
            return program.evaluator.run(given, (bias.value,))[bias.value]

        if bias.how == "explicit":
            return compute(*(jnp.zeros(graph.values[n].shape, graph.values[n].dtype) for n in bias.inputs))
        at = tuple(known[number] for number in bias.inputs)
        value, along = jax.jvp(compute, at, at)
        return value - along

    return tuple(program.layers[bias.layer].to_canonical(native(bias)) for bias in wanted)
