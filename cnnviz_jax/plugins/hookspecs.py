"""The eight hooks through which plugins enter, the built-in ones included.

All are registration hooks: they yield frozen records and run on the host before anything is traced. None is
`firstresult` and order never matters. Light: imports no jax.
"""

from __future__ import annotations  # the docs print these signatures as they are written here

from collections.abc import Callable, Iterable
from typing import Any

import pluggy

from cnnviz_jax.plugins.specs import (
    AdapterSpec,
    CollectionSpec,
    LauncherSpec,
    LogSpec,
    ModelSpec,
    PanelSpec,
    RendererSpec,
    TechniqueSpec,
    techniques_in,
)

PROJECT = "cnnviz_jax"
"""Pluggy project name and entry-point group."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as an implementation of one of the hooks below."""


def techniques_hook(module: str) -> Callable[[], list[TechniqueSpec]]:
    """Return the hook `cnnviz_techniques` of a module whose configs are made with `technique`.

    Args:
        module: The module's name, its own `__name__`.
    """
    hook: Callable[[], list[TechniqueSpec]] = hookimpl(lambda: techniques_in(module))
    return hook


_ANSWERS = """
    Called once, on every process, when plugins are first needed; never while tracing. Yield nothing to offer nothing.
    Two records of one name are an error: the user disables one of the plugins. If this raises, the plugin is skipped
    and `cnnviz plugins` shows why.
"""
_mark = pluggy.HookspecMarker(PROJECT)


def _hookspec(function: Callable[[], Any]) -> Callable[[], Any]:
    """Mark a hook and put into its docstring, before the example, what holds for all alike."""
    head, example, rest = str(function.__doc__).partition("\n    Example:")
    function.__doc__ = f"{head}{_ANSWERS}{example}{rest}"
    return _mark(function)


@_hookspec
def cnnviz_adapters() -> Iterable[AdapterSpec]:
    """Yield the model adapters this plugin offers; two that match one object need `adapter=` to say which.

    Example:
        yield AdapterSpec(name="nnx", summary="Flax NNX modules", matches=matches, build="my_plugin.nnx:build")
    """
    return ()


@_hookspec
def cnnviz_models() -> Iterable[ModelSpec]:
    """Yield the named networks this plugin offers.

    Example:
        yield ModelSpec(name="lenet", summary="LeNet for MNIST", build="my_plugin.lenet:build")
    """
    return ()


@_hookspec
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the techniques this plugin offers.

    Example:
        yield TechniqueSpec(name="edges", kind="explain", summary="Sobel edges", config=EdgesConfig, build=edges)
    """
    return ()


@_hookspec
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield the renderers this plugin offers.

    Example:
        yield RendererSpec(name="csv", summary="Tables", accepts=("Attribution",), suffixes=(".csv",), render=write)
    """
    return ()


@_hookspec
def cnnviz_panels() -> Iterable[PanelSpec]:
    """Yield what the pages of units in a site show, each panel under a heading of its own.

    Example:
        yield PanelSpec(name="norms", summary="Length of the kernel", build="my_plugin.norms:build")
    """
    return ()


@_hookspec
def cnnviz_collections() -> Iterable[CollectionSpec]:
    """Yield pages of a site beside those of units, such as one for each concept.

    Example:
        yield CollectionSpec(name="concepts", summary="Concepts", build="my_plugin.concepts:build")
    """
    return ()


@_hookspec
def cnnviz_launchers() -> Iterable[LauncherSpec]:
    """Yield what runs the shards of a sweep elsewhere: engines with an executor, and writers of scripts.

    Example:
        yield LauncherSpec(name="dask", summary="A Dask cluster", config=DaskConfig, connect="my_plugin.dask:connect")
    """
    return ()


@_hookspec
def cnnviz_logs() -> Iterable[LogSpec]:
    """Yield the logs of trainings that `cv.Monitor` can write to.

    Example:
        yield LogSpec(name="mlflow", summary="A run of MLflow", build="my_plugin.mlflow:build")
    """
    return ()
