"""CAM: channels weighted by the linear layer behind their global average, if there is one (Zhou et al. 2016)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import GLUE, Case, Fold, Heatmap, LayerKindError, Model, Operation, TargetError
from cnnviz_plugins.explain.cam.layer_maps import volumes_of
from cnnviz_plugins.explain.cam.plugin import CamConfig
from cnnviz_plugins.explain.cam.postprocess import Volumes, resized
from cnnviz_plugins.explain.layer_values import values_of


@dataclass(frozen=True, kw_only=True)
class ClassActivationMap(Fold):
    """The sum over channels of (weight of the class for the channel) * channel, read off the network.

    The mean of the map plus the class's bias is the class's logit; the map is rows * cols times Grad-CAM's before
    its ReLU. Another score of the logits is explained through its gradient with respect to them.

    Raises (when built):
        LayerKindError: Something else than a global average and one linear layer stands before the scores.

    Raises (when traced):
        TargetError: The target is no score of the network's outputs.

    Cost: one forward pass per image.
    Source: Zhou, Khosla, Lapedriza, Oliva, Torralba 2016, section 2, equation 2.
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    config: CamConfig
    layer: str
    dense: str
    """The linear layer whose weights are used."""
    volumes: Volumes | None = None
    """In a model of volumes, depth, height and width of the layer's map and of the input."""

    @classmethod
    def build(cls, config: CamConfig, model: Model) -> "ClassActivationMap":
        """Return the fold for `model`, its layer and its linear layer found."""
        layer, dense = linear_head(model)
        return cls(
            config=config, layer=layer, dense=dense, notes=(("weights", dense),), volumes=volumes_of(model, (layer,))
        )

    def evaluate(self, case: Case) -> Float[Array, "rows cols"]:
        """Return the map before any ReLU."""
        if not case.target.needs_outputs or case.target.layers:
            raise TargetError("cam explains a score of the network's outputs; grad-cam explains any target")
        logits = case.model.run(case.image)[0]
        toward = jax.grad(lambda outputs: case.target.score(outputs, {}))(logits)
        kernel = case.model.program.kernel(self.dense, case.model.params)  # channels classes
        weights: Array = kernel.reshape(kernel.shape[-2:]) @ toward.reshape(-1)
        return values_of(case.model, case.image, self.layer)[self.layer] @ weights

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the map at both sizes."""
        raw = gathered[0]
        kept = jax.nn.relu(raw) if self.config.relu else raw
        values = resized(kept, case.image.shape[:2], "linear", self.volumes)
        return Heatmap(values=values, low_res=kept, extras={"before_relu": raw})


def linear_head(model: Model) -> tuple[str, str]:
    """Return the names of the layer whose map is averaged, and of the linear layer behind that, which gives the scores.

    Raises:
        LayerKindError: The network ends otherwise; says which layer breaks the condition.
    """
    ends = _Ends(model)
    dense = ends.before(ends.scores, "the scores come from")
    if dense.kind == "flatten":
        dense = ends.before(dense.inputs[0], "the scores come from")
    if dense.kind != "dense" and not ends.is_dense(dense):
        raise ends.refusal(f"the scores come from {ends.called(dense)}, not from a linear layer")
    average = ends.before(dense.inputs[0], f"{ends.called(dense)} reads")
    if average.kind == "flatten":
        average = ends.before(average.inputs[0], f"{ends.called(dense)} reads")
    if not ends.averages_all(average):
        raise ends.refusal(f"{ends.called(dense)} reads {ends.called(average)}, not a global average")
    last = ends.before(average.inputs[0], f"{ends.called(average)} reads")
    if last.value not in ends.names or not model.layers[ends.names[last.value]].is_map:
        raise ends.refusal(f"{ends.called(average)} reads {ends.called(last)}, which is no named map")
    return ends.names[last.value], ends.names[dense.value]


class _Ends:
    """The last operations of a program, found by walking back from the scores."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.graph = model.program.graph
        self.operations = {operation.value: operation for operation in model.program.operations}
        self.names = {layer.value: name for name, layer in reversed(list(model.program.layers.items()))}
        head = model.structure.head
        if head is not None:  # a softmax stands behind the scores
            self.scores = model.program.layers[head].value
        elif len(model.program.result_ids) == 1:
            self.scores = model.program.result_ids[0]
        else:
            raise self.refusal(f"the scores are {len(model.program.result_ids)} arrays")

    def before(self, number: int, phrase: str) -> Operation:
        """The operation that computes a value, rearrangements looked through."""
        while number not in self.operations:
            producer = self.graph.values[number].producer
            if producer is None or not (producer.name in GLUE or self.keeps_all(producer)):
                found = "the image itself" if producer is None else f"an operation {producer.name!r} of no known kind"
                raise self.refusal(f"{phrase} {found}")
            number = producer.inputs[0]
        return self.operations[number]

    def keeps_all(self, node: Any) -> bool:
        """Whether an indexing leaves no number out, such as `x[:, 0, 0]` of a map of one position."""
        sizes = [self.graph.values[number].size for number in (node.inputs[0], node.outputs[0])]
        return node.name in ("slice", "dynamic_slice", "gather") and sizes[0] == sizes[1]

    def is_dense(self, operation: Operation) -> bool:
        """Whether an operation is a 1 x 1 convolution of a map of one position, which is a linear layer."""
        if operation.kind != "conv" or operation.kernel is None or self.names.get(operation.value) is None:
            return False
        kernel = self.model.program.layers[self.names[operation.value]].kernel
        if kernel is None or kernel.groups != 1 or kernel.shape[:2] != (1, 1):
            return False
        return self.graph.values[operation.inputs[0]].size == kernel.shape[2]

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
