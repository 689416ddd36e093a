"""What is wrong or remarkable about a program: training mode, dropout, a softmax head, regions not looked into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.layers.operations import Operation, View
from cnnviz_jax.program.layers.scopes import scope_of


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    """`training-mode`, `dropout`, `softmax-head` or `opaque`."""
    severity: Literal["error", "warning"]
    """An error means that explanations would be of something else than the model."""
    text: str
    """One or two sentences for the user."""
    detail: str = ""
    """For a softmax head: the layer that holds the values before it. Else where it is."""


def check(view: View, operations: Sequence[Operation], layer_nodes: Mapping[str, LayerNode]) -> tuple[Check, ...]:
    """Return all findings about a program."""
    found = []
    analysis = view.analysis
    if analysis.batch_mixers:
        node = analysis.batch_mixers[0]
        place = _place(scope_of(node), node.name)
        found.append(
            Check(
                "training-mode", "error",
                f"the model mixes the images of a batch ({place}), as batch normalisation does in training mode; "
                "put it into inference mode",
                place,
            )
        )  # fmt: skip
    if analysis.random:
        node = analysis.random[0]
        place = _place(scope_of(node), node.name)
        found.append(
            Check("dropout", "error", f"the model draws random numbers ({place}), as dropout does in training mode; "
                  "put it into inference mode", place)
        )  # fmt: skip
    found.extend(_softmax(view, operations, layer_nodes))
    if analysis.opaque:
        count = len(analysis.opaque)
        names = ", ".join(sorted({node.name for node in analysis.opaque}))
        found.append(
            Check("opaque", "warning", f"{count} region(s) of the model ({names}) are run but not looked "
                  "into: no layers are listed inside, and no ReLU inside follows a backward rule", names)
        )  # fmt: skip
    return tuple(found)


def _place(scope: str, primitive: str) -> str:
    return f"{primitive} in {scope}" if scope else primitive


def softmax_heads(view: View, operations: Sequence[Operation]) -> list[Operation]:
    """Return the softmax or log-softmax operations that results of the program come from, rearranged at most."""
    results = {view.behind_glue(number) for number in view.outputs}
    return [op for op in operations if op.kind in ("softmax", "log_softmax") and op.value in results]


def _softmax(view: View, operations: Sequence[Operation], layer_nodes: Mapping[str, LayerNode]) -> list[Check]:
    found = []
    for operation in softmax_heads(view, operations):
        before = next((name for name, layer_node in layer_nodes.items() if layer_node.value == operation.inputs[0]), "")
        word = operation.kind.replace("_", "-")
        found.append(
            Check(
                "softmax-head",
                "warning",
                f"the model ends in a {word}; scores are taken before it, at {before!r}",
                before,
            )
        )
    return found
