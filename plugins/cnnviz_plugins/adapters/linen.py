"""Flax Linen: `cv.adapt(module, variables, ...)`, a bound module, or a TrainState.

Scopes are opened by Linen's own method interceptor, not left to its profiling names: those call a
layer after the method it is reached through (`Net.features`), where users know the module's path.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax
import jax
from flax import errors
from flax import linen as nn
from flax.core import meta

from cnnviz_jax.plugin import AdaptOptions, ModelError, PureModel
from cnnviz_plugins.adapters.call_flags import INFERENCE, bound_method, inference_kwargs
from cnnviz_plugins.adapters.outputs import owned, pure_model, without_collections
from cnnviz_plugins.adapters.scopes import handed_on, naming, scope


def build(native: Any, args: tuple[Any, ...], options: AdaptOptions) -> PureModel:
    """Return a Linen module with its variables as a `PureModel` that only reads its state.

    Args:
        native: The module, bound or not; a (module, variables) pair; `module.apply`; or a TrainState.
        args: The variables: the whole dictionary, its `params` alone, or a TrainState.
        options: Layout, method and keyword arguments; inference flags of the signature are found.

    Raises:
        ModelError: Variables are missing or do not fit, or the module is in training mode.
    """
    module, variables = _module_and_variables(native, args)
    title = type(module).__name__
    method = options.method or "__call__"
    module, fixed = _in_inference(module)
    kwargs = inference_kwargs(bound_method(module, method, title), options, operands=("x",), skip=fixed)

    def fn(params: Any, x: Any) -> Any:
        with naming(_paths_of), _without_profiling_names(), nn.intercept_methods(_in_scope), _explained(title, params):
            return module.apply(params, x, method=method, **kwargs)

    params, paths = _parameters(variables)
    return pure_model(fn, params, options, framework="linen", name=title, paths=paths)


def _module_and_variables(native: Any, args: tuple[Any, ...]) -> tuple[nn.Module, Mapping[str, Any]]:
    if type(native) is tuple:
        native, args = native[0], (*native[1:], *args)
    if not isinstance(native, nn.Module):
        if hasattr(native, "apply_fn"):  # TrainState
            native, args = native.apply_fn, args or (native,)
        native = native.__self__  # module.apply
    if native.scope is not None:
        native, bound = native.unbind()
        args = args or (bound,)
    if len(args) != 1:
        title = type(native).__name__
        found = f"got {len(args)} arguments" if args else "and none were given"
        raise ModelError(f"{title} needs its variables, {found}: cv.adapt(module, variables, ...)")
    return native, _collections(args[0])


def _collections(variables: Any) -> Mapping[str, Any]:
    """Return variables as {collection: tree}, from that, from the `params` tree alone, or from a TrainState."""
    if not isinstance(variables, Mapping):
        if not hasattr(variables, "params"):
            raise ModelError(f"variables are a dictionary as module.init returns it, got a {type(variables).__name__}")
        state = variables
        variables = _collections(state.params)
        if hasattr(state, "batch_stats") and "batch_stats" not in variables:
            variables = {**variables, "batch_stats": state.batch_stats}
    plain = flax.core.unfreeze(variables)
    whole = isinstance(plain.get("params"), Mapping)
    return plain if whole else {"params": plain}


def _parameters(variables: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """Return the variables as arrays, and their paths without the collection where that is unique."""
    entries, tree = jax.tree_util.tree_flatten_with_path(meta.unbox(variables))
    paths = without_collections([keys for keys, _ in entries])
    leaves = [owned(leaf, path) for path, (_, leaf) in zip(paths, entries, strict=True)]
    return jax.tree.unflatten(tree, leaves), tuple(paths)


def _in_inference(module: nn.Module) -> tuple[nn.Module, frozenset[str]]:
    """Return a copy whose own mode fields say inference, and the names of those fields."""
    fields = {field.name for field in dataclasses.fields(module)}
    changes = {
        name: value for name, value in INFERENCE.items() if name in fields and isinstance(getattr(module, name), bool)
    }
    return (module.clone(**changes) if changes else module), frozenset(changes)


def _paths_of(module: nn.Module) -> tuple[str, ...]:
    return (".".join(module.path),) if module.path else ()


def _in_scope(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
    if context.method_name == "setup":
        return call(*args, **kwargs)
    paths = _paths_of(context.module)
    with scope(paths):
        found = call(*args, **kwargs)
        return handed_on(found, (*args, *kwargs.values())) if paths else found


def named_within(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same, in which Linen's modules are called by their paths.

    Where it applies several modules, their layers stand behind the name of the module's class.
    """
    counted: list[int] = []

    def count(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        if not context.module.path:
            roots.add(type(context.module).__name__)
        return call(*args, **kwargs)

    def behind_class(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        root = () if context.module.path else (type(context.module).__name__,)
        with scope(root if context.method_name != "setup" else ()):
            return _in_scope(call, args, kwargs, context)

    roots: set[str] = set()

    def named(*operands: Any) -> Any:
        if not counted:  # which modules there are shows only while they run
            with nn.intercept_methods(count):
                jax.eval_shape(lambda: call(*operands))
            counted.append(len(roots))
        way = behind_class if counted[0] > 1 else _in_scope
        with naming(_paths_of), _without_profiling_names(), nn.intercept_methods(way):
            return call(*operands)

    return named


_profiling_lock = threading.Lock()
_profiling = contextlib.ExitStack()
_traces = [0]


@contextlib.contextmanager
def _without_profiling_names() -> Iterator[None]:
    """Keep Linen from opening scopes of its own; the switch is global, so the last trace sets it back."""
    with _profiling_lock:
        if _traces[0] == 0:
            _profiling.enter_context(nn.override_named_call(False))
        _traces[0] += 1
    try:
        yield
    finally:
        with _profiling_lock:
            _traces[0] -= 1
            if _traces[0] == 0:
                _profiling.close()


@contextlib.contextmanager
def _explained(title: str, variables: Mapping[str, Any]) -> Iterator[None]:
    """Turn Flax's errors about variables and modes into sentences that say what to pass."""
    try:
        yield
    except (errors.ModifyScopeVariableError, errors.InvalidRngError) as error:
        raise ModelError(
            f"{title} is in training mode: it wants to update statistics or draw random numbers; "
            f"say call_kwargs={{...}} with the flag that means inference ({_first_sentence(error)})"
        ) from error
    except errors.ScopeParamShapeError as error:
        raise ModelError(
            f"the variables do not fit {title}, or input_shape is not the one they were made for: "
            f"{_first_sentence(error)}"
        ) from error
    except (errors.ScopeCollectionNotFound, errors.ScopeVariableNotFoundError, errors.ScopeParamNotFoundError) as error:
        raise ModelError(
            f"{title} misses variables: {_first_sentence(error)}; given were the collections "
            f"{', '.join(sorted(variables))}; pass the whole dictionary, as "
            f"{{'params': ..., 'batch_stats': ...}}"
        ) from error


def _first_sentence(error: Exception) -> str:
    return str(error).split(" (https://")[0].strip().rstrip(".")
