"""From the words of a `[[survey]]` to reducers: survey techniques, the core's own, or any factory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.source import Source
from cnnviz_jax.engine.reducers import Confusion, FireCounts, LogHistogram, Moments, Reducer, TopK
from cnnviz_jax.engine.techniques import resolve_technique
from cnnviz_jax.errors import CnnvizError, did_you_mean
from cnnviz_jax.model.layers import Layer
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import import_factory, is_reference
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.spec import Survey


def survey_plan(survey: Survey) -> TechniqueSpec | None:
    """Return the survey technique that a `[[survey]]` names; `None` for a core reducer or a factory."""
    spec = plugins().techniques.get(survey.technique)
    return spec if spec is not None and spec.kind == "survey" else None


def reducers_of(survey: Survey, model: Model, source: Source) -> dict[str, Reducer]:
    """Return the reducers of one `[[survey]]` by layer, or by whatever its technique or factory calls them.

    A survey technique's `build(config, model)` returns a `SurveyPlan`, whose further reducers for labelled images
    run where the source gives labels. A factory `(model, **options)` returns a `Reducer` or a dict of them by name.

    Raises:
        SweepUsageError: Nothing has that name, an option does not exist, or what was built is no reducer.
    """
    options, spec = dict(survey.options), survey_plan(survey)
    if spec is not None:
        plan = resolve_technique(spec, "survey", options, model).built
        if plan.then:
            raise SweepUsageError(
                f"{survey.technique} reads the images {len(plan.then) + 1} times and a sweep reads them once; "
                f"`cnnviz survey {survey.technique}` runs it"
            )
        found = dict(plan.reducers)
        dataset = Dataset.of(source, model.input_shape, class_names=model.labels)
        if dataset.is_labelled:
            found |= plan.labelled(len(dataset.class_names) or model.class_count)
        return _by_name(found, survey)
    if survey.technique in CORE:
        return _by_name(_called(CORE[survey.technique], model, survey, options), survey)
    if is_reference(survey.technique):
        factory = import_factory(survey.technique, "reducer", error=SweepUsageError)
        return _by_name(_called(factory, model, survey, options), survey)
    names = [*CORE, *(name for name, each in plugins().techniques.items() if each.kind == "survey")]
    raise SweepUsageError(
        f"no survey {survey.technique!r}.{did_you_mean(survey.technique, names)} There are: "
        f"{', '.join(sorted(set(names)))}, and package.module:factory"
    )


def _called(function: Callable[..., Any], model: Model, survey: Survey, options: dict[str, Any]) -> Any:
    # A TypeError is most often a wrong option's name, which Python words well enough.
    try:
        return function(model, **options)
    except (TypeError, CnnvizError) as error:
        raise SweepUsageError(f"{survey.technique}: {error}") from error


def _by_name(found: Any, survey: Survey) -> dict[str, Reducer]:
    built = found
    if isinstance(found, Reducer):
        found = {"all": found}
    if not isinstance(found, Mapping) or not found or not all(isinstance(each, Reducer) for each in found.values()):
        raise SweepUsageError(
            f"{survey.technique} built a {type(built).__name__}; a Reducer, or a dict of them, is needed"
        )
    return dict(found)


def _layers(model: Model, layers: Sequence[str] | str | None) -> list[Layer]:
    """Return the layers named, or every convolution."""
    if layers is None:
        chosen = [layer for layer in model.layers.values() if layer.kind == "conv"]
        if not chosen:
            raise SweepUsageError(f"{model.name} has no convolution; name layers")
        return chosen
    return [model.layers[name] for name in ([layers] if isinstance(layers, str) else layers)]


def _per_layer(kind: Any) -> Callable[..., dict[str, Reducer]]:
    def build(model: Model, layers: Sequence[str] | str | None = None, **options: Any) -> dict[str, Reducer]:
        return {layer.name: kind(layer=layer.name, shape=layer.shape, **options) for layer in _layers(model, layers)}

    return build


def _fire_counts(
    model: Model, layers: Sequence[str] | str | None = None, classes: int | None = None, **options: Any
) -> dict[str, Reducer]:
    return _per_layer(FireCounts)(model, layers, classes=classes or model.class_count, **options)


CORE: dict[str, Callable[..., Any]] = {
    "top-k": _per_layer(TopK),
    "histogram": _per_layer(LogHistogram),
    "moments": _per_layer(Moments),
    "fire-counts": _fire_counts,
    "confusion": lambda model: Confusion(classes=model.class_count),
}
"""The core's reducers by the name that a `[[survey]]` gives them; `layers` defaults to every convolution."""
