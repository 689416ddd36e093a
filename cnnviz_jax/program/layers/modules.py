"""Finding the calls of modules: runs of leaves that stand under one path, and the value each run gives away.

A module's value is the last one its run computes that is used outside. A run that repeats itself, kernels included,
is several calls one after the other. Parameterless modules called back to back cannot be told apart and count as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.layers.operations import View
from cnnviz_jax.program.layers.scopes import Path, Place


@dataclass(frozen=True, slots=True, eq=False)
class ModuleCall:
    """One call of one module."""

    path: Path
    value: int
    """The value it gives away."""
    nodes: tuple[Node, ...]
    """Its image-dependent leaves."""
    is_leaf: bool
    """Whether no other module stands in it."""


def module_calls(view: View, places: dict[int, Place]) -> list[ModuleCall]:
    """Return every call of every module, in the order in which they end; inner ones before outer ones."""
    calls: list[ModuleCall] = []
    _descend(view, places, (), view.leaves, calls)
    return calls


def _descend(
    view: View, places: dict[int, Place], prefix: Path, nodes: Sequence[Node], calls: list[ModuleCall]
) -> None:
    """Find the calls among `nodes`, which all stand under `prefix`."""
    depth = len(prefix)
    run: list[Node] = []
    for node in [*nodes, None]:
        path = None if node is None else places[node.order].path
        child = path[: depth + 1] if path is not None and len(path) > depth else None
        if run and child != places[run[0].order].path[: depth + 1]:
            inner = places[run[0].order].path[: depth + 1]
            for turn in _split_calls(view, places, run, depth + 1):
                _descend(view, places, inner, turn, calls)
                value = _given_away(view, turn)
                leaf = all(len(places[node.order].path) == depth + 1 for node in turn)
                known = leaf or any(places[node.order].scoped > depth for node in turn)
                if value is not None and known:  # of parameter paths only the last module is whole
                    calls.append(ModuleCall(inner, value, tuple(turn), leaf))
            run = []
        if node is not None and child is not None:
            run.append(node)


def _split_calls(view: View, places: dict[int, Place], run: Sequence[Node], depth: int) -> list[Sequence[Node]]:
    """Split the run of a module whose path has `depth` parts into its calls."""
    signs = [(node.name, places[node.order].path, _learned(view, node)) for node in run]
    kernels = [sign[2] for sign in signs if sign[2]]
    if not kernels or kernels.count(kernels[0]) < 2:
        return [run]
    children = {places[node.order].path[depth : depth + 1] for node in run}
    if len(children) == 1 and () not in children:
        return [run]  # everything stands in one inner module: it is that one which is called again
    for period in range(1, len(run) // 2 + 1):
        if len(run) % period == 0 and all(signs[k] == signs[k - period] for k in range(period, len(run))):
            return [run[k : k + period] for k in range(0, len(run), period)]
    return [run]


def _learned(view: View, node: Node) -> frozenset[int]:
    return frozenset().union(*(view.abstract_value(number).params for number in node.inputs))


def _given_away(view: View, nodes: Sequence[Node]) -> int | None:
    """The last value that the nodes compute and something else reads."""
    inside = {node.order for node in nodes}
    for node in reversed(nodes):
        for number in reversed(node.outputs):
            used = any(consumer.order not in inside for consumer in view.graph.values[number].consumers)
            if used or number in view.outputs:
                return number
    return None
