"""Finding everything that is not an activation: convolutions, dense layers, norms, pools, adds, joins, flattenings."""

from collections.abc import Iterator, Set
from math import prod

from cnnviz_jax.program.analysis.abstract_values import Role, is_spatial
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import AFFINE, GLUE
from cnnviz_jax.program.layers.activations import activations
from cnnviz_jax.program.layers.operations import Operation, ProgramView
from cnnviz_jax.program.layers.parameter_modules import ParameterModules


def operations(view: ProgramView, modules: ParameterModules) -> list[Operation]:
    """Return every operation of the program in execution order."""
    found = activations(view)
    for search in (_weighted, _norms, _pools, _global_pools, _sums, _joins, _flattenings):
        for operation in search(view, modules):
            view.claimed.update(node.order for node in operation.nodes)
            found.append(operation)
    return sorted(found, key=lambda operation: operation.node.order)


def _weighted(view: ProgramView, modules: ParameterModules) -> Iterator[Operation]:
    """Convolutions and products with parameters, with their bias."""
    for node in view.free("conv_general_dilated", "dot_general"):
        sources = view.sources(node)
        fixed = [number for number in node.inputs if not view.depends(number)]
        kind = "conv" if node.name == "conv_general_dilated" else "dense"
        if kind == "conv" and not view.depends(node.inputs[0]):
            continue
        if kind == "dense" and (len(fixed) != 1 or not _is_weight(view, node, fixed[0])):
            continue
        kernel = fixed[0] if fixed else None
        value = _biased(view, modules, node, kernel)
        nodes = (node, *(leaf for leaf in view.between(value, (node.outputs[0],)) if leaf is not node))
        yield Operation(kind, value, sources, node, nodes, kernel)


def _is_weight(view: ProgramView, node: Node, number: int) -> bool:
    """Whether the fixed operand of a product is learned, not the matrix of a resize or of a norm's grouping."""
    # Params number the parameter leaves first, closed-over arrays after them. A model whose weights are closed over has
    # only the latter: then the matrix counts as weights if channels come out, as those of a resize leave rows.
    params = view.abstract(number).params
    if not params:
        return False
    learned = any(position < len(view.graph.param_ids) for position in params)
    roles = view.abstract(node.outputs[0]).roles
    return learned or "C" in roles


def _biased(view: ProgramView, modules: ParameterModules, node: Node, kernel: int | None) -> int:
    """The value behind the bias of a weighted node; its own where it has none."""
    # `conv1.kernel` and `conv1.bias` share a module: one layer. `conv1.kernel` and `bn1.shift`, folded by hand, do not:
    # the shift belongs to another layer. Where a path tells no module, the first addition of parameters is the bias.
    module = None if kernel is None else modules.of(view.abstract(kernel).params)
    current = node.outputs[0]
    while (following := view.sole_consumer(current)) is not None:
        if following.name in GLUE:
            current = following.outputs[0]
            continue
        operands = view.other_operand(following)
        if following.name not in ("add", "add_any") or operands is None or not view.abstract(operands[1]).params:
            break
        bias = modules.of(view.abstract(operands[1]).params)
        return following.outputs[0] if module == bias or module is None or bias is None else node.outputs[0]
    return node.outputs[0]


def _norms(view: ProgramView, modules: ParameterModules) -> Iterator[Operation]:
    """Chains of scalings and shifts by parameters: a norm in inference mode, its affine end, or a mere scale."""
    # (x - mean) * rsqrt(var + eps) * scale + bias, in whatever order and grouping: as long as each step's other operand
    # belongs to one module, the chain goes on. `rsqrt(var + eps)` needs no look, being made of parameters alone.
    for start in view.free(*AFFINE):
        parameter = _parameter(view, start)
        if parameter is None:
            continue
        module = modules.of(view.abstract(parameter).params)
        end = current = start.outputs[0]
        while (following := view.sole_consumer(current)) is not None and following.order not in view.claimed:
            number = _parameter(view, following)
            is_step = number is not None and modules.of(view.abstract(number).params) == module
            if not is_step and following.name not in GLUE:
                break
            current = following.outputs[0]
            end = current if is_step else end
        operands = view.other_operand(start)
        source = operands[0] if operands is not None else start.inputs[0]
        nodes = view.between(end, (source,))
        scales = [node for node in nodes if node.name in ("mul", "div") and _parameter(view, node) is not None]
        if scales and not _prepares_image(view, nodes, source):
            shifts = any(node.name in ("add", "sub") for node in nodes)
            kind = "norm" if shifts or _is_normalised(view, source) else "scale"
            yield Operation(kind, end, (source,), scales[0], nodes)


def _is_normalised(view: ProgramView, number: int) -> bool:
    """Whether a value is, or has just been multiplied or divided by, a root that the image feeds: a deviation."""
    # RMSNorm is x * rsqrt(mean(x^2)) * scale, where ConvNeXt's layer scale and NFNet's gains are x * scale alone.
    node = view.producer(view.behind_glue(number))
    if node is None:
        return False
    operands = [node, *(view.producer(view.behind_glue(n)) for n in node.inputs if node.name in ("mul", "div"))]
    return any(each is not None and each.name in ("rsqrt", "sqrt") and view.sources(each) for each in operands)


def _parameter(view: ProgramView, node: Node) -> int | None:
    """The operand of a node that parameters or closed-over arrays make, if the other one sees the image."""
    operands = view.other_operand(node)
    if operands is None or node.name not in AFFINE:
        return None
    abstract = view.abstract(operands[1])
    return operands[1] if abstract.params and abstract.uniform is None else None


def _prepares_image(view: ProgramView, nodes: tuple[Node, ...], source: int) -> bool:
    """Whether a chain only brings the images to the mean and scale that the model wants: constants, at the input."""
    count = len(view.graph.param_ids)
    for node in nodes:
        number = _parameter(view, node)
        if number is not None and any(position < count for position in view.abstract(number).params):
            return False
    return view.graph.walk(source, view.shifted) == view.graph.image_id


def _pools(view: ProgramView, modules: ParameterModules) -> Iterator[Operation]:
    kinds = {"reduce_window_max": "max_pool", "reduce_window_min": "min_pool", "reduce_window_sum": "sum_pool"}
    for node in view.free(*kinds):
        if prod(node.params["window_dimensions"]) == 1 and prod(node.params["window_strides"]) == 1:
            continue
        value, kind = _averaged(view, node, node.outputs[0]), kinds[node.name]
        if kind == "sum_pool" and value != node.outputs[0]:
            kind = "avg_pool"
        source = view.sources(node)[0]
        yield Operation(kind, value, (source,), node, view.between(value, (source,)))


def _averaged(view: ProgramView, node: Node, number: int) -> int:
    """The value behind a division by fixed counts, where a sum has one."""
    # Counts are a number (49), or an array where padding is not counted: sums over windows of ones, so constants that
    # feed on no parameter. A product with parameters behind a sum is a layer of its own.
    following = view.sole_consumer(number)
    while following is not None and following.name in GLUE:
        following = view.sole_consumer(following.outputs[0])
    operands = None if following is None else view.other_operand(following)
    if following is None or operands is None or following.name not in ("div", "mul"):
        return number
    fixed = view.abstract(operands[1])
    return following.outputs[0] if not fixed.params or fixed.uniform is not None else number


def _global_pools(view: ProgramView, modules: ParameterModules) -> Iterator[Operation]:
    """Sums and maxima over all spatial axes that keep the channels, unless a norm takes them as its statistics."""
    for node in view.free("reduce_sum", "reduce_max"):
        source = view.sources(node)[0]
        axes = view.abstract(source).axes
        gone = {role for k in node.params["axes"] for role, _ in axes[k]}
        if gone & {"B", "C", "c"} or not _spans(view, gone) or "C" not in view.abstract(node.outputs[0]).roles:
            continue
        value = _averaged(view, node, node.outputs[0]) if node.name == "reduce_sum" else node.outputs[0]
        # A mean that is squared, rooted or subtracted is a statistic of a norm over the map (instance or layer norm); a
        # gate that feeds a dense layer and a difference is still a pool.
        readers = {reader.name for reader in view.onward(value)}
        if readers & {"square", "rsqrt", "sqrt"} or (readers & {"sub"} and not readers & {"dot_general"}):
            continue
        yield Operation("global_pool", value, (source,), node, view.between(value, (source,)))


def _spans(view: ProgramView, roles: Set[Role]) -> bool:
    """Whether spatial axes are all that a map has, or the columns of a series."""
    return set(range(len(view.analysis.extents))) <= roles or (view.analysis.is_series and 1 in roles)


def _is_held_vector(view: ProgramView, number: int) -> bool:
    """Whether a value is the input itself, a vector held as an image of one row and one channel."""
    image = view.graph.values[view.graph.image_id].shape
    held = len(image) == 4 and image[1] == image[3] == 1
    return held and view.graph.walk(number, view.shifted) == view.graph.image_id


def _sums(view: ProgramView, modules: ParameterModules) -> Iterator[Operation]:
    for node in view.free("add", "add_any"):
        sources = view.sources(node)
        shape = view.graph.values[node.outputs[0]].shape
        same = all(view.graph.values[number].shape == shape for number in sources)
        channels = "C" in view.abstract(node.outputs[0]).roles
        if len(sources) == 2 and same and channels and sources[0] != sources[1]:
            yield Operation("add", node.outputs[0], sources, node, (node,))


def _joins(view: ProgramView, modules: ParameterModules) -> Iterator[Operation]:
    for node in view.free("concatenate"):
        sources = view.sources(node)
        roles = view.abstract(node.outputs[0]).roles
        if len(sources) > 1 and roles[node.params["dimension"]] == "C":
            yield Operation("concat", node.outputs[0], sources, node, (node,))


def _flattenings(view: ProgramView, modules: ParameterModules) -> Iterator[Operation]:
    """Reshapes from a map to one row of features, into a dense layer or out of the program."""
    for node in view.free("reshape"):
        source, value = node.inputs[0], node.outputs[0]
        before, after = view.abstract(source), view.abstract(value)
        sizes = view.graph.values[value].shape
        spatial = {role for role in before.roles if is_spatial(role)}
        if (
            _spans(view, spatial)
            and not _is_held_vector(view, source)
            and len(before.axes) > 2
            and len(sizes) <= 2
            and sum(n != 1 for n, role in zip(sizes, after.roles, strict=True) if role != "B") <= 1
            and not is_spatial(after.roles[-1])
        ):
            yield Operation("flatten", value, (source,), node, (node,))
