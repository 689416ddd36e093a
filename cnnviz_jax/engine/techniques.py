"""From a technique's name and options to what its plugin built for a model, checked: the same for every verb."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from cnnviz_jax.engine.fold import Fold, WholeImage
from cnnviz_jax.engine.iteration import Iteration
from cnnviz_jax.engine.measure import HostMetric, MetricFold
from cnnviz_jax.engine.survey import SurveyPlan
from cnnviz_jax.errors import PluginError
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.arrays import without_numbers
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.configs import TechniqueConfig
from cnnviz_jax.plugins.foreign import code_of, foreign, title_of
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.specs import Kind, TechniqueSpec

_NEEDED: dict[Kind, tuple[tuple[type, ...], str]] = {
    "explain": ((Fold,), "a Fold or a function"),
    "synthesize": ((Iteration,), "an Iteration"),
    "inspect": ((), "a function of provenance"),
    "survey": ((SurveyPlan,), "a SurveyPlan"),
    "measure": ((MetricFold, HostMetric), "a MetricFold or HostMetric"),
    "dictionary": ((), "a function of a LearnerCase"),
}


@dataclass(frozen=True)
class Technique:
    """A technique resolved: its record, the config of the options given, and what it built for the model."""

    spec: TechniqueSpec
    config: Any
    built: Any
    """A `Fold`, `Iteration`, function of provenance, `SurveyPlan`, `MetricFold`, `HostMetric` or learner, by kind."""


def resolve_technique(
    technique: str | TechniqueSpec | TechniqueConfig, kind: Kind, options: dict[str, Any], model: Any
) -> Technique:
    """Return a technique with its config and what it built for `model`.

    Raises:
        CnnvizError: As `technique_and_config` and `build`.
    """
    spec, config = technique_and_config(technique, kind, options)
    return Technique(spec, config, build(spec, without_numbers(config), model))


def build(spec: TechniqueSpec, config: Any, *subject: Any) -> Any:
    """Return what a technique's `build(config, *subject)` returns; a plain function of explain as a `WholeImage`.

    Raises:
        PluginError: It returns something else than its kind must, or fails with an error that is not ours.
        CnnvizError: The technique's own reason to refuse this model or these options.
    """
    function = load(spec.build)  # outside of the try: what is wrong with a reference has a sentence of its own
    title = title_of(plugins(), "technique", spec)
    with foreign(f"the build of {title}"):
        built = function(config, *subject)
    kinds, needed = _NEEDED[spec.kind]
    if isinstance(built, kinds):
        return built
    # The identity is the plugin's name for it and the options: whichever closure `build` made, it computes the same.
    if callable(built) and spec.kind == "explain":
        return WholeImage(identity=(spec.name, config), function=built)
    if callable(built) and spec.kind in ("inspect", "dictionary"):
        return built
    found = type(built).__name__
    article = "an" if found[0].lower() in "aeiou" else "a"
    raise PluginError(f"{title} built {article} {found}; {needed} is needed")


def running(spec: TechniqueSpec) -> AbstractContextManager[None]:
    """Return the block in which what a technique built is run; see `cnnviz_jax.plugins.foreign`."""
    return code_of(plugins(), "technique", spec)


def layer_note(model: Model, config: Any, layer: str | None) -> tuple[tuple[str, str], ...]:
    """Return the note that says why a layer is looked at that nobody named; none where somebody did."""
    default = model.program.default_layer if layer is not None and hasattr(config, "layer") else None
    if default is None or default.name != layer or config.layer or getattr(config, "layers", ()):
        return ()
    return (("layer_chosen", default.why),)
