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
    from cnnviz_jax.adaptation import adapt as adapt
    from cnnviz_jax.adaptation import example_pictures as example_pictures
    from cnnviz_jax.adaptation import load_model as load_model
    from cnnviz_jax.engine import Fold as Fold
    from cnnviz_jax.engine import Iteration as Iteration
    from cnnviz_jax.evolution import Evolution as Evolution
    from cnnviz_jax.hookspecs import hookimpl as hookimpl
    from cnnviz_jax.layers import Layer as Layer
    from cnnviz_jax.measurement import Comparison as Comparison
    from cnnviz_jax.measurement import Measurement as Measurement
    from cnnviz_jax.model import Model as Model
    from cnnviz_jax.model import predictions as predictions
    from cnnviz_jax.pictures import load_image as load_image
    from cnnviz_jax.recorder import Recorder as Recorder
    from cnnviz_jax.records import AdapterSpec as AdapterSpec
    from cnnviz_jax.records import ModelSpec as ModelSpec
    from cnnviz_jax.records import RendererSpec as RendererSpec
    from cnnviz_jax.records import TechniqueSpec as TechniqueSpec
    from cnnviz_jax.results import Attribution as Attribution
    from cnnviz_jax.results import FilterBank as FilterBank
    from cnnviz_jax.results import Heatmap as Heatmap
    from cnnviz_jax.results import ReceptiveFields as ReceptiveFields
    from cnnviz_jax.results import Report as Report
    from cnnviz_jax.results import Synthesis as Synthesis
    from cnnviz_jax.units import Dissection as Dissection
    from cnnviz_jax.units import Distributions as Distributions
    from cnnviz_jax.units import Exemplars as Exemplars
    from cnnviz_jax.verbs.capture import capture as capture
    from cnnviz_jax.verbs.compare import compare as compare
    from cnnviz_jax.verbs.explain import explain as explain
    from cnnviz_jax.verbs.inspect import inspect as inspect
    from cnnviz_jax.verbs.measure import measure as measure
    from cnnviz_jax.verbs.open_run import open_run as open_run
    from cnnviz_jax.verbs.render import render as render
    from cnnviz_jax.verbs.report import report as report
    from cnnviz_jax.verbs.survey import survey as survey
    from cnnviz_jax.verbs.synthesize import synthesize as synthesize
    from cnnviz_jax.weights import Convolution as Convolution
    from cnnviz_jax.weights import EffectiveReceptiveField as EffectiveReceptiveField
    from cnnviz_jax.weights import FilterMatch as FilterMatch
    from cnnviz_jax.weights import FilterVariety as FilterVariety

_HOME = {
    "Iteration": "engine",
    "Fold": "engine",
    "TechniqueSpec": "records",
    "RendererSpec": "records",
    "ModelSpec": "records",
    "AdapterSpec": "records",
    "Attribution": "results",
    "Comparison": "measurement",
    "Convolution": "weights",
    "FilterBank": "results",
    "FilterMatch": "weights",
    "Dissection": "units",
    "Distributions": "units",
    "EffectiveReceptiveField": "weights",
    "Evolution": "evolution",
    "Exemplars": "units",
    "Recorder": "recorder",
    "FilterVariety": "weights",
    "Heatmap": "results",
    "Layer": "layers",
    "Measurement": "measurement",
    "Model": "model",
    "ReceptiveFields": "results",
    "Report": "results",
    "Synthesis": "results",
    "adapt": "adaptation",
    "capture": "verbs.capture",
    "compare": "verbs.compare",
    "errors": "errors",
    "example_pictures": "adaptation",
    "explain": "verbs.explain",
    "hookimpl": "hookspecs",
    "inspect": "verbs.inspect",
    "load_image": "pictures",
    "load_model": "adaptation",
    "measure": "verbs.measure",
    "open_run": "verbs.open_run",
    "predictions": "model",
    "render": "verbs.render",
    "report": "verbs.report",
    "survey": "verbs.survey",
    "synthesize": "verbs.synthesize",
    "targets": "targets",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cnnviz_jax' has no attribute {name!r}")
    module = importlib.import_module(f"cnnviz_jax.{_HOME[name]}")
    return module if name in ("errors", "targets") else getattr(module, name)


def __dir__() -> list[str]:
    return list(__all__)
