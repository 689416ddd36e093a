"""The closed list of classes that a stored result may hold: ours, and those that plugins' records name.

A file can name no other, and no plugin by itself.
"""

import functools
from fractions import Fraction

from cnnviz_jax import targets
from cnnviz_jax.errors import PluginError
from cnnviz_jax.plugins import Plugins, plugins
from cnnviz_jax.plugins.references import import_reference
from cnnviz_jax.program.analysis.reach import IndexMap, Reach
from cnnviz_jax.program.analysis.receptive_field import Field
from cnnviz_jax.results import (
    attribution,
    dictionary,
    difference,
    evolution,
    intervention,
    measurement,
    naming,
    provenance,
    recommendation,
    report,
    shortcuts,
    synthesis,
    units,
    weights,
)
from cnnviz_jax.similarity import Calibration, Flips

_IN_RESULTS = (
    attribution.Attribution,
    attribution.Prediction,
    Calibration,
    Flips,
    difference.AloneConcept,
    difference.Answers,
    difference.Difference,
    difference.Drift,
    difference.LayerConcepts,
    difference.LayerMatches,
    difference.Moved,
    dictionary.Dictionary,
    dictionary.FeatureImportance,
    evolution.Evolution,
    intervention.Intervention,
    measurement.Comparison,
    measurement.Measurement,
    naming.UnitNames,
    provenance.Call,
    provenance.Provenance,
    provenance.Unstored,
    recommendation.Recommendation,
    report.Report,
    shortcuts.Shortcuts,
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
    targets.Feature,
    targets.InnerChannel,
    targets.Neuron,
    targets.Pixels,
    targets.Similarity,
    targets.TargetWithInputs,
    targets.WeightedSum,
    targets.WholeLayer,
)


def storable() -> dict[str, type]:
    """Return the classes by the name under which files hold them; of two of one name the first, and ours first."""
    return _storable(plugins())


@functools.lru_cache(maxsize=1)
def _storable(manager: Plugins) -> dict[str, type]:
    specs = manager.techniques.values()
    references = [name for spec in specs for name in (spec.result, *spec.holds) if ":" in name]
    owned = [import_reference(each, "result of a technique", error=PluginError) for each in references]
    found: dict[str, type] = {}
    for each in (*_IN_RESULTS, *_IN_FIELDS, *_TARGETS, *owned):
        found.setdefault(each.__name__, each)
    return found
