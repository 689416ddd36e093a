"""Evaluating an exported graph on JAX arrays, operation by operation, each in the scope of its module."""

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import torch
from torch.fx import Graph, Node

from cnnviz_plugins.adapters.torch.operations import OPERATIONS, Operation

for _family in ("elementwise", "shapes", "patches", "linear", "pooling", "normalisation", "resampling"):
    importlib.import_module(f"cnnviz_plugins.adapters.torch.{_family}")

_SYMBOLIC: Mapping[Any, Operation] = {
    torch.sym_int: int,
    torch.sym_float: float,
    torch.sym_max: max,
    torch.sym_min: min,
}
"""What graphs with a free batch size call on sizes, which are plain numbers here."""


def operation_of(target: Any) -> Operation | None:
    """Return the JAX function for what a node calls, if one is known."""
    if isinstance(target, torch._ops.OpOverload):
        if target.namespace != "aten":
            return None
        name = target._opname.removesuffix("_") if target._schema.is_mutable else target._opname
        return OPERATIONS.get(f"{name}.{target._overloadname}", OPERATIONS.get(name))
    if target in _SYMBOLIC:
        return _SYMBOLIC[target]
    known: Operation | None = target if getattr(target, "__module__", "") in ("_operator", "math") else None
    return known


def unknown_operations(graph: Graph) -> list[str]:
    """Return the names of what the graph calls and nobody here knows."""
    calls = {node.target for node in graph.nodes if node.op == "call_function" and operation_of(node.target) is None}
    others = {node.op for node in graph.nodes if node.op not in ("placeholder", "call_function", "output", "get_attr")}
    return sorted({str(target).removesuffix(".default") for target in calls} | others)


def writes_over_what_is_read(graph: Graph) -> bool:
    """Whether something reads a value, or a view of it, after an operation such as `relu_` has changed it.

    Where nothing does, the operation is the same as its plain form.
    """
    order = {node: k for k, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if not _is(node, mutable=True):
            continue
        changed = node.args[0]
        if changed.op == "placeholder" or _is(changed, mutable=False, alias=True):
            return True
        others = [user for user in changed.users if user is not node]
        if any(order[user] > order[node] or _is(user, mutable=False, alias=True) for user in others):
            return True
    return False


def _is(node: Node, *, mutable: bool, alias: bool = False) -> bool:
    """Whether a node calls an operation that writes, or one that does not and may return its argument or a view."""
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return False
    schema = node.target._schema
    shares = any(result.alias_info is not None for result in schema.returns) or schema.name == "aten::dropout"
    return schema.is_mutable == mutable and (shares or not alias)


def evaluate(graph: Graph, inputs: Mapping[str, Any]) -> list[Any]:
    """Return what the graph returns, with its placeholders set to `inputs`.

    Args:
        graph: A graph without unknown operations and without writes in place.
        inputs: A value for every placeholder, by its name.
    """
    values: dict[Node, Any] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = inputs[node.name]
        elif node.op == "output":
            return list(torch.fx.node.map_arg(node.args[0], values.__getitem__))
        elif node.op == "call_function":
            function = operation_of(node.target)
            assert function is not None, "unknown operations are found before"
            args = _plain(torch.fx.node.map_arg(node.args, values.__getitem__))
            kwargs = _plain(torch.fx.node.map_arg(node.kwargs, values.__getitem__))
            with contextlib.ExitStack() as stack:
                for name in _scopes(node):
                    stack.enter_context(jax.named_scope(name))
                values[node] = function(*args, **kwargs)
    return []


def _plain(arguments: Any) -> Any:
    """Return torch.fx's immutable lists and dictionaries as plain ones."""
    if isinstance(arguments, dict):
        return {key: _plain(value) for key, value in arguments.items()}
    if isinstance(arguments, list | tuple):
        kind = type(arguments) if type(arguments) in (list, tuple) else list
        return kind(map(_plain, arguments))
    return arguments


def _scopes(node: Node) -> Iterator[str]:
    """Yield one scope per module call around a node: its path below the module that called it, joined by dots."""
    inside = ""
    for path, _ in (node.meta.get("nn_module_stack") or {}).values():
        path = path.split("@")[0]
        inner = path[len(inside) + 1 :] if inside and path.startswith(inside + ".") else path
        if inner and inner != inside:
            yield inner.replace("/", ".")
            inside = path
