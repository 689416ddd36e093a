"""Plain functions: `cv.adapt(fn, params, ...)` with `fn(params, x)`, whatever wrote them.

Layers are called as the user's own `jax.named_scope`s say, else after the parameters they use.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax

from cnnviz_jax.plugin import AdaptOptions, ModelError, PureModel
from cnnviz_plugins.adapters.call_flags import bound_method, inference_kwargs, with_streams
from cnnviz_plugins.adapters.outputs import dotted, is_array, owned, pure_model, without_collections


def build(native: Any, args: tuple[Any, ...], options: AdaptOptions) -> PureModel:
    """Return a function of (params, x), or of x alone, as a `PureModel`.

    Args:
        native: The function, or a (function, params) pair.
        args: The parameters, any pytree, unless given with the function or not at all. Leaves that are
            no arrays (strides, names of activations) stay what they are.
        options: Layout and keyword arguments; inference flags of the signature are found.

    Raises:
        ModelError: It is a class, takes other arguments, or returns several arrays with no scores among them.
    """
    if type(native) is tuple:
        native, args = native[0], (*native[1:], *args)
    module = _nnx_module(native, args, options)
    if module is not None:
        return module
    if isinstance(native, type):
        raise ModelError(f"{native.__name__} is a class; adapt an instance of it: {native.__name__}(...)")
    if len(args) > 1:
        raise ModelError(f"a function takes one pytree of params, got {len(args)} arguments; put them into one tuple")
    call = bound_method(native, options.method, _title(native)) if options.method is not None else native
    operands = ("params", "x") if args else ("x",)
    kwargs = inference_kwargs(call, options, operands=operands, streams=True)
    nameless = "params were not given, so kernels have no names; adapt fn(params, x) with its params for those"
    params, paths, restore = _split(args[0]) if args else ({}, (), None)

    def plain(params: Any, x: Any) -> Any:
        keywords = with_streams(kwargs, lambda: jax.random.key(0))
        return call(x, **keywords) if restore is None else call(restore(params), x, **keywords)

    within: list[Callable[..., Any]] = []

    def fn(params: Any, x: Any) -> Any:
        if "flax.linen" not in sys.modules:
            return plain(params, x)
        if not within:
            within.append(importlib.import_module("cnnviz_plugins.adapters.linen").named_within(plain))
        return within[0](params, x)

    notes = () if args else (nameless,)
    return pure_model(fn, params, options, framework="jax", name=_title(native), paths=paths, notes=notes)


def _nnx_module(native: Any, args: tuple[Any, ...], options: AdaptOptions) -> PureModel | None:
    """Return what is a call of an NNX module as that module: a method of it, or `fn(module, x)`, also under `nnx.jit`.

    Parameters that are closed over would be constants without names.
    """
    nnx = sys.modules.get("flax.nnx")
    if nnx is None or options.method is not None:
        return None
    build = "cnnviz_plugins.adapters.nnx"
    if len(args) == 1 and isinstance(args[0], nnx.Module):
        return importlib.import_module(build).build(args[0], (), replace(options, method=native))
    inner = getattr(native, "__wrapped__", native)
    if not args and isinstance(inner, nnx.Module):
        return importlib.import_module(build).build(inner, (), options)
    if not args and isinstance(owner := getattr(inner, "__self__", None), nnx.Module):
        return importlib.import_module(build).build(owner, (), replace(options, method=inner.__name__))
    return None


def _split(native: Any) -> tuple[Any, tuple[str, ...], Callable[[Any], Any]]:
    """Return the arrays of a pytree in its own shape, their paths, and what puts the other leaves back."""
    entries, tree = jax.tree_util.tree_flatten_with_path(native)
    linen = isinstance(native, Mapping) and isinstance(native.get("params"), Mapping)
    names = without_collections([keys for keys, _ in entries]) if linen else [dotted(keys) for keys, _ in entries]
    leaves = [leaf for _, leaf in entries]
    moving = [i for i, leaf in enumerate(leaves) if is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)]
    arrays = {i: owned(leaves[i], names[i]) for i in moving}

    def restore(params: Any) -> Any:
        full = list(leaves)
        for i, leaf in zip(moving, jax.tree.leaves(params), strict=True):
            full[i] = leaf
        return jax.tree.unflatten(tree, full)

    params = jax.tree.unflatten(tree, [arrays.get(i) for i in range(len(leaves))])
    return params, tuple(names[i] for i in moving), restore


def _title(native: Any) -> str:
    named = getattr(native, "func", native)  # functools.partial
    return str(getattr(named, "__name__", type(named).__name__))
