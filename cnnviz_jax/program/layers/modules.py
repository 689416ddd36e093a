"""Finding the calls of modules: runs of leaves that stand under one path, and the value that each run hands on.

A module's value is the last one its run computes that is used outside. A run that repeats itself, kernels included,
is several calls one after the other. Parameterless modules called back to back cannot be told apart and count as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.layers.operations import ProgramView
from cnnviz_jax.program.layers.scopes import LeafPath, Path


@dataclass(frozen=True, slots=True, eq=False)
class ModuleCall:
    """One call of one module."""

    path: Path
    value: int
    """The value it hands on."""
    nodes: tuple[Node, ...]
    """Its image-dependent leaves."""
    is_leaf: bool
    """Whether no other module stands in it."""


def module_calls(view: ProgramView, paths: dict[int, LeafPath]) -> list[ModuleCall]:
    """Return every call of every module, in the order in which they end; inner ones before outer ones."""
    calls: list[ModuleCall] = []
    _descend(view, paths, (), view.leaves, calls)
    return calls


def _descend(
    view: ProgramView, paths: dict[int, LeafPath], prefix: Path, nodes: Sequence[Node], calls: list[ModuleCall]
) -> None:
    """Find the calls among `nodes`, which all stand under `prefix`."""
    # Leaves stand in program order, so the calls of `layer1` are neighbours: a b b c gives runs a, bb, c one level
    # down. A skip connection's leaf that stands elsewhere ends a run, and what follows is another call of the same
    # module.
    depth = len(prefix)
    run: list[Node] = []
    for node in [*nodes, None]:
        path = None if node is None else paths[node.order].path
        child = path[: depth + 1] if path is not None and len(path) > depth else None
        if run and child != paths[run[0].order].path[: depth + 1]:
            inner = paths[run[0].order].path[: depth + 1]
            for part in _split_calls(view, paths, run, depth + 1):
                _descend(view, paths, inner, part, calls)
                value = _handed_on(view, part)
                leaf = all(len(paths[node.order].path) == depth + 1 for node in part)
                known = leaf or any(paths[node.order].scoped > depth for node in part)
                if value is not None and known:  # of parameter paths only the last module is whole
                    calls.append(ModuleCall(inner, value, tuple(part), leaf))
            run = []
        if node is not None and child is not None:
            run.append(node)


def _split_calls(
    view: ProgramView, paths: dict[int, LeafPath], run: Sequence[Node], depth: int
) -> list[Sequence[Node]]:
    """Split the run of a module whose path has `depth` parts into its calls."""
    # `y = block(block(x))` gives one run of leaves under `block`: conv relu conv relu, the same kernel twice. A leaf's
    # sign is its primitive, path and parameters; the run is two calls if its signs have period 2. Without a kernel that
    # comes again there is no telling relu(relu(x)) from one module with two maxima, so it stays one call. The least
    # period wins: eight leaves of period 2 are four calls, not two of period 4. Under `model`, where only `block` is
    # called twice, all leaves stand in one inner module, and the split belongs one level down.
    signs = [(node.name, paths[node.order].path, _learned(view, node)) for node in run]
    kernels = [sign[2] for sign in signs if sign[2]]
    if not kernels or kernels.count(kernels[0]) < 2:
        return [run]
    children = {paths[node.order].path[depth : depth + 1] for node in run}
    if len(children) == 1 and () not in children:
        return [run]  # everything stands in one inner module: it is that one which is called again
    for period in range(1, len(run) // 2 + 1):
        if len(run) % period == 0 and all(signs[k] == signs[k - period] for k in range(period, len(run))):
            return [run[k : k + period] for k in range(0, len(run), period)]
    return [run]


def _learned(view: ProgramView, node: Node) -> frozenset[int]:
    return frozenset().union(*(view.abstract(number).params for number in node.inputs))


def _handed_on(view: ProgramView, nodes: Sequence[Node]) -> int | None:
    """The last value that the nodes compute and something else reads."""
    inside = {node.order for node in nodes}
    for node in reversed(nodes):
        for number in reversed(node.outputs):
            used = any(consumer.order not in inside for consumer in view.graph.values[number].consumers)
            if used or number in view.outputs:
                return number
    return None
