"""The adapters on offer, one for each framework and one for any function. Imports no framework."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cnnviz_jax.plugin import AdapterSpec, hookimpl

_FRAMEWORKS = ("flax", "equinox", "haiku", "keras", "tf_keras", "torch", "tensorflow")
"""Frameworks whose objects are callable but are no plain function of (params, x)."""


@hookimpl
def cnnviz_adapters() -> Iterable[AdapterSpec]:
    """Yield the built-in adapters."""
    yield AdapterSpec(
        name="linen",
        summary="Flax Linen: adapt(module, variables), a bound module, or a TrainState",
        matches=_is_linen,
        build="cnnviz_plugins.adapters.linen:build",
    )
    yield AdapterSpec(
        name="nnx",
        summary="Flax NNX: adapt(module), or adapt(graphdef, state)",
        matches=_is_nnx,
        build="cnnviz_plugins.adapters.nnx:build",
    )
    yield AdapterSpec(
        name="equinox",
        summary="Equinox: adapt(module), or adapt(module, state)",
        matches=_is_equinox,
        build="cnnviz_plugins.adapters.equinox:build",
    )
    yield AdapterSpec(
        name="haiku",
        summary="Haiku: adapt(transformed, params), or adapt(transformed, params, state)",
        matches=_is_haiku,
        build="cnnviz_plugins.adapters.haiku:build",
    )
    yield AdapterSpec(
        name="keras",
        summary="Keras 3 on its JAX backend: adapt(model)",
        matches=_is_keras,
        build="cnnviz_plugins.adapters.keras:build",
    )
    yield AdapterSpec(
        name="torch",
        summary="PyTorch, exported and rewritten in JAX: adapt(module, input_shape=...)",
        matches=_is_torch,
        build="cnnviz_plugins.adapters.torch.module:build",
    )
    yield AdapterSpec(
        name="callable",
        summary="Any function of (params, x): adapt(fn, params)",
        matches=_is_callable,
        build="cnnviz_plugins.adapters.callable:build",
        fallback=True,
    )


def _is_linen(native: Any) -> bool:
    if _is_pair(native):
        native = native[0]
    # `module.apply` and a TrainState, whose `apply_fn` is that, lead back to the module.
    method = native if getattr(native, "__name__", "") == "apply" else getattr(native, "apply_fn", None)
    return _inherits(native, "flax.linen", "Module") or _inherits(
        getattr(method, "__self__", None), "flax.linen", "Module"
    )


def _is_nnx(native: Any) -> bool:
    if _is_pair(native):
        native = native[0]
    return _inherits(native, "flax.nnx", "Module") or _inherits(native, "flax.nnx", "GraphDef")


def _is_equinox(native: Any) -> bool:
    if _is_pair(native):
        native = native[0]
    return _inherits(native, "equinox", "Module") or _inherits(getattr(native, "__self__", None), "equinox", "Module")


def _is_haiku(native: Any) -> bool:
    if type(native) is tuple and len(native) in (2, 3):
        native = native[0]
    return _inherits(native, "haiku", "Transformed") or _inherits(native, "haiku", "TransformedWithState")


def _is_keras(native: Any) -> bool:
    return _inherits(native, "keras", "Layer")


def _is_torch(native: Any) -> bool:
    # On its torch backend a Keras layer is a module of both.
    ours = _inherits(native, "torch.nn", "Module") or _inherits(native, "torch.export", "ExportedProgram")
    return ours and not _is_keras(native)


def _is_callable(native: Any) -> bool:
    if _is_pair(native):
        native = native[0]
    return callable(native) and not any(
        kind.__module__.split(".")[0] in _FRAMEWORKS for kind in type(native).__mro__ if not isinstance(native, type)
    )


def _is_pair(native: Any) -> bool:
    # Not a namedtuple: those are objects of a framework, such as Haiku's Transformed.
    return type(native) is tuple and len(native) == 2


def _inherits(native: Any, package: str, name: str) -> bool:
    return any(
        kind.__name__ == name and (kind.__module__ == package or kind.__module__.startswith(package + "."))
        for kind in type(native).__mro__
    )
