"""Finding activations however they are spelt: named calls, bare maxima, selections, clips, gates, exponentials.

A true ReLU is `max(x, 0)` and its spellings. It is not one where it only clamps a variance before a root, where it is
half of another activation (ReLU6, hard swish, softplus), or where a named call says that it is something else.
"""

from collections.abc import Iterator

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import ELEMENTWISE, GLUE
from cnnviz_jax.program.layers.operations import Operation, ProgramView

CALL_KINDS = {
    "relu6": "relu6", "silu": "silu", "swish": "silu", "leaky_relu": "leaky_relu", "elu": "elu", "selu": "selu",
    "celu": "celu", "gelu": "gelu", "quick_gelu": "gelu", "softplus": "softplus", "mish": "mish", "softmax": "softmax",
    "_softmax": "softmax", "log_softmax": "log_softmax", "hard_silu": "hard_swish", "hard_swish": "hard_swish",
    "hard_sigmoid": "hard_sigmoid", "hard_tanh": "hard_tanh", "sigmoid": "sigmoid", "log_sigmoid": "log_sigmoid",
    "soft_sign": "soft_sign", "squareplus": "squareplus", "sparse_plus": "sparse_plus", "prelu": "leaky_relu",
}  # fmt: skip
"""Names of called functions that are activations of their own, and what we call them."""

ACTIVATION_KINDS = frozenset(CALL_KINDS.values()) - {"softmax", "log_softmax"} | {"relu", "tanh", "clip"}
"""Kinds of activation that treat every number alone."""

UNRULED = ACTIVATION_KINDS - {"relu"}
"""Kinds of activation for which no backward rule is agreed."""


def activations(view: ProgramView) -> list[Operation]:
    """Return every activation, and claim its leaves."""
    # Order decides who claims a leaf. Named calls come first: `jax.nn.silu` says what its `mul` and `logistic` are.
    # Wholes precede their parts: the softmax its exp, the gate `x * clip(x + 3, 0, 6) / 6` its clip, the rectifier its
    # max.
    found = list(_named(view))
    for search in (_softmaxes, _gates, _rectifiers, _leaky, _plain):
        for operation in search(view):
            view.claimed.update(node.order for node in operation.nodes)
            found.append(operation)
    # What another operation turned out to contain is no operation of its own: a ReLU called inside a named hard swish.
    parts = {node.order for operation in found for node in operation.nodes if node is not operation.node}
    return [operation for operation in found if operation.node.order not in parts]


def _operation(view: ProgramView, kind: str, value: int, source: int, node: Node) -> Operation:
    return Operation(kind, value, (source,), node, view.between(value, (source,)))


def _named(view: ProgramView) -> Iterator[Operation]:
    """Calls of functions with an activation's name: one image-dependent operand, one result of the same shape."""
    seen: set[int] = set()
    for leaf in view.leaves:
        for call in reversed(leaf.calls()):
            if call.call not in CALL_KINDS:
                continue
            sources = view.sources(call)
            if call.order not in seen and len(sources) == 1 and len(call.outputs) == 1:
                seen.add(call.order)
                operation = _operation(view, CALL_KINDS[call.call], call.outputs[0], sources[0], leaf)
                view.claimed.update(node.order for node in operation.nodes)
                yield operation
            break


def _softmaxes(view: ProgramView) -> Iterator[Operation]:
    # softmax = exp(x - max) / sum(exp(x - max)): a quotient of one exponential and its own sum. log_softmax =
    # (x - max) - log(sum(exp(x - max))): a difference whose right side undoes its left side's exponential.
    for node in view.free("div"):
        top, bottom = node.inputs
        exponential = view.producer(view.behind_glue(top))
        total = view.producer(view.behind_glue(bottom))
        if exponential is None or total is None or exponential.name != "exp" or total.name != "reduce_sum":
            continue
        if view.behind_glue(total.inputs[0]) == exponential.outputs[0]:
            yield _operation(view, "softmax", node.outputs[0], _unshifted(view, exponential.inputs[0]), node)
    for node in view.free("sub"):
        logarithm = view.producer(view.behind_glue(node.inputs[1]))
        total = view.producer(view.behind_glue(logarithm.inputs[0])) if logarithm and logarithm.name == "log" else None
        exponential = view.producer(view.behind_glue(total.inputs[0])) if total and total.name == "reduce_sum" else None
        if exponential is not None and exponential.name == "exp" and exponential.inputs[0] == node.inputs[0]:
            yield _operation(view, "log_softmax", node.outputs[0], _unshifted(view, node.inputs[0]), node)


def _unshifted(view: ProgramView, number: int) -> int:
    """The logits before their maximum was taken off."""
    node = view.producer(number)
    if node is None or node.name != "sub":
        return number
    shift = view.producer(view.behind_glue(node.inputs[1]))
    while shift is not None and shift.name == "max" and len(view.sources(shift)) == 1:
        shift = view.producer(view.behind_glue(view.sources(shift)[0]))
    if shift is None or shift.name != "reduce_max":
        return number
    # In jax.nn.dot_product_attention the maximum is of the scores before they are turned: the logits are what both see.
    logits, peaked = node.inputs[0], shift.inputs[0]
    return (
        logits if peaked == logits or view.behind_glue(logits) != view.behind_glue(peaked) else view.behind_glue(peaked)
    )


def _gates(view: ProgramView) -> Iterator[Operation]:
    """Products of `x` and a squashed `x`: GELU, SiLU, hard swish, mish."""
    for node in view.free("mul"):
        if len(view.sources(node)) != 2:
            continue
        for half, gate in (node.inputs, node.inputs[::-1]):
            root = view.scaled(half)
            kind = _gate_kind(_names_down_to(view, gate, root))
            if kind is not None:
                value = node.outputs[0]
                following = view.sole_consumer(value)
                factor = following is not None and following.name in ("mul", "div") and kind in ("gelu", "hard_swish")
                if following is not None and factor and view.scaled(following.outputs[0]) == value:
                    value = following.outputs[0]
                yield _operation(view, kind, value, root, node)
                break


def _gate_kind(names: set[str]) -> str | None:
    # x * Phi(x): erf, or tanh of a cubic (Hendrycks and Gimpel 2016); x * sigmoid(x); mish = x * tanh(log1p(exp(x))).
    # Mish has a tanh as well, hence log1p before tanh. `x * tanh(x)` alone has no name, so a power must stand there.
    if names & {"erf", "erfc"}:
        return "gelu"
    if "log1p" in names:
        return "mish"
    if "tanh" in names and names & {"integer_pow", "mul", "square", "pow"}:
        return "gelu"
    if "logistic" in names:
        return "silu"
    return "hard_swish" if names & {"min", "clamp"} else None


def _names_down_to(view: ProgramView, number: int, root: int) -> set[str]:
    """The primitives between `number` and `root`, if only elementwise ones of `root` alone stand there."""
    names: set[str] = set()
    open_values, seen = [number], set[int]()
    while open_values:
        current = open_values.pop()
        if current == root or current in seen or not view.depends(current):
            continue
        seen.add(current)
        node = view.producer(current)
        if node is None or len(seen) > 24 or (node.name not in ELEMENTWISE and node.name not in GLUE):
            return set()
        names.add(node.name)
        open_values.extend(node.inputs)
    return names


def _rectifiers(view: ProgramView) -> Iterator[Operation]:
    """Everything that is zero below zero and `x` above, up to a bound or without one."""
    for node in view.free("max", "select_n", "clamp", "mul", "min"):
        found = _rectified(view, node)
        if found is None:
            continue
        value, source, kind = found
        if kind == "relu" and (_clamps_variance(view, value, source) or _is_softplus(view, value)):
            continue
        if kind == "relu":
            bounded = view.sole_consumer(value)
            limit = _bound(view, bounded) if bounded is not None and bounded.name == "min" else None
            if bounded is not None and limit is not None:
                value, kind = bounded.outputs[0], "relu6" if limit == 6 else "clip"
        operation = _operation(view, kind, value, source, node)
        if not any(part.order in view.claimed for part in operation.nodes):
            yield operation


def _bound(view: ProgramView, node: Node) -> float | None:
    return next((found for n in node.inputs if (found := view.analysis.uniform(n)) is not None), None)


def _rectified(view: ProgramView, node: Node) -> tuple[int, int, str] | None:
    """`(value, source, kind)` of a rectifier that ends in `node`."""
    value = node.outputs[0]
    if node.name == "max":
        operands = view.other_operand(node)
        if operands is None or not view.is_uniform(operands[1], 0.0):
            return None
        source = operands[0]
        below = view.producer(source)
        bounded = below is not None and below.name == "min" and below.order not in view.claimed
        if below is not None and bounded and view.sole_consumer(source) is node:
            limit = _bound(view, below)
            if limit is not None:
                return value, view.sources(below)[0], "relu6" if limit == 6 else "clip"
        return value, source, "relu"
    if node.name == "clamp":
        low, source, high = node.inputs
        if not view.is_uniform(low, 0.0) or not view.depends(source):
            return None
        limit = view.analysis.uniform(high)
        return value, source, "relu" if limit == float("inf") else "relu6" if limit == 6 else "clip"
    if node.name == "select_n" and len(node.inputs) == 3:
        test, when_false, when_true = node.inputs
        sign = _sign_test(view, test)
        if sign is None:
            return None
        source, positive = sign
        kept, dropped = (when_true, when_false) if positive else (when_false, when_true)
        same = view.behind_glue(kept) == view.behind_glue(source)
        return (value, kept, "relu") if same and view.is_uniform(dropped, 0.0) else None
    if node.name == "mul":
        for kept, mask in (node.inputs, node.inputs[::-1]):
            sign = _sign_test(view, view.behind_glue(mask))
            if sign is not None and sign[1] and sign[0] == kept:
                return value, kept, "relu"
    return None


def _sign_test(view: ProgramView, number: int) -> tuple[int, bool] | None:
    """`(x, whether true means positive)` where a value is the comparison of `x` with zero."""
    node = view.producer(view.behind_glue(number))
    if node is None or node.name not in ("gt", "ge", "lt", "le"):
        return None
    left, right = node.inputs
    above = node.name in ("gt", "ge")
    if view.depends(left) and view.is_uniform(right, 0.0):
        return left, above
    if view.depends(right) and view.is_uniform(left, 0.0):
        return right, not above
    return None


def _clamps_variance(view: ProgramView, value: int, source: int) -> bool:
    """Whether a maximum with zero only keeps a variance from going below it: means come in, a root is taken."""
    # Flax's norm: var = max(mean(x^2) - mean(x)^2, 0), then rsqrt(var + eps). Exact arithmetic would give no negative
    # variance, so the maximum acts on rounding only: no layer, and no rule of a ReLU may reach it. A ReLU before a root
    # fed by no mean stays a ReLU.
    mean = False
    open_values = [source]
    for number in open_values:
        node = view.producer(number)
        if node is None or len(open_values) > 12:
            break
        mean = mean or node.name == "reduce_sum"
        if node.name in GLUE or node.name in ("sub", "div", "mul", "square", "integer_pow"):
            open_values.extend(view.sources(node))
    if not mean:
        return False
    readers = list(view.onward(value))
    for reader in readers:
        if reader.name in ("rsqrt", "sqrt", "pow", "log"):
            return True
        if reader.name in ("add", "max") and len(view.sources(reader)) == 1 and len(readers) < 12:
            readers.extend(view.onward(reader.outputs[0]))
    return False


def _is_softplus(view: ProgramView, value: int) -> bool:
    """Whether a maximum is the linear half of `log(1 + exp(x))`."""
    # Without overflow it is written logaddexp(x, 0) = max(x, 0) + log1p(exp(-|x|)).
    for reader in view.onward(value):
        if reader.name == "add":
            others = [view.producer(n) for n in reader.inputs if n != value]
            if any(other is not None and other.name == "log1p" for other in others):
                return True
    return False


def _leaky(view: ProgramView) -> Iterator[Operation]:
    """`where(x >= 0, x, a x)` and `max(x, a x)`, with a fixed or a learned slope."""
    for node in view.free("select_n", "max"):
        operands = node.inputs[1:] if node.name == "select_n" else node.inputs
        if len(operands) != 2 or not all(view.depends(number) for number in operands):
            continue
        for kept, sloped in (operands, operands[::-1]):
            slope = view.producer(view.behind_glue(sloped))
            if slope is None or slope.name != "mul" or kept not in slope.inputs or view.other_operand(slope) is None:
                continue
            if node.name == "max" or _sign_test(view, node.inputs[0]) is not None:
                yield _operation(view, "leaky_relu", node.outputs[0], kept, node)
                break


def _plain(view: ProgramView) -> Iterator[Operation]:
    kinds = {"tanh": "tanh", "logistic": "sigmoid"}
    for node in view.free(*kinds):
        yield _operation(view, kinds[node.name], node.outputs[0], node.inputs[0], node)
