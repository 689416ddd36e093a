"""What an operation is, as recognisers find it and layer nodes name it; and how to step over what only rearranges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cnnviz_jax.program.analysis.abstract_values import AbstractValue
from cnnviz_jax.program.analysis.interpreter import Analysis
from cnnviz_jax.program.graph.graph import Graph, Node
from cnnviz_jax.program.graph.primitives import AFFINE, GLUE


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One recognised operation: a convolution with its bias, an activation, a pool, a residual add, ..."""

    kind: str
    value: int
    """The value it computes."""
    inputs: tuple[int, ...]
    """The image-dependent values it is computed from."""
    node: Node
    """The node that makes it what it is."""
    nodes: tuple[Node, ...]
    """All the leaves that belong to it."""
    kernel: int | None = None
    """The value of the kernel, for a convolution or a dense layer."""


class ProgramView:
    """A graph and what is known of its values, with the questions that recognisers ask of them."""

    def __init__(self, graph: Graph, analysis: Analysis, results: Sequence[int] | None = None) -> None:
        self.graph = graph
        self.analysis = analysis
        self.claimed: set[int] = set()
        """Orders of the leaves that some operation already owns."""
        self.leaves = [leaf for leaf in graph.leaves if any(analysis.depends(number) for number in leaf.inputs)]
        """Live leaves that see the image."""
        self.outputs = frozenset(graph.output_ids)
        self.results = self.outputs if results is None else frozenset(results)
        """The outputs that are the program's results; the others are computed beside them."""

    def abstract(self, number: int) -> AbstractValue:
        """What is known of a value."""
        return self.analysis.values[number]

    def depends(self, number: int) -> bool:
        """Whether a value depends on the image."""
        return self.analysis.depends(number)

    def producer(self, number: int) -> Node | None:
        """The node that computes a value."""
        return self.graph.values[number].producer

    def sources(self, node: Node) -> tuple[int, ...]:
        """The inputs of a node that depend on the image."""
        return self.analysis.sources(node)

    def free(self, *names: str) -> Iterator[Node]:
        """The leaves of the primitives `names` that no operation owns yet."""
        for leaf in self.leaves:
            if leaf.name in names and leaf.order not in self.claimed:
                yield leaf

    def is_uniform(self, number: int, constant: float | None = None) -> bool:
        """Whether a value is one number all over, or that very number."""
        found = self.analysis.uniform(number)
        return found is not None and constant in (None, found)

    def sole_consumer(self, number: int) -> Node | None:
        """The only reader of a value, unless it is a result of the program too."""
        consumers = self.graph.values[number].consumers
        return consumers[0] if len(consumers) == 1 and number not in self.outputs else None

    def behind_glue(self, number: int) -> int:
        """The value that `number` is a rearrangement of."""
        return self.graph.walk(number, lambda node: node.inputs[0] if node.name in GLUE else None)

    def scaled(self, number: int) -> int:
        """The value that `number` is a rearrangement or a constant multiple of."""

        def through(node: Node) -> int | None:
            if node.name in GLUE or node.name == "neg":
                return node.inputs[0]
            if node.name in ("mul", "div"):
                left, right = node.inputs
                if self.is_uniform(right):
                    return left
                return right if node.name == "mul" and self.is_uniform(left) else None
            return None

        return self.graph.walk(number, through)

    def onward(self, number: int) -> Iterator[Node]:
        """The readers of a value, looking through glue."""
        for node in self.graph.values[number].consumers:
            if node.name in GLUE and node.outputs:
                yield from self.onward(node.outputs[0])
            else:
                yield node

    def other_operand(self, node: Node) -> tuple[int, int] | None:
        """`(image-dependent operand, independent operand)` of a two-operand node that has one of each."""
        if len(node.inputs) != 2:
            return None
        left, right = node.inputs
        if self.depends(left) == self.depends(right):
            return None
        return (left, right) if self.depends(left) else (right, left)

    def shifted(self, node: Node) -> int | None:
        """The one operand that a node rearranges, or shifts and scales by a value that the image does not feed."""
        if node.name in GLUE:
            return node.inputs[0]
        operands = self.other_operand(node)
        return operands[0] if node.name in AFFINE and operands is not None else None

    def between(self, value: int, sources: tuple[int, ...]) -> tuple[Node, ...]:
        """The image-dependent leaves on the ways from `sources` to `value`."""
        found: dict[int, Node] = {}
        open_values = [value]
        while open_values:
            number = open_values.pop()
            node = self.producer(number)
            if number in sources or node is None or node.order in found or not self.depends(number):
                continue
            found[node.order] = node
            open_values.extend(node.inputs)
        return tuple(found[order] for order in sorted(found))
