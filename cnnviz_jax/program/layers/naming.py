"""Finding the layers of a program: operations and module calls, named, one row each, in execution order.

An operation that is all of a module bears the module's name (`layer1.conv2`, a convolution); another has the path of
the module that it stands in and its kind (`layer1.relu`). A name that is used again is numbered: `layer1.relu#1`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Role
from cnnviz_jax.program.analysis.reach import Reach
from cnnviz_jax.program.analysis.receptive_field import Field
from cnnviz_jax.program.graph.graph import SCAN_INDEX
from cnnviz_jax.program.layers.kernels import kernel_of
from cnnviz_jax.program.layers.modules import ModuleCall, module_calls
from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.layers.operations import Operation, ProgramView
from cnnviz_jax.program.layers.parameter_modules import ParameterModules
from cnnviz_jax.program.layers.scopes import Scopes, leaf_paths
from cnnviz_jax.program.layers.tokens import Tokens, grid_of, joined_grids


def find_layer_nodes(
    view: ProgramView,
    operations: Sequence[Operation],
    modules: ParameterModules,
    scopes: Scopes,
    tokens: Tokens | None = None,
) -> tuple[dict[str, LayerNode], dict[int, str], dict[str, str]]:
    """Return the layers by name, the name of each operation by the order of its node, and further names of layers.

    `tokens` says how many tokens stand before a grid of rows and columns; else it is found where it can be.
    """
    joined = joined_grids(view) if tokens is None else {tokens[0] + tokens[1] * tokens[2]: tokens}
    paths = leaf_paths(view, scopes, modules, operations)
    calls = module_calls(view, paths)
    # Inner calls come before outer ones, so a module that holds nothing but its operation takes it first: of
    # `Sequential(Conv())` the inner Conv is the convolution, the outer one a module. A leaf module that only normalises
    # is one norm however its arithmetic was read: the operations found in it are parts of it, not layers beside it.
    absorbed: set[int] = set()
    hidden: dict[int, int] = {}
    kinds: dict[int, tuple[str, Operation | None]] = {}
    for position, call in enumerate(calls):
        inside = {node.order for node in call.nodes}
        own = [operation for operation in operations if operation.node.order in inside]
        sole = [operation for operation in own if operation.node.order not in hidden]
        if call.is_leaf and _is_norm(call, own):
            kinds[position] = ("norm", None)
            hidden.update((operation.node.order, position) for operation in own)
        elif len(sole) == 1 and sole[0].node.order not in absorbed and _same(view, call, sole[0]):
            kinds[position] = (sole[0].kind, sole[0])
            absorbed.add(sole[0].node.order)
    # Rows sort by where their value is computed. Of one value, read as `block.add`, as `block` and as `stage`, the
    # operation comes first and then the modules from the inside out: -100, -2, -1.
    rows: list[tuple[tuple[int, int], LayerNode, int]] = []
    for position, call in enumerate(calls):
        kind, operation = kinds.get(position, ("module", None))
        layer = layer_node_of(view, ".".join(call.path), kind, call.value, operation, modules, is_module=True)
        rows.append(((_order(view, call.value), -len(call.path)), layer, position))
    for operation in operations:
        if operation.node.order not in absorbed and operation.node.order not in hidden:
            name = ".".join((*paths[operation.node.order].path, operation.kind))
            layer = layer_node_of(view, name, operation.kind, operation.value, operation, modules)
            rows.append(((_order(view, operation.value), -100), layer, -1))
    identities = {
        ".".join(path): value
        for text, value in view.graph.identities
        if view.depends(value) and (path := scopes.path(text)) and not any(part.startswith(SCAN_INDEX) for part in path)
    }
    known = {layer.value for _, layer, _ in rows} | {view.graph.image_id}
    for name, value in identities.items():
        if value not in known:  # such as a class token, cut out and named: the name is all that it has
            known.add(value)
            layer = layer_node_of(view, name, "module", value, None, modules, is_module=True)
            rows.append(((_order(view, value), -1), layer, -1))
    rows.sort(key=lambda row: row[0])
    totals = Counter(layer.name for _, layer, _ in rows)
    used: Counter[str] = Counter()
    layers: dict[str, LayerNode] = {}
    names: dict[int, str] = {}
    by_call: dict[int, str] = {}
    for _, layer, position in rows:
        count, used[layer.name] = used[layer.name], used[layer.name] + 1
        full = f"{layer.name}#{count}" if count else layer.name
        layers[full] = _as_map(view, replace(layer, name=full, calls=totals[layer.name]), joined)
        by_call[position] = full
        if layer.operation is not None:
            names[layer.operation.node.order] = full
    first = {layer.value: name for name, layer in reversed(layers.items())}
    for name, layer in layers.items():
        widening = view.analysis.widening.get(layer.value)
        if widening is not None:
            stands_in = ".".join(paths[widening.order].path)
            named = (first[number] for number in (*widening.outputs, *widening.inputs) if number in first)
            field = replace(layer.receptive_field, widened_by=stands_in or next(named, widening.name))
            layers[name] = replace(layer, receptive_field=field)
    aliases = {name: first.get(value, "input") for name, value in identities.items() if name not in layers}
    return layers, {order: by_call[position] for order, position in hidden.items()} | names, aliases


def _as_map(view: ProgramView, layer: LayerNode, joined: Mapping[int, Tokens]) -> LayerNode:
    """The same layer with its token grid, and a field for each place of it."""
    abstract = view.abstract(layer.value)
    grid = grid_of(abstract, layer.shape, joined) if abstract.depends else None
    if grid is None:
        return layer
    reaches = tuple(
        reach if len(reach.first) == size else reach.hull().spread(size)
        for reach, size in zip(abstract.seen(), (grid.rows, grid.columns), strict=True)
    )
    return replace(layer, grid=grid, receptive_field=Field(reaches, is_map=True))


def _order(view: ProgramView, value: int) -> int:
    producer = view.producer(value)
    return -1 if producer is None else producer.order


def layer_node_of(
    view: ProgramView,
    name: str,
    kind: str,
    value: int,
    operation: Operation | None,
    modules: ParameterModules,
    *,
    is_module: bool = False,
) -> LayerNode:
    """Return the layer that a value is."""
    known, abstract = view.graph.values[value], view.abstract(value)
    roles = abstract.roles
    if roles and "B" not in roles and roles[0] is None and known.shape[0] == 1:
        roles = ("B", *roles[1:])  # lost on the way (written into an array, merged with heads): the batch of one leads
    is_series = view.analysis.is_series and 1 in roles and 0 not in roles
    return LayerNode(
        name=name,
        kind=kind,
        value=value,
        shape=known.shape,
        dtype=known.dtype,
        roles=roles,
        is_module=is_module,
        kernel=None if operation is None else kernel_of(view, operation, modules),
        calls=1,
        receptive_field=field_of(abstract, is_series=is_series),
        operation=operation,
        is_series=is_series,
        volume=_volume(view, roles, known.shape),
    )


def _volume(view: ProgramView, roles: Sequence[Role], shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Depth, height and width of a value that has all three axes of a volume."""
    if len(view.analysis.extents) != 3 or not {0, 1, 2} <= set(roles):
        return None
    return shape[roles.index(0)], shape[roles.index(1)], shape[roles.index(2)]


def field_of(abstract: AbstractValue, *, is_series: bool = False) -> Field:
    """The receptive field of a value; of a series' layer its one row sees the input's."""
    reaches = tuple(
        reach if any(axis == ((k, len(reach.first)),) for axis in abstract.axes) else reach.hull()
        for k, reach in enumerate(abstract.seen())
    )
    reaches = (Reach.of_image(1), *reaches[1:]) if is_series else reaches
    return Field(reaches, is_map=is_series or set(range(len(reaches))) <= set(abstract.roles))


def _is_norm(call: ModuleCall, own: Sequence[Operation]) -> bool:
    """Whether a module without modules only normalises: statistics or parameters scale it, and it does nothing else."""
    if any(operation.kind not in ("norm", "scale", "add", "global_pool") for operation in own):
        return False
    if any(node.name in ("conv_general_dilated", "dot_general") for node in call.nodes):
        return False
    return any(node.name in ("rsqrt", "sqrt") for node in call.nodes) or any(op.kind == "norm" for op in own)


def _same(view: ProgramView, call: ModuleCall, operation: Operation) -> bool:
    """Whether a module hands on what its operation computes, rearranged or shifted at most."""
    inside = {node.order for node in call.nodes}
    current = call.value
    while current != operation.value:
        node = view.producer(current)
        following = None if node is None or node.order not in inside else view.shifted(node)
        if following is None:
            return False
        current = following
    return True
