"""The closed list of classes that a stored result may hold. A file can name no other."""

import functools
from fractions import Fraction

from cnnviz_jax import targets
from cnnviz_jax.program.analysis.reach import IndexMap, Reach
from cnnviz_jax.program.analysis.receptive_field import Field
from cnnviz_jax.results import attribution, evolution, measurement, provenance, report, synthesis, units, weights

_IN_RESULTS = (
    attribution.Attribution,
    attribution.Prediction,
    evolution.Evolution,
    measurement.Comparison,
    measurement.Measurement,
    provenance.Call,
    provenance.Provenance,
    provenance.Unstored,
    report.Report,
    synthesis.Synthesis,
    units.Dissection,
    units.Distributions,
    units.Exemplars,
    weights.Convolution,
    weights.EffectiveReceptiveField,
    weights.FilterBank,
    weights.FilterMatch,
    weights.FilterVariety,
    weights.LayerVariety,
    weights.ReceptiveFields,
)
_IN_FIELDS = (Field, Reach, IndexMap, Fraction)
_TARGETS = (
    targets.Channel,
    targets.ClassScore,
    targets.Direction,
    targets.Diversity,
    targets.InnerChannel,
    targets.Neuron,
    targets.Pixels,
    targets.Similarity,
    targets.TargetWithInputs,
    targets.WeightedSum,
    targets.WholeLayer,
)


@functools.cache
def storable() -> dict[str, type]:
    """Return the classes by the name under which files hold them."""
    return {each.__name__: each for each in (*_IN_RESULTS, *_IN_FIELDS, *_TARGETS)}
