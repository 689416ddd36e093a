"""The main job: a model and a few images in, one offline page of everything out."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jax
import numpy as np

from cnnviz_jax.data.given import Images, check_images, image_names
from cnnviz_jax.engine import Progress, as_callable, stage
from cnnviz_jax.engine.techniques import resolve_technique
from cnnviz_jax.errors import CnnvizError
from cnnviz_jax.model.layers import Layer
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.model.predicting import predictions
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.specs import EVIDENCES, TechniqueSpec
from cnnviz_jax.results.provenance import versions
from cnnviz_jax.results.report import Report
from cnnviz_jax.site.of_network import site_of
from cnnviz_jax.verbs.explain import explain
from cnnviz_jax.verbs.inspect import inspect
from cnnviz_jax.verbs.outermost import verb
from cnnviz_jax.verbs.render import check_output, render
from cnnviz_jax.verbs.synthesize import synthesize

_SYNTHESIZED_LAYERS = 3
_SYNTHESIZED_CHANNELS = 8


@verb
def report(
    model: Model,
    images: Images,
    out: str | Path | None = None,
    *,
    target: Any = None,
    techniques: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    site: str | Path | None = None,
    key: Any = None,
    progress: Progress | bool | None = None,
) -> Report:
    """Return, and write to `out`, predictions and every installed technique's result side by side.

    Every technique of the kinds explain, inspect and synthesize whose record says `in_report` runs with its
    defaults, also those of third parties. One that refuses this model is listed with its reason. Explanations stand in
    the order of what they rest on, as `TechniqueSpec.evidence` says it; those that are named, in the order given.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        images: A few images in [0, 1], or one image.
        out: The page to write, such as `page.html`; `None` writes nothing.
        target: What is explained; each image's top class when not given.
        techniques: Names of the techniques to run; all whose record says `in_report` when not given.
        names: One name per image.
        site: A site that `cv.explore` made of the same network: layers and units link to their pages there.
        key: Seed or key of everything random.
        progress: Called as `progress(done, total, what)`, in thousandths of a technique.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        ImageError: The images do not fit the model.
        RenderError: `out` cannot be written; said before any work.
        UsageError: There is no site in the folder, or it is of other weights.
    """
    require_model(model)
    images = check_images(images, model.input_shape)
    titles = image_names(names, len(images))
    if out is not None:
        check_output(Report.__name__, Path(out))
    linked = {} if site is None else _site(site, model, Path.cwd() if out is None else Path(out).parent)
    known = plugins().techniques
    asked = techniques if techniques is not None else usual(known)
    kinds = {name: plugins().technique(name).kind for name in asked}
    attributions = _explanations([name for name in kinds if kinds[name] == "explain"], model, images, target, key)
    syntheses = _syntheses([name for name in kinds if kinds[name] == "synthesize"], model, key)
    inspections: dict[str, Task] = {
        name: lambda progress, name=name: inspect(name, model) for name in kinds if kinds[name] == "inspect"
    }
    tell, tasks = as_callable(progress), {**attributions, **inspections, **syntheses}
    results: dict[str, Any] = {}
    refused: dict[str, str] = {}
    elapsed_s: dict[str, float] = {}
    for number, (name, task) in enumerate(tasks.items()):
        began = time.monotonic()
        try:
            results[name] = task(progress=stage(tell, number, len(tasks), name))
        except CnnvizError as reason:
            refused[name] = str(reason)
        elapsed_s[name] = time.monotonic() - began
    tell(1000 * len(tasks), 1000 * len(tasks), "done")
    page = Report(
        title=f"{model.name}: what it looks at, what it answers to",
        model=_facts(model),
        layers=tuple(_row(layer) for layer in model.layers.values()),
        names=titles,
        images=images,
        predictions=predictions(model, images),
        attributions={name: results[name] for name in attributions if name in results},
        inspections={name: results[name] for name in inspections if name in results},
        syntheses={name: results[name] for name in syntheses if name in results},
        summaries={name: spec.summary for name, spec in known.items()},
        refused=refused,
        elapsed_s=elapsed_s,
        versions=versions(),
        warnings=model.warnings,
        **linked,
    )
    if out is not None:
        render(page, out)
    return page


def _site(folder: str | Path, model: Model, beside: Path) -> dict[str, Any]:
    """Return the fields of a report that say where a site is, as seen from the page's folder.

    Raises:
        UsageError: There is no site in the folder, or it is of other weights.
    """
    found = site_of(model, folder)
    page = (found.folder.root / "index.html").resolve()
    try:
        address = quote(Path(os.path.relpath(page, beside.resolve())).as_posix())
    except ValueError:  # on another drive
        address = page.as_uri()
    return {"site": address, "site_layers": found.layers}


def usual(known: Mapping[str, TechniqueSpec]) -> list[str]:
    """Return the names of those that run unasked, explanations in the order of what they rest on."""
    names = (name for name, spec in known.items() if spec.in_report)
    return sorted(names, key=lambda name: EVIDENCES.index(known[name].evidence))


Task = Callable[..., Any]
"""Takes the keyword `progress`."""


def _explanations(names: Sequence[str], model: Model, images: Any, target: Any, key: Any) -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for name in names:
        tasks[name] = partial(explain, name, model, images, target, key=key)
        first = next((layer.name for layer in model.layers.values() if layer.kind == "conv" and layer.is_map), None)
        if first is not None and _shows_maps(name, model):  # channel maps are worth seeing at the first layer too
            tasks[f"{name} {first}"] = partial(explain, name, model, images, target, key=key, layer=first)
    return tasks


def _shows_maps(name: str, model: Model) -> bool:
    try:
        return bool(resolve_technique(name, "explain", {}, model).built.view == "maps")
    except CnnvizError:
        return False


def _syntheses(names: Sequence[str], model: Model, key: Any) -> dict[str, Task]:
    convolutions = [layer for layer in model.layers.values() if layer.kind == "conv" and layer.is_map]
    picked = (
        sorted({round(i) for i in np.linspace(0, len(convolutions) - 1, _SYNTHESIZED_LAYERS)}) if convolutions else []
    )
    tasks: dict[str, Task] = {}
    for name in names:
        for layer in (convolutions[i] for i in picked):
            channels = list(range(min(_SYNTHESIZED_CHANNELS, layer.channels)))
            task = partial(synthesize, name, model, layer=layer.name, channels=channels, key=key)
            tasks[f"{name} {layer.name}"] = task
    return tasks


def _facts(model: Model) -> dict[str, str]:
    count = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(model.params) if hasattr(leaf, "shape"))
    height, width, channels = model.input_shape
    return {
        "model": model.name,
        "framework": model.structure.pure.framework,
        "input": f"{height} x {width} x {channels}",
        "weights and statistics": f"{count:,}",
        "layers": str(len(model.layers)),
        "device": jax.devices()[0].device_kind,
    }


def _row(layer: Layer) -> dict[str, Any]:
    field = layer.receptive_field
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": layer.shape,
        "params": ", ".join(layer.params),
        "receptive_field": None if field is None else field.size,
        "stride": None if field is None else field.stride,
    }
