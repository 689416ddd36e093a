"""Haiku: `cv.adapt(transformed, params, ...)` or `cv.adapt(transformed, params, state, ...)`.

Haiku opens a named scope around every module's call, so layers have its names: the path in the parameter
dictionary without the `~` of constructors, and without the outermost module where one holds everything.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import haiku as hk
import jax

from cnnviz_jax.plugin import AdaptOptions, ModelError, PureModel
from cnnviz_plugins.adapters.call_flags import inference_kwargs
from cnnviz_plugins.adapters.outputs import owned, pure_model
from cnnviz_plugins.adapters.scopes import handed_on


def build(native: Any, args: tuple[Any, ...], options: AdaptOptions) -> PureModel:
    """Return a transformed function with its parameters and state as a `PureModel` that only reads its state.

    Args:
        native: What `hk.transform` or `hk.transform_with_state` returned, also under `hk.without_apply_rng`;
            or a tuple of it and its parameters.
        args: The parameters and, after `transform_with_state`, the state.
        options: Layout and keyword arguments; inference flags of the function are found.

    Raises:
        ModelError: Parameters or state are missing, or the function takes other arguments.
    """
    if type(native) is tuple:
        native, args = native[0], (*native[1:], *args)
    stateful = isinstance(native, hk.TransformedWithState)
    title = _title(native)
    if options.method is not None:
        raise ModelError(f"a transformed function has no methods; transform one that calls {options.method!r}")
    operands = ("params", "state") if stateful else ("params",)
    if len(args) != len(operands) or not all(isinstance(arg, Mapping) for arg in args):
        found = ", ".join(type(arg).__name__ for arg in args) or "nothing"
        raise ModelError(f"cv.adapt(transformed, {', '.join(operands)}, ...) takes what init returned, got {found}")
    takes_rng = "rng" in inspect.signature(native.apply).parameters
    own = _original(native)
    kwargs = inference_kwargs(own, options, operands=("x",))
    modules = {module for arg in args for module in arg}
    # The module that all others stand in, if there is one that has no parameters of its own.
    first = {module.split("/")[0] for module in modules}
    root = first.pop() if len(first) == 1 and not first & modules else ""
    names: dict[tuple[int, str, str], str] = {}
    params: dict[str, Any] = {}
    for i, arg in enumerate(args):
        for module, entries in arg.items():
            for word, leaf in entries.items():
                name = ".".join(part for part in (_dotted(module, root), word) if part)
                if name in params:
                    raise ModelError(f"two parameters have the path {name}; rename a module called {module!r}")
                names[i, module, word] = name
                params[name] = owned(leaf, name)

    def fn(params: Any, x: Any) -> Any:
        trees: list[dict[str, dict[str, Any]]] = [{module: {} for module in arg} for arg in args]
        for (i, module, word), name in names.items():
            trees[i][module][word] = params[name]
        rng = (None,) if takes_rng else ()
        # Haiku's own modules mix dtypes; its code is not written for strict promotion.
        with _explained(title), jax.numpy_dtype_promotion("standard"), hk.intercept_methods(_marked):
            # By position as far as it goes: an argument called `state` is not Haiku's own.
            bound = inspect.signature(own).bind(x, **kwargs)
            outputs = native.apply(*trees, *rng, *bound.args, **bound.kwargs)
        return outputs[0] if stateful else outputs

    aliases = {module.replace("/", "."): _dotted(module, root) for module in modules if module != root}
    return pure_model(fn, params, options, framework="haiku", name=title, scope_root=root, layer_aliases=aliases)


def _marked(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
    found = call(*args, **kwargs)
    return handed_on(found, (*args, *kwargs.values())) if context.method_name == "__call__" else found


def _original(native: Any) -> Any:
    """The function that was transformed."""
    function = native.apply
    while hasattr(function, "_original_fn"):
        function = function._original_fn
    return function


def _title(native: Any) -> str:
    function = _original(native)
    return str(getattr(function, "__name__", type(function).__name__))


def _dotted(module: str, root: str) -> str:
    parts = [part for part in module.split("/") if part != "~"]
    return ".".join(parts[1:] if root and parts[0] == root else parts)


@contextlib.contextmanager
def _explained(title: str) -> Iterator[None]:
    """Turn Haiku's errors about parameters, states and keys into sentences that say what to pass."""
    try:
        yield
    except ValueError as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        if type(error).__name__ == "MissingRNGError":
            raise ModelError(
                f"{title} is in training mode: it draws random numbers; "
                f"say call_kwargs={{...}} with the flag that means inference ({text})"
            ) from error
        if type(error).__name__ == "NonEmptyStateError":
            raise ModelError(
                f"{title} has state; use hk.transform_with_state and cv.adapt(transformed, params, state)"
            ) from error
        if "No value for" in text or "Unable to retrieve" in text or "retrieved shape" in text:
            raise ModelError(
                f"the parameters do not fit {title}, or input_shape is not the one they were made for: {text}"
            ) from error
        raise
