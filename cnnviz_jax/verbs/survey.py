"""`cv.survey`: what units answer to over many images, in one streaming pass."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, overload

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine import Chunk, Progress, as_callable
from cnnviz_jax.engine.survey import run_survey
from cnnviz_jax.engine.techniques import build, running
from cnnviz_jax.errors import ImageError
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.plugins.configs import SurveyConfig
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.provenance import Call, Provenance
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

    Images are read once, a batch at a time; any number of them fits.

    Args:
        technique: Name of a survey technique, as `cnnviz techniques --kind survey` lists them, its record, or its
            config, such as `cv.techniques.Exemplars(k=4)`: then type checkers know what comes back.
        model: From `cv.adapt` or `cv.load_model`.
        images: Images (n, h, w, c) in [0, 1], or the path of a folder, an `.npz` or a `.zarr`.
        labels: One class index per image, -1 where unknown; for a folder `"folders"` or a CSV file.
        layer: The layer whose units are looked at; the last one with a map when not given.
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

    Cost: one forward pass per image, up to the layer, for each pass of the technique, and a fraction of it for the
    reducers.
    """
    require_model(model)
    data = {"images": images, "labels": labels, "names": names, "fields": fields}
    call = Call.of({}, data)
    if layer is not None:
        options = {"layer": model.layers.resolve(layer), **options}
    spec, config = technique_and_config(technique, "survey", options)
    plan = build(spec, config, model)  # first: it refuses layers and units, and opening a data set may read all of it
    dataset = Dataset.of(images, model.input_shape, labels=labels, names=names, class_names=model.labels, fields=fields)
    with running(spec):
        reducers = dict(plan.reducers)
        if dataset.is_labelled:
            reducers |= plan.labelled(len(dataset.class_names) or model.class_count)
    run = partial(
        run_survey,
        model=model,
        dataset=dataset,
        batch=batch,
        memory_budget=memory_budget,
        progress=as_callable(progress),
    )
    with running(spec):
        found, unreadable = run(reducers)
        for further in plan.then if len(unreadable) < len(dataset) else ():
            found |= run(dict(further(found, dataset)))[0]
    if len(unreadable) == len(dataset):
        raise ImageError(f"none of {len(dataset)} images can be read; the first: {unreadable[0]}")
    read = next((layer for reducer in reducers.values() for layer in reducer.layers), None)
    notes = (
        ("images", len(dataset) - len(unreadable)),
        ("unreadable", tuple(unreadable.values())),
        ("dataset", dataset.source.digest()),
    )
    provenance = Provenance.of(spec.name, model, config, layer=read, notes=notes, call=call)
    with running(spec):
        return plan.finish(found, dataset, provenance)
