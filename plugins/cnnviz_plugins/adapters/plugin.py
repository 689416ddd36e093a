"""The adapters on offer, one for each framework and one for any function. Imports no framework."""

from collections.abc import Callable, Iterable
from typing import Any

from cnnviz_jax.plugin import AdapterSpec, hookimpl

_FRAMEWORKS = ("flax", "equinox", "haiku", "keras", "tf_keras", "torch", "tensorflow")
"""Frameworks whose objects are callable but are no plain function of (params, x)."""


def _is_linen(native: Any) -> bool:
    native = _without_args(native)
    # `module.apply` and a TrainState, whose `apply_fn` is that, lead back to the module.
    method = native if getattr(native, "__name__", "") == "apply" else getattr(native, "apply_fn", None)
    return _inherits(native, "flax.linen", "Module") or _inherits(
        getattr(method, "__self__", None), "flax.linen", "Module"
    )


def _is_nnx(native: Any) -> bool:
    return _inherits(_without_args(native), "flax.nnx", "Module", "GraphDef")


def _is_equinox(native: Any) -> bool:
    native = _without_args(native)
    return _inherits(native, "equinox", "Module") or _inherits(getattr(native, "__self__", None), "equinox", "Module")


def _is_haiku(native: Any) -> bool:
    return _inherits(_without_args(native, 3), "haiku", "Transformed", "TransformedWithState")


def _is_keras(native: Any) -> bool:
    return _inherits(native, "keras", "Layer")


def _is_torch(native: Any) -> bool:
    # On its torch backend a Keras layer is a module of both.
    ours = _inherits(native, "torch.nn", "Module") or _inherits(native, "torch.export", "ExportedProgram")
    return ours and not _is_keras(native)


def _is_callable(native: Any) -> bool:
    native = _without_args(native)
    if hasattr(native, "__wrapped__") and _inherits(native, "flax.nnx", "JitWrapped"):
        return True
    return callable(native) and not any(
        kind.__module__.split(".")[0] in _FRAMEWORKS for kind in type(native).__mro__ if not isinstance(native, type)
    )


def _without_args(native: Any, most: int = 2) -> Any:
    # Not a namedtuple: those are objects of a framework, such as Haiku's Transformed.
    return native[0] if type(native) is tuple and 2 <= len(native) <= most else native


def _inherits(native: Any, package: str, *names: str) -> bool:
    return any(
        kind.__name__ in names and (kind.__module__ == package or kind.__module__.startswith(package + "."))
        for kind in type(native).__mro__
    )


_ADAPTERS: tuple[tuple[str, str, Callable[[Any], bool], str], ...] = (
    ("linen", "linen", _is_linen, "Flax Linen: adapt(module, variables), a bound module, or a TrainState"),
    ("nnx", "nnx", _is_nnx, "Flax NNX: adapt(module), or adapt(graphdef, state)"),
    ("equinox", "equinox", _is_equinox, "Equinox: adapt(module), or adapt(module, state)"),
    ("haiku", "haiku", _is_haiku, "Haiku: adapt(transformed, params), or adapt(transformed, params, state)"),
    ("keras", "keras", _is_keras, "Keras 3 on its JAX backend: adapt(model)"),
    ("torch", "torch.module", _is_torch, "PyTorch, exported and rewritten in JAX: adapt(module, input_shape=...)"),
    ("callable", "callable", _is_callable, "Any function of (params, x): adapt(fn, params)"),
)


@hookimpl
def cnnviz_adapters() -> Iterable[AdapterSpec]:
    """Yield the built-in adapters; that for any function is asked last."""
    for name, module, matches, summary in _ADAPTERS:
        yield AdapterSpec(name=name, summary=summary, matches=matches, build=f"cnnviz_plugins.adapters.{module}:build",
                          fallback=name == "callable")  # fmt: skip
