"""Equinox: `cv.adapt(module, ...)` or `cv.adapt(module, state, ...)`. Modules take one image, channels first.

Modules are immutable, so inference mode is set on a rebuilt copy. Names are opened around the calls of
that copy's modules; where the model rebuilds them itself (`filter_jit`, `filter_checkpoint`, a scan over
stacked layers) the layers are called after their parameters.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import equinox as eqx
import jax

from cnnviz_jax.plugin import AdaptOptions, ModelError, PureModel
from cnnviz_plugins.adapters.call_flags import INFERENCE, bound_method, inference_kwargs, with_streams
from cnnviz_plugins.adapters.outputs import check_names, dotted, is_array, owned, pure_model
from cnnviz_plugins.adapters.scopes import naming


def build(native: Any, args: tuple[Any, ...], options: AdaptOptions) -> PureModel:
    """Return an Equinox module, with its State where it has one, as a batched `PureModel`.

    Args:
        native: The module, a method of it, or a (module, state) pair; also under `filter_jit` or `filter_checkpoint`.
        args: The State, for a module that has one.
        options: Layout, method and keyword arguments; inference flags of call and modules are found.

    Raises:
        ModelError: The State is missing, or the call takes other arguments.
    """
    module, state, method = _unwrapped(native, args, options)
    title = type(module).__name__
    twin = _in_inference(module)
    operands = ("x",) if state is None else ("x", "state")
    kwargs = inference_kwargs(bound_method(twin, method, title), options, operands=operands, streams=True)
    names, leaves = _leaves(twin, state)
    tree = jax.tree.structure((twin, state))
    moving = [i for i, leaf in enumerate(leaves) if is_array(leaf)]
    params = {names[i]: owned(leaves[i], names[i]) for i in moving}

    def fn(params: Any, x: Any) -> Any:
        full = list(leaves)
        for i in moving:
            full[i] = params[names[i]]
        copy, statistics = jax.tree.unflatten(tree, full)
        held = {id(node): (path, node) for path, _, node in _modules(copy) if path}

        def one(image: Any) -> Any:
            operands = (image,) if state is None else (image, statistics)
            keywords = with_streams(kwargs, lambda: jax.random.key(0))
            outputs = bound_method(copy, method, title)(*operands, **keywords)
            if isinstance(outputs, tuple) and outputs and isinstance(outputs[-1], eqx.nn.State):
                return outputs[0] if len(outputs) == 2 else outputs[:-1]
            return outputs

        classes = {type(node) for _, node in held.values()}
        with naming(lambda node: (held[id(node)][0],) if id(node) in held else (), classes), _explained(title):
            return jax.vmap(one)(x)

    aliases = {spelled: path for path, spelled, _ in _modules(twin) if spelled != path}
    return pure_model(
        fn,
        params,
        options,
        framework="equinox",
        name=title,
        axes="NCHW",
        scope_hints=(r"eqx\.nn\..*",),
        layer_aliases=aliases,
    )


def _unwrapped(
    native: Any, args: tuple[Any, ...], options: AdaptOptions
) -> tuple[eqx.Module, Any, str | Callable[..., Any]]:
    """Return the module, its State or `None`, and the method to call: its name, or a function of the module."""
    if type(native) is tuple:
        native, args = native[0], (*native[1:], *args)
    method = options.method or "__call__"
    while type(native).__module__.startswith("equinox.") and hasattr(native, "__wrapped__"):
        native = native.__wrapped__  # filter_jit, filter_checkpoint
    if hasattr(native, "__self__") and hasattr(native, "__func__"):
        native, method = native.__self__, native.__func__.__name__
    title = type(native).__name__
    bound_method(native, method, title)
    if len(args) > 1 or (args and not isinstance(args[0], eqx.nn.State)):
        found = ", ".join(type(arg).__name__ for arg in args)
        raise ModelError(f"{title} takes its eqx.nn.State beside it and nothing else, got {found}")
    stateful = any(isinstance(leaf, eqx.nn.StateIndex) for leaf in jax.tree.leaves(native, is_leaf=_is_index))
    if stateful and not args:
        raise ModelError(f"{title} keeps statistics in an eqx.nn.State: cv.adapt(module, state, ...)")
    return native, args[0] if args else None, method


def _is_index(node: Any) -> bool:
    return isinstance(node, eqx.nn.StateIndex)


def _in_inference(module: eqx.Module) -> eqx.Module:
    """Return a rebuilt copy whose own mode fields, and those of its modules, say inference."""
    leaves, tree = jax.tree.flatten(module)
    twin = jax.tree.unflatten(tree, leaves)
    for _, _, node in _modules(twin):
        for name, value in INFERENCE.items():
            if isinstance(vars(node).get(name), bool):
                object.__setattr__(node, name, value)  # nobody else has seen this copy yet
    return twin


def _modules(node: Any, path: str = "", spelled: str = "") -> Iterator[tuple[str, str, eqx.Module]]:
    """Yield every module with its path, and the path as Equinox spells it, with the `layers` of each Sequential."""
    if isinstance(node, eqx.nn.State | eqx.nn.StateIndex):
        return
    if isinstance(node, eqx.Module):
        yield path, spelled, node
    for key, child in _children(node):
        yield from _modules(child, _below(node, path, key), f"{spelled}.{key}" if spelled else key)


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a node holds, in the order the user wrote it."""
    if isinstance(node, eqx.Module):
        yield from ((name, value) for name, value in vars(node).items() if not name.startswith("__"))
    elif isinstance(node, Mapping):
        yield from ((str(key), value) for key, value in node.items())
    elif isinstance(node, list | tuple):
        yield from ((str(i), value) for i, value in enumerate(node))


def _below(node: Any, path: str, key: str) -> str:
    # A Sequential's children are called by their number, as its index and other frameworks have it.
    if isinstance(node, eqx.nn.Sequential) and key == "layers":
        return path
    return f"{path}.{key}" if path else key


_RUNNING = {"ema_state_index": ("mean", "var"), "batch_state_index": ("mean", "var")}
"""What the entries of BatchNorm's states are."""


def _leaves(twin: eqx.Module, state: Any) -> tuple[list[str], list[Any]]:
    """Return a dotted path for each leaf of (twin, state), and the leaves, in leaf order.

    Raises:
        ModelError: Two parameters have one path.
    """
    own = jax.tree_util.tree_flatten_with_path(twin)[0]
    names, leaves = [_path(twin, keys) for keys, _ in own], [leaf for _, leaf in own]
    if state is not None:
        named: dict[int, str] = {}
        entries = jax.tree_util.tree_flatten_with_path(twin, is_leaf=_is_index)[0]
        for keys, index in entries:
            if _is_index(index):
                path = _path(twin, keys)
                owner, _, attribute = path.rpartition(".")
                for inner, leaf in jax.tree_util.tree_flatten_with_path(state.get(index))[0]:
                    words = _RUNNING.get(attribute)
                    full = f"{owner}.{words[inner[0].idx]}" if words and inner else path + dotted(inner)
                    named[id(leaf)] = full
        statistics = jax.tree.leaves(state)
        names += [named.get(id(leaf), f"state.{i}") for i, leaf in enumerate(statistics)]
        leaves += statistics
    check_names([name for name, leaf in zip(names, leaves, strict=True) if is_array(leaf)])
    return names, leaves


def _path(twin: eqx.Module, keys: tuple[Any, ...]) -> str:
    node: Any = twin
    path = ""
    for key in keys:
        word = dotted((key,))
        path = _below(node, path, word)
        node = getattr(node, word) if isinstance(node, eqx.Module) else _entry(node, key)
    return path


def _entry(node: Any, key: Any) -> Any:
    try:
        return node[key.key if hasattr(key, "key") else key.idx]
    except (TypeError, KeyError, IndexError, AttributeError):
        return None  # a container of somebody's own: its leaves keep the path jax gives them


@contextlib.contextmanager
def _explained(title: str) -> Iterator[None]:
    """Turn errors about missing keys and batch axes into sentences that say what to pass."""
    try:
        yield
    except (RuntimeError, NameError) as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "requires a key" in text or "unbound axis name" in text:
            raise ModelError(
                f"{title} is in training mode: it draws random numbers or averages over the batch ({text}); "
                f"say call_kwargs={{...}} with the flag that means inference"
            ) from error
        raise
