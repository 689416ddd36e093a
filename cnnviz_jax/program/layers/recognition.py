"""Finding everything that is not an activation: convolutions, dense layers, norms, pools, adds, joins, flattenings."""

from collections.abc import Iterator
from math import prod

from cnnviz_jax.program.analysis.abstract_values import SPATIAL
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.layers.activations import activations
from cnnviz_jax.program.layers.operations import AFFINE, GLUE, Operation, View
from cnnviz_jax.program.layers.parameter_modules import ParameterModules


def operations(view: View, parameter_modules: ParameterModules) -> list[Operation]:
    """Return every operation of the program in execution order."""
    found = activations(view)
    for search in (_weighted, _norms, _pools, _global_pools, _sums, _joins, _flattenings):
        for operation in search(view, parameter_modules):
            view.claimed.update(node.order for node in operation.nodes)
            found.append(operation)
    return sorted(found, key=lambda operation: operation.node.order)


def _free(view: View, *names: str) -> Iterator[Node]:
    for leaf in view.leaves:
        if leaf.name in names and leaf.order not in view.claimed:
            yield leaf


def _weighted(view: View, parameter_modules: ParameterModules) -> Iterator[Operation]:
    """Convolutions and products with parameters, with their bias."""
    for node in _free(view, "conv_general_dilated", "dot_general"):
        sources = view.sources(node)
        fixed = [number for number in node.inputs if not view.depends(number)]
        kind = "conv" if node.name == "conv_general_dilated" else "dense"
        if kind == "conv" and not view.depends(node.inputs[0]):
            continue
        if kind == "dense" and (len(fixed) != 1 or not _is_weight(view, node, fixed[0])):
            continue
        kernel = fixed[0] if fixed else None
        value = _biased(view, parameter_modules, node, kernel)
        nodes = (node, *(leaf for leaf in view.between(value, (node.outputs[0],)) if leaf is not node))
        yield Operation(kind, value, sources, node, nodes, kernel)


def _is_weight(view: View, node: Node, number: int) -> bool:
    """Whether the fixed operand of a product is learned, not the matrix of a resize or of a norm's grouping."""
    params = view.abstract_value(number).params
    if not params:
        return False
    learned = any(position < len(view.graph.param_ids) for position in params)
    roles = view.abstract_value(node.outputs[0]).roles
    return learned or "C" in roles


def _biased(view: View, parameter_modules: ParameterModules, node: Node, kernel: int | None) -> int:
    """The value behind the bias of a weighted node; its own where it has none."""
    module = None if kernel is None else parameter_modules.of(view.abstract_value(kernel).params)
    current = node.outputs[0]
    while (following := view.sole_consumer(current)) is not None:
        if following.name in GLUE:
            current = following.outputs[0]
            continue
        operands = view.other_operand(following)
        if following.name not in ("add", "add_any") or operands is None or not view.abstract_value(operands[1]).params:
            break
        bias = parameter_modules.of(view.abstract_value(operands[1]).params)
        return following.outputs[0] if module == bias or module is None or bias is None else node.outputs[0]
    return node.outputs[0]


def _norms(view: View, parameter_modules: ParameterModules) -> Iterator[Operation]:
    """Chains of scalings and shifts by parameters: a norm in inference mode, or the affine end of one."""
    for start in _free(view, *AFFINE):
        if start.order in view.claimed or _parameter(view, start) is None:
            continue
        module = parameter_modules.of(view.abstract_value(_parameter(view, start) or 0).params)
        chain, current = [start], start.outputs[0]
        end = current
        while (following := view.sole_consumer(current)) is not None and following.order not in view.claimed:
            number = _parameter(view, following)
            if following.name in GLUE:
                chain.append(following)
            elif (
                following.name in AFFINE
                and number is not None
                and parameter_modules.of(view.abstract_value(number).params) == module
            ):
                chain.append(following)
                end = following.outputs[0]
            else:
                break
            current = following.outputs[0]
        operands = view.other_operand(start)
        source = operands[0] if operands is not None else start.inputs[0]
        nodes = view.between(end, (source,))
        scales = [node for node in nodes if node.name in ("mul", "div") and _parameter(view, node) is not None]
        if scales and not _prepares_image(view, nodes, source):
            yield Operation("norm", end, (source,), scales[0], nodes)


def _parameter(view: View, node: Node) -> int | None:
    """The operand of a node that parameters or closed-over arrays make, if the other one sees the image."""
    operands = view.other_operand(node)
    if operands is None or node.name not in AFFINE:
        return None
    abstract_value = view.abstract_value(operands[1])
    return operands[1] if abstract_value.params and abstract_value.uniform is None else None


def _prepares_image(view: View, nodes: tuple[Node, ...], source: int) -> bool:
    """Whether a chain only brings the images to the mean and scale that the model wants: constants, at the input."""
    count = len(view.graph.param_ids)
    for node in nodes:
        number = _parameter(view, node)
        if number is not None and any(position < count for position in view.abstract_value(number).params):
            return False

    def through(node: Node) -> int | None:
        if node.name in GLUE:
            return node.inputs[0]
        operands = view.other_operand(node)
        return operands[0] if node.name in AFFINE and operands is not None else None

    return view.graph.walk(source, through) == view.graph.image_id


def _pools(view: View, parameter_modules: ParameterModules) -> Iterator[Operation]:
    kinds = {"reduce_window_max": "max_pool", "reduce_window_min": "min_pool", "reduce_window_sum": "sum_pool"}
    for node in _free(view, *kinds):
        if prod(node.params["window_dimensions"]) == 1 and prod(node.params["window_strides"]) == 1:
            continue
        value, kind = _averaged(view, node, node.outputs[0]), kinds[node.name]
        if kind == "sum_pool" and value != node.outputs[0]:
            kind = "avg_pool"
        source = view.sources(node)[0]
        yield Operation(kind, value, (source,), node, view.between(value, (source,)))


def _averaged(view: View, node: Node, number: int) -> int:
    """The value behind a division by fixed counts, where a sum has one."""
    following = view.sole_consumer(number)
    while following is not None and following.name in GLUE:
        following = view.sole_consumer(following.outputs[0])
    operands = None if following is None else view.other_operand(following)
    if following is None or operands is None or following.name not in ("div", "mul"):
        return number
    fixed = view.abstract_value(operands[1])
    return following.outputs[0] if not fixed.params or fixed.uniform is not None else number


def _global_pools(view: View, parameter_modules: ParameterModules) -> Iterator[Operation]:
    """Sums and maxima over both spatial axes that keep the channels, unless a norm takes them as its statistics."""
    for node in _free(view, "reduce_sum", "reduce_max"):
        source = view.sources(node)[0]
        axes = view.abstract_value(source).axes
        gone = {role for k in node.params["axes"] for role, _ in axes[k]}
        if not gone.issuperset(SPATIAL) or gone - {0, 1, None} or "C" not in view.abstract_value(node.outputs[0]).roles:
            continue
        value = _averaged(view, node, node.outputs[0]) if node.name == "reduce_sum" else node.outputs[0]
        readers = {reader.name for reader in view.onward(value)}
        if readers & {"square", "rsqrt", "sqrt"} or (readers & {"sub"} and not readers & {"dot_general"}):
            continue
        yield Operation("global_pool", value, (source,), node, view.between(value, (source,)))


def _sums(view: View, parameter_modules: ParameterModules) -> Iterator[Operation]:
    for node in _free(view, "add", "add_any"):
        sources = view.sources(node)
        shape = view.graph.values[node.outputs[0]].shape
        same = all(view.graph.values[number].shape == shape for number in sources)
        channels = "C" in view.abstract_value(node.outputs[0]).roles
        if len(sources) == 2 and same and channels and sources[0] != sources[1]:
            yield Operation("add", node.outputs[0], sources, node, (node,))


def _joins(view: View, parameter_modules: ParameterModules) -> Iterator[Operation]:
    for node in _free(view, "concatenate"):
        sources = view.sources(node)
        roles = view.abstract_value(node.outputs[0]).roles
        if len(sources) > 1 and roles[node.params["dimension"]] == "C":
            yield Operation("concat", node.outputs[0], sources, node, (node,))


def _flattenings(view: View, parameter_modules: ParameterModules) -> Iterator[Operation]:
    """Reshapes from a map to one row of features, into a dense layer or out of the program."""
    for node in _free(view, "reshape"):
        source, value = node.inputs[0], node.outputs[0]
        before, after = view.abstract_value(source), view.abstract_value(value)
        sizes = view.graph.values[value].shape
        spatial = {role for role in before.roles if role in SPATIAL}
        if (
            len(spatial) == 2
            and len(before.axes) > 2
            and len(sizes) <= 2
            and sum(n != 1 for n, role in zip(sizes, after.roles, strict=True) if role != "B") <= 1
            and after.roles[-1] not in SPATIAL
        ):
            yield Operation("flatten", value, (source,), node, (node,))
