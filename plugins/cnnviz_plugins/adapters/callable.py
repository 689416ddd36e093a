"""Plain functions: `cv.adapt(fn, params, ...)` with `fn(params, x)`, whatever wrote them.

Layers are called as the user's own `jax.named_scope`s say, else after the parameters they use.
"""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import AdaptOptions, ModelError, PureModel
from cnnviz_plugins.adapters.call_flags import inference_kwargs
from cnnviz_plugins.adapters.outputs import dotted, is_array, owned, pure_model


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
    if isinstance(native, type):
        raise ModelError(f"{native.__name__} is a class; adapt an instance of it: {native.__name__}(...)")
    if len(args) > 1:
        raise ModelError(f"a function takes one pytree of params, got {len(args)} arguments; put them into one tuple")
    if options.method is not None:
        if not hasattr(native, options.method):
            raise ModelError(f"{_title(native)} has no method {options.method!r}")
        native = getattr(native, options.method)
    operands = ("params", "x") if args else ("x",)
    kwargs = inference_kwargs(native, options, operands=operands)
    nameless = "params were not given, so kernels have no names; adapt fn(params, x) with its params for those"
    params, paths, restore = _split(args[0]) if args else ({}, (), None)

    def fn(params: Any, x: Float[Array, "n ..."]) -> Any:
        return native(x, **kwargs) if restore is None else native(restore(params), x, **kwargs)

    notes = () if args else (nameless,)
    return pure_model(fn, params, options, framework="jax", name=_title(native), paths=paths, notes=notes)


def _split(native: Any) -> tuple[Any, tuple[str, ...], Callable[[Any], Any]]:
    """Return the arrays of a pytree in its own shape, their paths, and what puts the other leaves back."""
    entries, tree = jax.tree_util.tree_flatten_with_path(native)
    names = [dotted(keys) for keys, _ in entries]
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
