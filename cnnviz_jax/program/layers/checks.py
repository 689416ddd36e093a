"""What is wrong or remarkable about a program: training mode, dropout, a softmax head, regions not looked into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.layers.default_layer import feeding
from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.layers.operations import Operation, ProgramView


@dataclass(frozen=True, slots=True)
class ProgramCheck:
    """One finding about a program."""

    name: str
    """`training-mode`, `dropout`, `random`, `softmax-head` or `opaque`."""
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
    counts = feeding(view.graph, view.results)
    mixers, random = (
        [node for node in nodes if counts.intersection(node.outputs)]
        for nodes in (analysis.batch_mixers, analysis.random)
    )
    if mixers:
        place = _place(mixers[0])
        text = f"the model mixes the images of a batch ({place}), as batch normalisation does in training mode; "
        found.append(ProgramCheck("training-mode", "error", text + "put it into inference mode", place))
    if random:
        place = _place(random[0])
        text = f"the model draws random numbers ({place}), "
        if _masks(view, random):
            text += "as dropout does in training mode; put it into inference mode"
            found.append(ProgramCheck("dropout", "error", text, place))
        else:
            text += "and the scores rest on them, as in a variational autoencoder; adapt what rests on none: "
            text += "scores=... names another output, method=... another function"
            found.append(ProgramCheck("random", "error", text, place))
    found.extend(_softmax(view, operations, layers))
    if analysis.opaque:
        names = ", ".join(sorted({node.name for node in analysis.opaque}))
        text = f"{len(analysis.opaque)} region(s) of the model ({names}) are run but not looked into: "
        text += "no layers are listed inside, and no ReLU inside follows a backward rule"
        found.append(ProgramCheck("opaque", "warning", text, names))
    return tuple(found)


def _place(node: Node) -> str:
    return f"{node.name} in {node.name_stack}" if node.name_stack else node.name


def _masks(view: ProgramView, random: Sequence[Node]) -> bool:
    """Whether what is drawn only decides which numbers are kept: a comparison, as dropout makes of it."""
    # Dropout is `select(uniform < rate, x, 0)` or `x * (uniform < rate)`: a boolean made of the numbers drawn stands
    # between them and the first value that the image feeds. A variational draw is mean + deviation * normal.
    drawn = {number for node in random for number in node.outputs}
    booleans: set[int] = set()
    masks: list[bool] = []
    for leaf in view.graph.leaves:
        if not drawn.intersection(leaf.inputs):
            continue
        if view.sources(leaf):
            masks.append(bool(booleans.intersection(leaf.inputs)))
            continue
        drawn.update(leaf.outputs)
        if booleans.intersection(leaf.inputs) or any(view.graph.values[n].dtype == bool for n in leaf.outputs):
            booleans.update(leaf.outputs)
    return any(masks) or not masks


def softmax_heads(view: ProgramView, operations: Sequence[Operation]) -> list[Operation]:
    """Return the softmax or log-softmax operations that results of the program come from, rearranged at most."""
    results = {view.behind_glue(number) for number in view.results}
    return [op for op in operations if op.kind in ("softmax", "log_softmax") and op.value in results]


def _softmax(view: ProgramView, operations: Sequence[Operation], layers: Mapping[str, LayerNode]) -> list[ProgramCheck]:
    found = []
    for operation in softmax_heads(view, operations):
        before = next((name for name, layer in layers.items() if layer.value == operation.inputs[0]), "")
        word = operation.kind.replace("_", "-")
        text = f"the model ends in a {word}; scores are taken before it, at {before!r}"
        found.append(ProgramCheck("softmax-head", "warning", text, before))
    return found
