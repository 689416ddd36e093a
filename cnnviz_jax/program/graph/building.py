"""Building the graph of an open program: calls opened, short scans unrolled, dead code dropped."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import lax

from cnnviz_jax.program.graph import _compat
from cnnviz_jax.program.graph.graph import IDENTITY, SCAN_INDEX, Graph, Node, Value

SCAN_LIMIT = 20_000
"""A scan that would unroll to more nodes than this stays opaque."""


class _Builder:
    def __init__(self) -> None:
        self.values: list[Value] = []
        self.order = 0
        self.leaves: list[Node] = []
        self.constants: dict[int, int] = {}
        self.identities: list[tuple[str, int]] = []

    def value(self, aval: Any, constant: Any = None) -> int:
        self.values.append(
            Value(len(self.values), tuple(getattr(aval, "shape", ())), getattr(aval, "dtype", None), constant=constant)
        )
        return len(self.values) - 1

    def constant(self, array: Any, aval: Any) -> int:
        if id(array) not in self.constants:  # `values` keeps the array alive, so its id stays its own
            self.constants[id(array)] = self.value(aval, array)
        return self.constants[id(array)]

    def node(self, name: str, inputs: Sequence[int], equation: Any, parent: Node | None, scope: str) -> Node:
        node = Node(self.order, name, tuple(inputs), (), equation, parent, scope)
        self.order += 1
        return node

    def leaf(self, node: Node, avals: Sequence[Any]) -> Node:
        node.outputs = tuple(self.value(aval) for aval in avals)
        for number in node.outputs:
            self.values[number].producer = node
        self.leaves.append(node)
        return node

    def program(
        self, program: Any, consts: Sequence[Any], inputs: Sequence[int], parent: Node | None, scope: str
    ) -> tuple[list[Node], tuple[int, ...]]:
        """The nodes of one open program and the values of its results."""
        known: dict[Any, int] = dict(zip(program.invars, inputs, strict=True))
        for variable, array in zip(program.constvars, consts, strict=True):
            known[variable] = self.constant(array, variable.aval)

        def read(atom: Any) -> int:
            if isinstance(atom, _compat.Literal):
                return self.value(atom.aval, atom.val)
            return known[atom]

        nodes = []
        for equation in program.eqns:
            # A program names its variables for itself, and the same inner program may be called again: `known` lives
            # for this one call. With the operands' numbers bound to the inner variables, and the call's results taken
            # from the inner ones, `y = jit(f)(x)` with `f(a) = relu(a * 2)` gives the nodes
            #     order 0  jit (0,) -> (4,)     order 1  mul (0, 1) -> (2,)     order 2  max (2, 3) -> (4,)
            # with value 4 at once the result of `max` and of the call, and values 1 and 3 the literals.
            place = "/".join(part for part in (scope, _compat.scope_text(equation)) if part)
            if equation.primitive.name == "name" and equation.params.get("name") == IDENTITY:
                known[equation.outvars[0]] = read(equation.invars[0])  # no operation: one value under one more name
                self.identities.append((place, known[equation.outvars[0]]))
                continue
            node = self.node(equation.primitive.name, [read(a) for a in equation.invars], equation, parent, place)
            if (called := _compat.called_program(equation)) is not None:
                node.call = _compat.call_name(equation)
                node.body, node.outputs = self.program(*called, node.inputs, node, place)
            elif (scanned := _compat.scanned_program(equation)) is not None and self.is_short(scanned):
                self.scan(node, scanned, [v.aval for v in equation.outvars], place)
            else:
                self.leaf(node, [variable.aval for variable in equation.outvars])
            known.update(zip(equation.outvars, node.outputs, strict=True))
            nodes.append(node)
        return nodes, tuple(read(atom) for atom in program.outvars)

    @staticmethod
    def is_short(scanned: tuple[Any, ...]) -> bool:
        return bool(scanned[4] * max(1, len(scanned[0].eqns)) <= SCAN_LIMIT)

    def scan(self, node: Node, scanned: tuple[Any, ...], avals: Sequence[Any], scope: str) -> None:
        """Unroll a scan: slice the stacked operands, run the body, stack the results."""
        body, consts, closed, carries, length, reverse = scanned
        node.body = []
        fixed, carry, stacked = (
            node.inputs[:closed],
            node.inputs[closed : closed + carries],
            node.inputs[closed + carries :],
        )
        # `(c, ys) = scan(f, c, xs)` is `for i: c, y[i] = f(closed, c, xs[i])`: the carry of one step is the operand of
        # the next under the same value number; a slice and a stack leaf stand for `xs[i]` and for collecting `ys`.
        # In reverse the last slice comes first, but `ys[i]` still belongs to `xs[i]`, so rows are kept by index.
        rows: list[tuple[int, ...]] = [()] * length
        slots = body.invars[closed + carries :]
        for step in reversed(range(length)) if reverse else range(length):
            call = self.node("scan-step", (*fixed, *carry, *stacked), None, node, f"{scope}{SCAN_INDEX}{step}")
            slices = []
            for number, slot in zip(stacked, slots, strict=True):
                piece = self.node("scan-slice", (number,), None, call, call.scope)
                piece.function = partial(lax.index_in_dim, index=step, keepdims=False)
                slices.append(self.leaf(piece, [slot.aval]))
            inputs = (*fixed, *carry, *(piece.outputs[0] for piece in slices))
            nodes, outputs = self.program(body, consts, inputs, call, call.scope)
            call.body, call.outputs = [*slices, *nodes], outputs
            node.body.append(call)
            carry, rows[step] = outputs[:carries], outputs[carries:]
        stacks = []
        for position, aval in enumerate(avals[carries:]):
            stack = self.node("scan-stack", [row[position] for row in rows], None, node, scope)
            stack.function = lambda *slices: jnp.stack(slices)
            stacks.append(self.leaf(stack, [aval]))
        node.body.extend(stacks)
        node.outputs = (*carry, *(stack.outputs[0] for stack in stacks))


def graph_of(program: Any, consts: Sequence[Any], param_count: int) -> Graph:
    """Return the graph of an open program whose operands are the parameter leaves and then one image."""
    builder = _Builder()
    inputs = [builder.value(variable.aval) for variable in program.invars]
    top, outputs = builder.program(program, consts, inputs, None, "")
    leaves = _live(builder, outputs)
    return Graph(
        values=builder.values,
        top=top,
        leaves=leaves,
        param_ids=tuple(inputs[:param_count]),
        image_id=inputs[param_count],
        constant_ids=tuple(builder.constants.values()),
        output_ids=outputs,
        identities=tuple(builder.identities),
    )


def _live(builder: _Builder, outputs: Sequence[int]) -> list[Node]:
    """Drop what no output needs: `make_jaxpr` keeps the unused halves of pools and norms."""
    # One pass from the end suffices, as every node stands behind what it reads. A call lives if anything in it does;
    # its own inputs and outputs add nothing, being those of its body.
    needed = set(outputs)
    for leaf in reversed(builder.leaves):
        if needed.intersection(leaf.outputs):
            leaf.live = True
            needed.update(leaf.inputs)
            for call in leaf.calls():
                if call.live:
                    break
                call.live = True
    live = [leaf for leaf in builder.leaves if leaf.live]
    for leaf in live:
        for number in dict.fromkeys(leaf.inputs):
            builder.values[number].consumers.append(leaf)
    return live
