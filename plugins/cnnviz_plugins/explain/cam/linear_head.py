"""Whether a network ends in a global average and one linear layer, read off its program: what CAM needs."""

from dataclasses import dataclass

import jax

from cnnviz_jax.plugin import GLUE, LayerKindError, Model, Operation


@dataclass(frozen=True)
class LinearHead:
    """The end of a network that CAM can read."""

    layer: str
    """The layer whose map is averaged."""
    dense: str
    """The linear layer behind the average, which gives the scores."""


def linear_head(model: Model) -> LinearHead:
    """Return the last map and the linear layer of `model`.

    Raises:
        LayerKindError: The network ends otherwise; says which layer breaks the condition.
    """
    ends = _Ends(model)
    dense = ends.before(ends.scores, "the scores come from")
    if dense.kind != "dense":
        raise ends.refusal(f"the scores come from {ends.called(dense)}, not from a linear layer")
    average = ends.before(dense.inputs[0], f"{ends.called(dense)} reads")
    if average.kind == "flatten":
        average = ends.before(average.inputs[0], f"{ends.called(dense)} reads")
    if not ends.averages_all(average):
        raise ends.refusal(f"{ends.called(dense)} reads {ends.called(average)}, not a global average")
    last = ends.before(average.inputs[0], f"{ends.called(average)} reads")
    if last.value not in ends.names or not model.layers[ends.names[last.value]].is_map:
        raise ends.refusal(f"{ends.called(average)} reads {ends.called(last)}, which is no named map")
    return LinearHead(ends.names[last.value], ends.names[dense.value])


class _Ends:
    """The last operations of a program, found by walking back from the scores."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.graph = model.program.graph
        self.operations = {operation.value: operation for operation in model.program.operations}
        self.names = {layer_node.value: name for name, layer_node in reversed(list(model.program.layers.items()))}
        head = model.structure.head
        if head is not None:  # a softmax stands behind the scores
            self.scores = model.program.layers[head].value
        elif len(self.graph.output_ids) == 1:
            self.scores = self.graph.output_ids[0]
        else:
            raise self.refusal(f"the model returns {len(self.graph.output_ids)} arrays")

    def before(self, number: int, phrase: str) -> Operation:
        """The operation that computes a value, rearrangements looked through."""
        while number not in self.operations:
            producer = self.graph.values[number].producer
            if producer is None or producer.name not in GLUE:
                found = "the image itself" if producer is None else f"an operation {producer.name!r} of no known kind"
                raise self.refusal(f"{phrase} {found}")
            number = producer.inputs[0]
        return self.operations[number]

    def averages_all(self, operation: Operation) -> bool:
        """Whether an operation is the mean over all places of a map."""
        divided = operation.value != operation.node.outputs[0]
        if operation.kind == "global_pool":
            return operation.node.name == "reduce_sum" and divided
        if operation.kind != "avg_pool":
            return False
        before = self.graph.values[operation.node.inputs[0]].shape
        params = operation.node.params
        unpadded = not any(jax.tree.leaves(tuple(params["padding"])))
        window = tuple(params["window_dimensions"])
        return (
            unpadded
            and sum(size > 1 for size in before) <= 3
            and all(taken in (1, size) for taken, size in zip(window, before, strict=True))
            and sorted(window)[-2:] == sorted(before[axis] for axis, taken in enumerate(window) if taken > 1)[-2:]
        )

    def called(self, operation: Operation) -> str:
        """The operation's name and kind."""
        name = self.names.get(operation.value)
        return f"{name!r} ({operation.kind})" if name else f"an operation of kind {operation.kind}"

    def refusal(self, reason: str) -> LayerKindError:
        """The error that says what breaks the condition."""
        return LayerKindError(
            f"cam needs a global average and one linear layer before the scores; in {self.model.name} {reason}. "
            "grad-cam needs neither"
        )
