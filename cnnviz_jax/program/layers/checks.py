"""What is wrong or remarkable about a program: training mode, dropout, a softmax head, regions not looked into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.layers.operations import Operation, ProgramView


@dataclass(frozen=True, slots=True)
class ProgramCheck:
    """One finding about a program."""

    name: str
    """`training-mode`, `dropout`, `softmax-head` or `opaque`."""
    severity: Literal["error", "warning"]
    """An error means that explanations would be of something else than the model."""
    text: str
    """One or two sentences for the user."""
    detail: str = ""
    """For a softmax head: the layer that holds the values before it. Else where it is."""


def check(
    view: ProgramView, operations: Sequence[Operation], layers: Mapping[str, LayerNode]
) -> tuple[ProgramCheck, ...]:
    """Return all findings about a program."""
    found, analysis = [], view.analysis
    for name, nodes, does, as_what in (
        ("training-mode", analysis.batch_mixers, "mixes the images of a batch", "batch normalisation"),
        ("dropout", analysis.random, "draws random numbers", "dropout"),
    ):
        if nodes:
            place = f"{nodes[0].name} in {nodes[0].name_stack}" if nodes[0].name_stack else nodes[0].name
            text = f"the model {does} ({place}), as {as_what} does in training mode; put it into inference mode"
            found.append(ProgramCheck(name, "error", text, place))
    found.extend(_softmax(view, operations, layers))
    if analysis.opaque:
        names = ", ".join(sorted({node.name for node in analysis.opaque}))
        text = f"{len(analysis.opaque)} region(s) of the model ({names}) are run but not looked into: "
        text += "no layers are listed inside, and no ReLU inside follows a backward rule"
        found.append(ProgramCheck("opaque", "warning", text, names))
    return tuple(found)


def softmax_heads(view: ProgramView, operations: Sequence[Operation]) -> list[Operation]:
    """Return the softmax or log-softmax operations that results of the program come from, rearranged at most."""
    results = {view.behind_glue(number) for number in view.outputs}
    return [op for op in operations if op.kind in ("softmax", "log_softmax") and op.value in results]


def _softmax(view: ProgramView, operations: Sequence[Operation], layers: Mapping[str, LayerNode]) -> list[ProgramCheck]:
    found = []
    for operation in softmax_heads(view, operations):
        before = next((name for name, layer in layers.items() if layer.value == operation.inputs[0]), "")
        word = operation.kind.replace("_", "-")
        text = f"the model ends in a {word}; scores are taken before it, at {before!r}"
        found.append(ProgramCheck("softmax-head", "warning", text, before))
    return found
