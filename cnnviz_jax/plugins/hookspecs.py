"""The hooks: the four doors through which plugins enter, the built-in ones included.

All hooks are registration hooks: they yield frozen records and run on the host before anything
is traced. None is `firstresult` and order never matters. Light: imports no jax.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from cnnviz_jax.plugins.specs import AdapterSpec, ModelSpec, RendererSpec, TechniqueSpec

PROJECT = "cnnviz_jax"
"""Pluggy project name and entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as an implementation of one of the hooks below."""


@hookspec
def cnnviz_adapters() -> Iterable[AdapterSpec]:
    """Yield the model adapters this plugin offers.

    Called once, on every process, when plugins are first needed; never while tracing.
    Yield nothing to offer nothing. Two adapters of one name are an error for the user to settle;
    two adapters that match one object too, unless `adapter=` says which.
    If this raises, the plugin is skipped and `cnnviz plugins` shows why.

    Example:
        yield AdapterSpec(name="nnx", summary="Flax NNX modules", matches=matches, build="my_plugin.nnx:build")
    """
    return ()


@hookspec
def cnnviz_models() -> Iterable[ModelSpec]:
    """Yield the named networks this plugin offers.

    Called once, on every process, when plugins are first needed; never while tracing.
    Yield nothing to offer nothing. Two models of one name are an error for the user to settle.
    If this raises, the plugin is skipped and `cnnviz plugins` shows why.

    Example:
        yield ModelSpec(name="lenet", summary="LeNet for MNIST", build="my_plugin.lenet:build")
    """
    return ()


@hookspec
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the techniques this plugin offers.

    Called once, on every process, when plugins are first needed; never while tracing.
    Yield nothing to offer nothing. Two techniques of one name are an error for the user to settle.
    If this raises, the plugin is skipped and `cnnviz plugins` shows why.

    Example:
        yield TechniqueSpec(name="edges", kind="explain", summary="Sobel edges", config=EdgesConfig, build=edges)
    """
    return ()


@hookspec
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield the renderers this plugin offers.

    Called once, on every process, when plugins are first needed; never while tracing.
    Yield nothing to offer nothing. Two renderers of one name are an error for the user to settle.
    If this raises, the plugin is skipped and `cnnviz plugins` shows why.

    Example:
        yield RendererSpec(name="csv", summary="Tables", accepts=("Attribution",), suffixes=(".csv",), render=write)
    """
    return ()
