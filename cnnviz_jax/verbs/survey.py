"""`cv.survey`: what units answer to over many images, in one streaming pass."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, overload

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.unreadable import check_some_read
from cnnviz_jax.engine import Chunk, Progress, as_callable
from cnnviz_jax.engine.spatial_axes import check_axes
from cnnviz_jax.engine.survey import run_survey
from cnnviz_jax.engine.surveys import Surveyed, at_layers, gathered
from cnnviz_jax.engine.techniques import running
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.plugins.configs import SurveyConfig
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.provenance import Call
from cnnviz_jax.verbs.outermost import verb

Returned = TypeVar("Returned")


@overload
def survey(
    technique: SurveyConfig[Returned],
    model: Model,
    images: Any,
    labels: Any = None,
    *,
    layer: str | None = None,
    names: Sequence[str] | None = None,
    fields: Mapping[str, Any] | None = None,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
) -> Returned: ...


@overload
def survey(
    technique: str | TechniqueSpec,
    model: Model,
    images: Any,
    labels: Any = None,
    *,
    layer: str | None = None,
    names: Sequence[str] | None = None,
    fields: Mapping[str, Any] | None = None,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Any: ...


@verb
def survey(
    technique: str | TechniqueSpec | SurveyConfig[Any],
    model: Model,
    images: Any,
    labels: Any = None,
    *,
    layer: str | None = None,
    names: Sequence[str] | None = None,
    fields: Mapping[str, Any] | None = None,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Any:
    """Return what a survey technique found out about a layer's units, such as `Exemplars` or `Distributions`.

    Of several layers, `layer="all"` or a pattern, it is a dict of results by layer, gathered in one pass.

    Images are read once, a batch at a time; any number of them fits.

    Args:
        technique: Name of a survey technique, as `cnnviz techniques --kind survey` lists them, its record, or its
            config, such as `cv.techniques.Exemplars(k=4)`: then type checkers know what comes back.
        model: From `cv.adapt` or `cv.load_model`.
        images: Images (n, h, w, c) in [0, 1], or the path of a folder, an `.npz` or a `.zarr`. Series (n, t, c) and
            volumes (n, d, h, w, c) where the model takes such, as an array or the `images` of an `.npz` or `.zarr`.
        labels: One class index per image, -1 where unknown; for a folder `"folders"` or a CSV file.
        layer: The layer whose units are looked at; the last one with a map when not given. `all`, or a pattern such as
            `relu*` or `conv1,conv2`, names several.
        names: One name per image, where `images` is an array.
        fields: Further arrays by name, one row per image, that the technique reads, where `images` is an array;
            `concepts` (n, concepts, h, w) for `dissection`.
        batch: Images at once; decides speed and memory.
        memory_budget: Bytes the compiled program may need; `None` for a share of what is free.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.
        **options: The technique's own; see `cnnviz survey TECHNIQUE --help`.

    Raises:
        CnnvizError: A subclass says which of name, option, image, label or layer does not fit, and what would.

    Cost: one forward pass per image, up to the deepest layer, for each pass of the technique, and a fraction of it for
    the reducers of each layer.
    """
    require_model(model)
    data = {"images": images, "labels": labels, "names": names, "fields": fields}
    call = Call.of({}, data)
    names_of_layers = None if layer is None else model.layers.matching(layer)
    if layer is not None and names_of_layers is None:
        options = {"layer": model.layers.resolve(layer), **options}
    spec, config = technique_and_config(technique, "survey", options)
    configs = [config]
    if names_of_layers is not None:
        if "layer" not in {field.name for field in dataclasses.fields(spec.config)}:
            raise UsageError(f"{spec.name} has no option 'layer': it cannot be run at {layer!r}")
        configs = at_layers(config, names_of_layers)
    # First, as it refuses layers and units, and opening a data set may read all of it.
    surveys = [Surveyed.of(spec, each, model) for each in configs]
    others = "which exemplars, distributions, dissection, relevance-maximization and tcav take"
    for each in surveys:
        check_axes(spec.name, each.plan.axes, model, others)
    dataset = Dataset.of(
        images, model.input_shape, labels=labels, names=names, class_names=model.labels, fields=fields,
        space=model.structure.space,
    )  # fmt: skip
    run = partial(run_survey, batch=batch, memory_budget=memory_budget, progress=as_callable(progress))
    with running(spec):
        found, _, unreadable = gathered(surveys, model, dataset, run)
    check_some_read(unreadable, len(dataset))
    results = [each.result(own, dataset, model, unreadable, call) for each, own in zip(surveys, found, strict=True)]
    return results[0] if names_of_layers is None else dict(zip(names_of_layers, results, strict=True))
