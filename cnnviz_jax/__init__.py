"""See what a convolutional network in JAX has learned.

`adapt` takes any JAX model, `explain` shows where it looks, `synthesize` what excites it, `inspect` what
its weights are, `report` puts all of it on one offline page. Names are loaded when first used, so that
importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnviz_jax import errors as errors
    from cnnviz_jax import targets as targets
    from cnnviz_jax.data.images import load_image as load_image
    from cnnviz_jax.engine.fold import Fold as Fold
    from cnnviz_jax.engine.iteration import Iteration as Iteration
    from cnnviz_jax.model.layers import Layer as Layer
    from cnnviz_jax.model.model import Model as Model
    from cnnviz_jax.model.model import predictions as predictions
    from cnnviz_jax.plugins.hookspecs import hookimpl as hookimpl
    from cnnviz_jax.plugins.specs import AdapterSpec as AdapterSpec
    from cnnviz_jax.plugins.specs import ModelSpec as ModelSpec
    from cnnviz_jax.plugins.specs import RendererSpec as RendererSpec
    from cnnviz_jax.plugins.specs import TechniqueSpec as TechniqueSpec
    from cnnviz_jax.recorder import Recorder as Recorder
    from cnnviz_jax.results.attribution import Attribution as Attribution
    from cnnviz_jax.results.attribution import Heatmap as Heatmap
    from cnnviz_jax.results.evolution import Evolution as Evolution
    from cnnviz_jax.results.measurement import Comparison as Comparison
    from cnnviz_jax.results.measurement import Measurement as Measurement
    from cnnviz_jax.results.report import Report as Report
    from cnnviz_jax.results.synthesis import Synthesis as Synthesis
    from cnnviz_jax.results.units import Dissection as Dissection
    from cnnviz_jax.results.units import Distributions as Distributions
    from cnnviz_jax.results.units import Exemplars as Exemplars
    from cnnviz_jax.results.weights import Convolution as Convolution
    from cnnviz_jax.results.weights import EffectiveReceptiveField as EffectiveReceptiveField
    from cnnviz_jax.results.weights import FilterBank as FilterBank
    from cnnviz_jax.results.weights import FilterMatch as FilterMatch
    from cnnviz_jax.results.weights import FilterVariety as FilterVariety
    from cnnviz_jax.results.weights import ReceptiveFields as ReceptiveFields
    from cnnviz_jax.verbs.adapt import adapt as adapt
    from cnnviz_jax.verbs.capture import capture as capture
    from cnnviz_jax.verbs.compare import compare as compare
    from cnnviz_jax.verbs.explain import explain as explain
    from cnnviz_jax.verbs.inspect import inspect as inspect
    from cnnviz_jax.verbs.load_model import example_images as example_images
    from cnnviz_jax.verbs.load_model import load_model as load_model
    from cnnviz_jax.verbs.measure import measure as measure
    from cnnviz_jax.verbs.open_run import open_run as open_run
    from cnnviz_jax.verbs.render import render as render
    from cnnviz_jax.verbs.report import report as report
    from cnnviz_jax.verbs.survey import survey as survey
    from cnnviz_jax.verbs.synthesize import synthesize as synthesize

    __version__: str

_HOME = {
    "data.images": "load_image",
    "engine.fold": "Fold",
    "engine.iteration": "Iteration",
    "model.layers": "Layer",
    "model.model": "Model predictions",
    "plugins.hookspecs": "hookimpl",
    "plugins.specs": "AdapterSpec ModelSpec RendererSpec TechniqueSpec",
    "recorder": "Recorder",
    "results.attribution": "Attribution Heatmap",
    "results.evolution": "Evolution",
    "results.measurement": "Comparison Measurement",
    "results.report": "Report",
    "results.synthesis": "Synthesis",
    "results.units": "Dissection Distributions Exemplars",
    "results.weights": "Convolution EffectiveReceptiveField FilterBank FilterMatch FilterVariety ReceptiveFields",
    "verbs.adapt": "adapt",
    "verbs.capture": "capture",
    "verbs.compare": "compare",
    "verbs.explain": "explain",
    "verbs.inspect": "inspect",
    "verbs.load_model": "example_images load_model",
    "verbs.measure": "measure",
    "verbs.open_run": "open_run",
    "verbs.render": "render",
    "verbs.report": "report",
    "verbs.survey": "survey",
    "verbs.synthesize": "synthesize",
}
"""Module to the public names in it."""
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}
_MODULES = ("errors", "targets")

__all__ = sorted([*_MODULE_OF, *_MODULES])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _MODULES:
        return importlib.import_module(f"cnnviz_jax.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cnnviz_jax' has no attribute {name!r}")
    return getattr(importlib.import_module(f"cnnviz_jax.{_MODULE_OF[name]}"), name)


def _version() -> str:
    from importlib import metadata  # costs tens of milliseconds, and few programs ask

    try:
        return metadata.version("cnnviz-jax")
    except metadata.PackageNotFoundError:
        return "0+source"  # a checkout on the path that is not installed


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
