"""What each operation of a program means for relevance: which pass it on, which rearrange it, which share it out."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from cnnviz_jax.plugin import RECASTS, Model, Node

GATES = frozenset({"sigmoid", "hard_sigmoid", "softmax"})
"""Kinds of layers whose values weigh others: in a product the other factor takes all (Arras et al. 2017)."""

POSITIVE_KINDS = frozenset({"relu", "relu6", "sigmoid", "hard_sigmoid", "softmax"})
"""Kinds of layers that are never negative."""

MOVING = RECASTS | {
    "broadcast_in_dim", "slice", "dynamic_slice", "gather", "concatenate", "pad", "rev", "split", "scan-slice",
    "scan-stack", "select_n", "max", "min", "sort", "top_k", "reduce_max", "reduce_min", "reduce_window_max",
    "reduce_window_min", "dynamic_update_slice", "stop_gradient", "cummax", "cummin", "pvary",
}  # fmt: skip
"""Primitives of which each result is one of the operand's numbers: relevance goes back to that one, as gradients do."""

LINEAR = frozenset({"reduce_sum", "reduce_window_sum", "cumsum", "dot_general", "conv_general_dilated"})
"""Primitives that are linear in one operand: relevance is shared in proportion to the summands."""

_SCALING = frozenset({"add", "add_any", "sub", "mul", "div", "neg"})


def sees_the_image(model: Model, number: int) -> bool:
    """Return whether a value is the image: normalised, padded, cast or turned at most."""

    def through(node: Node) -> int | None:
        moving = model.program.analysis.sources(node)
        is_plain = node.name in RECASTS or node.name == "pad" or node.name in _SCALING
        is_kept = node.name != "div" or node.inputs[0] in moving
        return moving[0] if is_plain and is_kept and len(moving) == 1 else None

    return model.program.graph.walk(number, through) == model.program.graph.image_id


def present(model: Model, number: int) -> Array:
    """Return an array like a value, 1 where it holds what was computed and 0 where it was padded."""
    # flat and w^2 share by weights alone, x not in them, so padding in front of a convolution would take shares: of the
    # 9 inputs at a corner 5 are padding. They count as 0, being padded with zeros like the value itself.
    values = model.program.graph.values
    nodes: list[Node] = []
    while (node := values[number].producer) is not None and (node.name in RECASTS or node.name == "pad"):
        nodes.append(node)
        number = node.inputs[0]
    found = jnp.ones(values[number].shape, values[number].dtype)
    for node in reversed(nodes):
        if node.name == "pad":
            found = lax.pad(found, jnp.zeros((), found.dtype), node.params["padding_config"])
        else:
            found = node.apply([found])[0]
    return found


def is_divisor(model: Model, number: int) -> bool:
    """Return whether a value is one over a root, scaled and spread: what a norm divides by."""
    found = _origin(model, number, RECASTS | _SCALING | {"broadcast_in_dim"})
    node = model.program.graph.values[found].producer
    return node is not None and node.name == "rsqrt"


def is_gate(model: Model, number: int, gates: frozenset[int]) -> bool:
    """Return whether a value is one of the gates, spread."""
    graph = model.program.graph

    def through(node: Node) -> int | None:
        is_spread = node.name in RECASTS or node.name == "broadcast_in_dim"
        return node.inputs[0] if is_spread and node.outputs[0] not in gates else None

    return graph.walk(number, through) in gates


def is_mean_of(model: Model, number: int, other: int) -> bool:
    """Return whether a value is the mean of `other`, spread: what a norm subtracts."""
    graph = model.program.graph
    node = graph.values[_origin(model, number, RECASTS | _SCALING | {"broadcast_in_dim"})].producer
    if node is None or node.name != "reduce_sum":
        return False
    return _origin(model, node.inputs[0], RECASTS) == _origin(model, other, RECASTS)


def is_non_negative(model: Model, number: int, positives: frozenset[int]) -> bool:
    """Return whether a value is known to have no negative entries: rectified, then pooled, joined or turned."""
    if number in positives:
        return True
    node = model.program.graph.values[number].producer
    if node is None:
        return False
    # Sums, maxima and rearrangements of non-negative numbers are non-negative. Average pooling divides by a count,
    # which must be a known positive number.
    kept = RECASTS | {"concatenate", "broadcast_in_dim", "slice", "reduce_window_max", "reduce_max", "add"}
    kept |= {"reduce_sum", "reduce_window_sum"}
    moving = model.program.analysis.sources(node)
    if node.name in kept and len(moving) == len(node.inputs):
        return all(is_non_negative(model, each, positives) for each in moving)
    if node.name in ("mul", "div") and len(moving) == 1 and node.inputs[0] == moving[0]:
        factor = model.program.analysis.uniform(node.inputs[1])
        return factor is not None and factor > 0 and is_non_negative(model, moving[0], positives)
    return False


def _origin(model: Model, number: int, names: frozenset[str]) -> int:
    def through(node: Node) -> int | None:
        moving = model.program.analysis.sources(node)
        return moving[0] if node.name in names and len(moving) == 1 else None

    return model.program.graph.walk(number, through)
