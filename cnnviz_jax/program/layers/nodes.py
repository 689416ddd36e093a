"""The layers of a program: operations and module calls, named, one row each, in execution order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Role
from cnnviz_jax.program.analysis.receptive_field import Field
from cnnviz_jax.program.layers.kernels import KernelRef, kernel_of
from cnnviz_jax.program.layers.modules import ModuleCall, module_calls
from cnnviz_jax.program.layers.operations import AFFINE, GLUE, Operation, View
from cnnviz_jax.program.layers.parameter_modules import ParameterModules
from cnnviz_jax.program.layers.scopes import Scopes, places
from cnnviz_jax.program.layers.tokens import TokenGrid, Tokens, grid_of, joined_grids

_LETTERS: dict[Role, str] = {"B": "N", "C": "C", 0: "H", 1: "W"}


@dataclass(frozen=True, slots=True, eq=False)
class LayerNode:
    """One layer: a value of the program that has a name."""

    name: str
    """Dotted path, such as `layer1.conv2`; the second use of a name is `relu#1`."""
    kind: str
    """What computes it: conv, dense, norm, relu, max_pool, add, concat, flatten, ..., or module."""
    value: int
    """Its value in the flat graph."""
    shape: tuple[int, ...]
    """Native shape for a batch of one."""
    dtype: Any
    roles: tuple[Role, ...]
    """Per native axis: `"B"`, `"C"`, 0 (rows), 1 (columns) or `None`."""
    is_module: bool
    """Whether the name is a module's path, and the value all that the module returns."""
    kernel: KernelRef | None
    """Where its kernel stands, for a convolution or a dense layer."""
    calls: int
    """How often the program uses this name; uses after the first are rows of their own."""
    receptive_field: Field
    """What each unit sees of the image."""
    operation: Operation | None = None
    """The operation that makes it, unless it is a module of several."""
    grid: TokenGrid | None = None
    """How its tokens are a map, where they are one."""

    @property
    def axes(self) -> str:
        """The native layout, such as `NHWC` or `NCHW`; `?` for an axis that is neither."""
        return "".join(_LETTERS.get(role, "?") for role in self.roles)

    @property
    def is_map(self) -> bool:
        """Whether the value has two spatial axes, or tokens that stand for them."""
        return self.grid is not None or (0 in self.roles and 1 in self.roles)

    @property
    def order(self) -> tuple[int, ...]:
        """The native axes in canonical order: rows, columns, others, channels; the batch left out."""
        ranks: dict[Role, int] = {0: 0, 1: 1, None: 2, "C": 3}
        kept = [k for k, role in enumerate(self.roles) if role != "B"]
        return tuple(sorted(kept, key=lambda k: ranks[self.roles[k]]))

    @property
    def canonical_shape(self) -> tuple[int, ...]:
        """Shape of one image's value as (h, w, c) or (c,)."""
        if self.grid is not None:
            return self.grid.rows, self.grid.columns, self.shape[self.grid.channels]
        return tuple(self.shape[k] for k in self.order)

    def to_canonical(self, value: Array) -> Array:
        """Turn a native value, batch of one, into (h, w, c) or (c,); of tokens, those outside the grid are left out."""
        if self.grid is not None:
            return self.grid.to_map(value)
        batch = tuple(k for k, role in enumerate(self.roles) if role == "B")
        return jnp.transpose(value, (*batch, *self.order)).reshape(self.canonical_shape)

    def from_canonical(self, value: Array) -> Array:
        """Turn (h, w, c) or (c,) into the native value, batch of one; lengths may be 1 to spread.

        Tokens outside the grid become zero.
        """
        if self.grid is not None:
            return self.grid.from_map(jnp.asarray(value), self.shape)
        batch = [k for k, role in enumerate(self.roles) if role == "B"]
        moved = jnp.expand_dims(jnp.asarray(value), tuple(range(len(batch))))
        places = [*batch, *self.order]
        return jnp.transpose(moved, [places.index(k) for k in range(len(places))])

    def with_canonical(self, value: Array, new: Array) -> Array:
        """Return a native value with (h, w, c) or (c,) put into it; tokens outside the grid keep theirs."""
        return self.from_canonical(new) if self.grid is None else self.grid.with_map(value, jnp.asarray(new))


def find_layer_nodes(
    view: View,
    operations: Sequence[Operation],
    parameter_modules: ParameterModules,
    scopes: Scopes,
    tokens: Tokens | None = None,
) -> tuple[dict[str, LayerNode], dict[int, str]]:
    """Return the layers by name, and the name of each operation by the order of its node.

    `tokens` says how many tokens stand before a grid of rows and columns; else it is found where it can be.
    """
    joined = joined_grids(view) if tokens is None else {tokens[0] + tokens[1] * tokens[2]: tokens}
    where = places(view, scopes, parameter_modules, operations)
    modules = module_calls(view, where)
    absorbed: dict[int, ModuleCall] = {}
    hidden: set[int] = set()
    kinds: dict[int, tuple[str, Operation | None]] = {}
    for position, call in enumerate(modules):
        inside = {node.order for node in call.nodes}
        own = [operation for operation in operations if operation.node.order in inside]
        sole = [operation for operation in own if operation.node.order not in hidden]
        if call.is_leaf and _is_norm(view, call, own):
            kinds[position] = ("norm", None)
            hidden.update(operation.node.order for operation in own)
        elif len(sole) == 1 and sole[0].node.order not in absorbed and _same(view, call, sole[0]):
            kinds[position] = (sole[0].kind, sole[0])
            absorbed[sole[0].node.order] = call
    rows: list[tuple[tuple[int, int], str, LayerNode, int]] = []
    for position, call in enumerate(modules):
        kind, operation = kinds.get(position, ("module", None))
        row = _layer_node(view, ".".join(call.path), kind, call.value, operation, parameter_modules, is_module=True)
        rows.append(((_order(view, call.value), -len(call.path)), row.name, row, position))
    for operation in operations:
        if operation.node.order in absorbed or operation.node.order in hidden:
            continue
        name = ".".join((*where[operation.node.order].path, operation.kind))
        row = _layer_node(view, name, operation.kind, operation.value, operation, parameter_modules, is_module=False)
        rows.append(((_order(view, operation.value), -100), name, row, -1))
    layer_nodes, names = _numbered(rows, operations, hidden, absorbed, modules)
    return {name: _as_map(view, layer_node, joined) for name, layer_node in layer_nodes.items()}, names


def _as_map(view: View, layer_node: LayerNode, joined: Mapping[int, Tokens]) -> LayerNode:
    """The same layer with its token grid, and a field for each place of it."""
    abstract = view.abstract_value(layer_node.value)
    grid = grid_of(abstract, layer_node.shape, joined) if abstract.depends else None
    if grid is None:
        return layer_node
    rows, columns = (
        reach if len(reach.first) == size else reach.hull().spread(size)
        for reach, size in zip(abstract.seen(), (grid.rows, grid.columns), strict=True)
    )
    return replace(layer_node, grid=grid, receptive_field=Field(rows, columns, is_map=True))


def _numbered(
    rows: list[tuple[tuple[int, int], str, LayerNode, int]],
    operations: Sequence[Operation],
    hidden: set[int],
    absorbed: dict[int, ModuleCall],
    modules: Sequence[ModuleCall],
) -> tuple[dict[str, LayerNode], dict[int, str]]:
    rows.sort(key=lambda row: row[0])
    totals = Counter(row[1] for row in rows)
    used: Counter[str] = Counter()
    layer_nodes: dict[str, LayerNode] = {}
    names: dict[int, str] = {}
    by_module: dict[int, str] = {}
    for _, name, layer_node, position in rows:
        full = f"{name}#{used[name]}" if used[name] else name
        used[name] += 1
        layer_nodes[full] = replace(layer_node, name=full, calls=totals[name])
        if layer_node.operation is not None:
            names[layer_node.operation.node.order] = full
        if position >= 0:
            by_module[id(modules[position])] = full
    for operation in operations:
        order = operation.node.order
        if order in hidden:
            holder = next(call for call in modules if any(node.order == order for node in call.nodes))
            names.setdefault(order, by_module[id(holder)])
    return layer_nodes, names


def _order(view: View, value: int) -> int:
    producer = view.producer(value)
    return -1 if producer is None else producer.order


def _layer_node(
    view: View,
    name: str,
    kind: str,
    value: int,
    operation: Operation | None,
    parameter_modules: ParameterModules,
    *,
    is_module: bool,
) -> LayerNode:
    known = view.graph.values[value]
    abstract = view.abstract_value(value)
    roles = abstract.roles
    if roles and "B" not in roles and roles[0] is None and known.shape[0] == 1:
        roles = ("B", *roles[1:])  # lost on the way (written into an array, merged with heads): the batch of one leads
    return LayerNode(
        name=name,
        kind=kind,
        value=value,
        shape=known.shape,
        dtype=known.dtype,
        roles=roles,
        is_module=is_module,
        kernel=None if operation is None else kernel_of(view, operation, parameter_modules),
        calls=1,
        receptive_field=field_of(abstract, view.analysis.extents),
        operation=operation,
    )


def plain_layer_node(view: View, name: str, value: int, parameter_modules: ParameterModules) -> LayerNode:
    """A layer for a value that no operation or module of its own names, such as logits computed by hand."""
    return _layer_node(view, name, "module", value, None, parameter_modules, is_module=False)


def field_of(abstract: AbstractValue, extents: tuple[int, int]) -> Field:
    """The receptive field of a value."""
    rows, columns = (
        reach if any(axis == ((k, len(reach.first)),) for axis in abstract.axes) else reach.hull()
        for k, reach in enumerate(abstract.seen())
    )
    return Field(rows, columns, is_map={0, 1} <= set(abstract.roles))


def _is_norm(view: View, call: ModuleCall, own: Sequence[Operation]) -> bool:
    """Whether a module without modules only normalises: statistics or parameters scale it, and it does nothing else."""
    if any(operation.kind not in ("norm", "add", "global_pool") for operation in own):
        return False
    if any(node.name in ("conv_general_dilated", "dot_general") for node in call.nodes):
        return False
    return any(node.name in ("rsqrt", "sqrt") for node in call.nodes) or any(op.kind == "norm" for op in own)


def _same(view: View, call: ModuleCall, operation: Operation) -> bool:
    """Whether a module gives away what its operation computes, rearranged or shifted at most."""

    def through(node: Any) -> int | None:
        if node.name in GLUE:
            return int(node.inputs[0])
        operands = view.other_operand(node)
        return operands[0] if node.name in AFFINE and operands is not None else None

    inside = {node.order for node in call.nodes}
    current = call.value
    while current != operation.value:
        node = view.producer(current)
        following = None if node is None or node.order not in inside else through(node)
        if following is None:
            return False
        current = following
    return True
