"""What plugins may use: every public name of the core for authors of techniques, models, adapters and renderers.

`from cnnviz_jax.plugin import Fold, Case, TechniqueSpec, hookimpl` is the one import path that plugins need, and the
built-in plugins use no other. A name here changes only with a `DeprecationWarning` for one minor release; what is not
here may change in any. Names are loaded when first used, so that a light `plugin.py` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnviz_jax import targets as targets
    from cnnviz_jax.compiling import compiled as compiled
    from cnnviz_jax.compiling import compiler_options as compiler_options
    from cnnviz_jax.data.dataset import Dataset as Dataset
    from cnnviz_jax.data.fills import blurred as blurred
    from cnnviz_jax.data.fills import fill_of as fill_of
    from cnnviz_jax.data.images import load_image as load_image
    from cnnviz_jax.data.noise import Noise as Noise
    from cnnviz_jax.data.noise import noisy_image as noisy_image
    from cnnviz_jax.data.source import Example as Example
    from cnnviz_jax.data.source import Source as Source
    from cnnviz_jax.downloads import cached_file as cached_file
    from cnnviz_jax.engine.case import Case as Case
    from cnnviz_jax.engine.fold import Fold as Fold
    from cnnviz_jax.engine.fold import WholeImage as WholeImage
    from cnnviz_jax.engine.fold_run import run_fold as run_fold
    from cnnviz_jax.engine.iteration import Iteration as Iteration
    from cnnviz_jax.engine.keys import keys_for as keys_for
    from cnnviz_jax.engine.keys import root_key as root_key
    from cnnviz_jax.engine.keys import word_id as word_id
    from cnnviz_jax.engine.measure import EvaluatedMap as EvaluatedMap
    from cnnviz_jax.engine.measure import HostCase as HostCase
    from cnnviz_jax.engine.measure import HostMetric as HostMetric
    from cnnviz_jax.engine.measure import MetricFold as MetricFold
    from cnnviz_jax.engine.progress import Progress as Progress
    from cnnviz_jax.engine.progress import silent as silent
    from cnnviz_jax.engine.reducers.exact_sum import ADDITIONS as ADDITIONS
    from cnnviz_jax.engine.reducers.exact_sum import LIMBS as LIMBS
    from cnnviz_jax.engine.reducers.exact_sum import UNIT_EXPONENT as UNIT_EXPONENT
    from cnnviz_jax.engine.reducers.exact_sum import exact_limbs as exact_limbs
    from cnnviz_jax.engine.reducers.exact_sum import exact_totals as exact_totals
    from cnnviz_jax.engine.reducers.exact_sum import normalised as normalised
    from cnnviz_jax.engine.reducers.histogram import LogHistogram as LogHistogram
    from cnnviz_jax.engine.reducers.histogram import quantiles as quantiles
    from cnnviz_jax.engine.reducers.moments import Moments as Moments
    from cnnviz_jax.engine.reducers.reducer import Batch as Batch
    from cnnviz_jax.engine.reducers.reducer import Delta as Delta
    from cnnviz_jax.engine.reducers.reducer import LayerReducer as LayerReducer
    from cnnviz_jax.engine.reducers.reducer import Reducer as Reducer
    from cnnviz_jax.engine.reducers.reducer import Total as Total
    from cnnviz_jax.engine.reducers.reducer import added as added
    from cnnviz_jax.engine.reducers.reducer import by_position as by_position
    from cnnviz_jax.engine.reducers.reducer import extremes as extremes
    from cnnviz_jax.engine.reducers.reducer import positions as positions
    from cnnviz_jax.engine.reducers.top_k import TopK as TopK
    from cnnviz_jax.engine.survey import SurveyPlan as SurveyPlan
    from cnnviz_jax.engine.survey import run_survey as run_survey
    from cnnviz_jax.engine.survey import surveyed_layer as surveyed_layer
    from cnnviz_jax.errors import CnnvizError as CnnvizError
    from cnnviz_jax.errors import ImageError as ImageError
    from cnnviz_jax.errors import LayerKindError as LayerKindError
    from cnnviz_jax.errors import LayerNotFoundError as LayerNotFoundError
    from cnnviz_jax.errors import ModelError as ModelError
    from cnnviz_jax.errors import PluginError as PluginError
    from cnnviz_jax.errors import RenderError as RenderError
    from cnnviz_jax.errors import RuleError as RuleError
    from cnnviz_jax.errors import TargetError as TargetError
    from cnnviz_jax.errors import UsageError as UsageError
    from cnnviz_jax.errors import WeightsError as WeightsError
    from cnnviz_jax.errors import WindowError as WindowError
    from cnnviz_jax.errors import did_you_mean as did_you_mean
    from cnnviz_jax.extras import require as require
    from cnnviz_jax.model.layers import INPUT as INPUT
    from cnnviz_jax.model.layers import Layer as Layer
    from cnnviz_jax.model.model import Model as Model
    from cnnviz_jax.model.pure import AdaptOptions as AdaptOptions
    from cnnviz_jax.model.pure import Axes as Axes
    from cnnviz_jax.model.pure import PureModel as PureModel
    from cnnviz_jax.model.resizing import resized_model as resized_model
    from cnnviz_jax.model.structure import Structure as Structure
    from cnnviz_jax.model.window_sweep import WindowSweep as WindowSweep
    from cnnviz_jax.options.checks import check_at_least as check_at_least
    from cnnviz_jax.options.checks import check_positive as check_positive
    from cnnviz_jax.options.checks import check_size as check_size
    from cnnviz_jax.options.fills import FIXED_FILL_WORDS as FIXED_FILL_WORDS
    from cnnviz_jax.options.fills import Fill as Fill
    from cnnviz_jax.options.fills import check_fill as check_fill
    from cnnviz_jax.options.values import call_of as call_of
    from cnnviz_jax.options.values import number_in as number_in
    from cnnviz_jax.options.values import word_and_number as word_and_number
    from cnnviz_jax.plugins.hookspecs import hookimpl as hookimpl
    from cnnviz_jax.plugins.references import import_factory as import_factory
    from cnnviz_jax.plugins.references import import_reference as import_reference
    from cnnviz_jax.plugins.specs import AdapterSpec as AdapterSpec
    from cnnviz_jax.plugins.specs import ModelSpec as ModelSpec
    from cnnviz_jax.plugins.specs import RendererSpec as RendererSpec
    from cnnviz_jax.plugins.specs import TechniqueSpec as TechniqueSpec
    from cnnviz_jax.plugins.specs import WeightsSpec as WeightsSpec
    from cnnviz_jax.plugins.specs import technique as technique
    from cnnviz_jax.plugins.specs import techniques_in as techniques_in
    from cnnviz_jax.program.analysis.receptive_field import Field as Field
    from cnnviz_jax.program.graph.evaluator import Override as Override
    from cnnviz_jax.program.graph.graph import Node as Node
    from cnnviz_jax.program.graph.primitives import ELEMENTWISE as ELEMENTWISE
    from cnnviz_jax.program.graph.primitives import GLUE as GLUE
    from cnnviz_jax.program.graph.primitives import RECASTS as RECASTS
    from cnnviz_jax.program.layers.activations import ACTIVATION_KINDS as ACTIVATION_KINDS
    from cnnviz_jax.program.layers.nodes import LayerNode as LayerNode
    from cnnviz_jax.program.layers.operations import Operation as Operation
    from cnnviz_jax.program.program import Handler as Handler
    from cnnviz_jax.program.windows.plan import WindowPlan as WindowPlan
    from cnnviz_jax.recorder import Recorder as Recorder
    from cnnviz_jax.recorder import Weights as Weights
    from cnnviz_jax.recorder import with_weights as with_weights
    from cnnviz_jax.results.attribution import Attribution as Attribution
    from cnnviz_jax.results.attribution import Heatmap as Heatmap
    from cnnviz_jax.results.attribution import Prediction as Prediction
    from cnnviz_jax.results.attribution import View as View
    from cnnviz_jax.results.evolution import Evolution as Evolution
    from cnnviz_jax.results.evolution import lengths as lengths
    from cnnviz_jax.results.evolution import line_of as line_of
    from cnnviz_jax.results.measurement import Better as Better
    from cnnviz_jax.results.measurement import Comparison as Comparison
    from cnnviz_jax.results.measurement import Measured as Measured
    from cnnviz_jax.results.measurement import Measurement as Measurement
    from cnnviz_jax.results.provenance import Provenance as Provenance
    from cnnviz_jax.results.pytrees import static as static
    from cnnviz_jax.results.report import Report as Report
    from cnnviz_jax.results.synthesis import Status as Status
    from cnnviz_jax.results.synthesis import Synthesis as Synthesis
    from cnnviz_jax.results.units import Dissection as Dissection
    from cnnviz_jax.results.units import Distributions as Distributions
    from cnnviz_jax.results.units import Exemplars as Exemplars
    from cnnviz_jax.results.units import grouped as grouped
    from cnnviz_jax.results.weights import Convolution as Convolution
    from cnnviz_jax.results.weights import EffectiveReceptiveField as EffectiveReceptiveField
    from cnnviz_jax.results.weights import FilterBank as FilterBank
    from cnnviz_jax.results.weights import FilterMatch as FilterMatch
    from cnnviz_jax.results.weights import FilterVariety as FilterVariety
    from cnnviz_jax.results.weights import LayerVariety as LayerVariety
    from cnnviz_jax.results.weights import ReceptiveFields as ReceptiveFields
    from cnnviz_jax.targets.classes import ClassScore as ClassScore
    from cnnviz_jax.targets.combining import TargetWithInputs as TargetWithInputs
    from cnnviz_jax.targets.combining import group_scores as group_scores
    from cnnviz_jax.targets.combining import mapped as mapped
    from cnnviz_jax.targets.combining import terms_of as terms_of
    from cnnviz_jax.targets.layers import Direction as Direction
    from cnnviz_jax.targets.layers import Diversity as Diversity
    from cnnviz_jax.targets.layers import InnerChannel as InnerChannel
    from cnnviz_jax.targets.target import LayerTarget as LayerTarget
    from cnnviz_jax.targets.target import Target as Target
    from cnnviz_jax.targets.units import Channel as Channel
    from cnnviz_jax.targets.units import Neuron as Neuron
    from cnnviz_jax.verbs.adapt import adapt as adapt
    from cnnviz_jax.verbs.capture import capture as capture
    from cnnviz_jax.verbs.load_model import load_model as load_model
    from cnnviz_jax.verbs.survey import survey as survey
    from cnnviz_jax.verbs.synthesize import synthesize as synthesize

_HOME = {
    "compiling": "compiled compiler_options",
    "data.dataset": "Dataset",
    "data.fills": "blurred fill_of",
    "data.images": "load_image",
    "data.noise": "Noise noisy_image",
    "data.source": "Example Source",
    "downloads": "cached_file",
    "engine.case": "Case",
    "engine.fold": "Fold WholeImage",
    "engine.fold_run": "run_fold",
    "engine.iteration": "Iteration",
    "engine.keys": "keys_for root_key word_id",
    "engine.measure": "EvaluatedMap HostCase HostMetric MetricFold",
    "engine.progress": "Progress silent",
    "engine.reducers.exact_sum": "ADDITIONS LIMBS UNIT_EXPONENT exact_limbs exact_totals normalised",
    "engine.reducers.histogram": "LogHistogram quantiles",
    "engine.reducers.moments": "Moments",
    "engine.reducers.reducer": "Batch Delta LayerReducer Reducer Total added by_position extremes positions",
    "engine.reducers.top_k": "TopK",
    "engine.survey": "SurveyPlan run_survey surveyed_layer",
    "errors": (
        "CnnvizError ImageError LayerKindError LayerNotFoundError ModelError PluginError RenderError "
        "RuleError TargetError UsageError WeightsError WindowError did_you_mean"
    ),
    "model.layers": "INPUT Layer",
    "model.model": "Model",
    "model.pure": "AdaptOptions Axes PureModel",
    "model.resizing": "resized_model",
    "model.structure": "Structure",
    "model.window_sweep": "WindowSweep",
    "options.checks": "check_at_least check_positive check_size",
    "options.fills": "FIXED_FILL_WORDS Fill check_fill",
    "options.values": "call_of number_in word_and_number",
    "extras": "require",
    "plugins.hookspecs": "hookimpl",
    "plugins.references": "import_factory import_reference",
    "plugins.specs": "AdapterSpec ModelSpec RendererSpec TechniqueSpec WeightsSpec technique techniques_in",
    "program.analysis.receptive_field": "Field",
    "program.graph.evaluator": "Override",
    "program.graph.graph": "Node",
    "program.graph.primitives": "ELEMENTWISE GLUE RECASTS",
    "program.layers.activations": "ACTIVATION_KINDS",
    "program.layers.nodes": "LayerNode",
    "program.layers.operations": "Operation",
    "program.program": "Handler",
    "program.windows.plan": "WindowPlan",
    "recorder": "Recorder Weights with_weights",
    "results.attribution": "Attribution Heatmap Prediction View",
    "results.evolution": "Evolution lengths line_of",
    "results.measurement": "Better Comparison Measured Measurement",
    "results.provenance": "Provenance",
    "results.pytrees": "static",
    "results.report": "Report",
    "results.synthesis": "Status Synthesis",
    "results.units": "Dissection Distributions Exemplars grouped",
    "results.weights": (
        "Convolution EffectiveReceptiveField FilterBank FilterMatch FilterVariety LayerVariety ReceptiveFields"
    ),
    "targets.classes": "ClassScore",
    "targets.combining": "TargetWithInputs group_scores mapped terms_of",
    "targets.layers": "Direction Diversity InnerChannel",
    "targets.target": "LayerTarget Target",
    "targets.units": "Channel Neuron",
    "verbs.adapt": "adapt",
    "verbs.capture": "capture",
    "verbs.load_model": "load_model",
    "verbs.survey": "survey",
    "verbs.synthesize": "synthesize",
}
"""Module to the public names in it."""
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = sorted([*_MODULE_OF, "targets"])


def __getattr__(name: str) -> Any:
    if name == "targets":
        return importlib.import_module("cnnviz_jax.targets")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cnnviz_jax.plugin' has no attribute {name!r}")
    return getattr(importlib.import_module(f"cnnviz_jax.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
