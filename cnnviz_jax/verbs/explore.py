"""`cv.explore`: a folder of pages, one for every layer, unit, image and class of a network."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.unreadable import check_some_read
from cnnviz_jax.engine import Chunk, Progress, as_callable, key_text, root_key, stage
from cnnviz_jax.engine.survey import run_survey
from cnnviz_jax.engine.surveys import Surveyed
from cnnviz_jax.errors import LayerKindError, ModelError, RenderError, UsageError, did_you_mean
from cnnviz_jax.files import check_writable
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.options.building import names_of_options, technique_and_config
from cnnviz_jax.plugins import Plugins, plugins
from cnnviz_jax.plugins.rendering import renderer_for
from cnnviz_jax.results.synthesis import Synthesis
from cnnviz_jax.site.building import COLLECTION, Found, begin, digest_of, identity_of, write_collections, write_pages
from cnnviz_jax.site.case import Detail, Images
from cnnviz_jax.site.collections import Asked, SiteCase, collections_asked
from cnnviz_jax.site.folder import UNITS_PER_FILE, SiteFolder
from cnnviz_jax.site.gathering import gather
from cnnviz_jax.site.network import Layers, chosen_layers
from cnnviz_jax.site.reading import Site, site_in
from cnnviz_jax.site.synthesis_pages import chosen_units, groups_of, parsed, write_synthesis
from cnnviz_jax.verbs.outermost import verb
from cnnviz_jax.verbs.render import render
from cnnviz_jax.verbs.synthesis_paths import Paths, natural_images
from cnnviz_jax.verbs.synthesize import synthesize

TECHNIQUE = "activation-maximization"
"""Makes the images of units."""
_AT_ONCE = 64
"""Units in one call: the work that a kill can lose."""


@verb
def explore(
    model: Model,
    images: Any,
    out: str | Path,
    labels: Any = None,
    *,
    layers: Layers = None,
    detail: Detail = "full",
    synthesis: str = "none",
    recipe: str = "quick",
    beside: str | Path | None = None,
    panels: Sequence[str] = (),
    collections: Asked = (),
    masks: str | None = None,
    names: Sequence[str] | None = None,
    fields: Mapping[str, Any] | None = None,
    key: Any = None,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
) -> Site:
    """Return, and write to the folder `out`, a site: a page for every layer, unit, image and class of a network.

    `out/index.html` opens from the disk, from any web server and from a zip; nothing in it needs the network. All
    layers come from one pass over the images. Files appear whole, layer by layer: the same call continues a site that
    was interrupted, to the same bytes, and adds synthesised images to one that is complete.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        images: Images (n, h, w, c) in [0, 1], or the path of a folder, an `.npz` or a `.zarr`.
        out: The folder: new, empty, or a site of the same model, images, layers and detail.
        labels: One class index per image, -1 where unknown; for a folder `"folders"` or a CSV file.
        layers: Whose units get pages: names, `all`, patterns such as `relu*`; where not given, each convolution and
            dense layer behind its norm and activation.
        detail: `full` shows crops of up to 64 pixels, `light` of 32 and no levels below the maximum.
        synthesis: Images made to excite units: `none`, `top:N` for N units of each layer, or `all`. Each unit takes
            many forward and backward passes.
        recipe: How they are made, as `activation-maximization` has it.
        beside: A site in a folder beside `out`, of another checkpoint or network: units of equal layers link to a page
            that shows both.
        panels: Names of panels that are shown on request, beside all others, as `cnnviz panels` lists them, such as
            `relevance`.
        collections: Further pages, as `cnnviz collections` lists them, such as `["atlas:relu4", "grid:3"]`, or with
            options by name: `{"atlas": {"of": "relu4", "sizes": (10,)}}`.
        masks: The field in which images bring their concept masks (concepts, h, w), such as `concepts`: pages of
            concepts, and on each unit's page those that it detects. Two more passes over the images.
        names: One name per image, where `images` is an array.
        fields: Further arrays by name, one row per image, that a survey reads: masks are one.
        key: Seed or key of the synthesised images, and of what is random in collections.
        batch: Images at once in the pass; decides speed and memory.
        memory_budget: Bytes one compiled program may need; `None` for a share of what is free.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        CnnvizError: A subclass says which of model, image, label, layer, option or folder does not fit, and what would.

    Cost: one forward pass per image and about half more for what is gathered; a few milliseconds per unit for its
    pages; with synthesis, steps x units forward and backward passes.
    """
    require_model(model)
    if model.structure.space is not None:
        raise ModelError(
            f"a site shows images, and {model.name} takes {model.structure.space.words}; cv.survey, cv.explain and "
            "cv.synthesize look at its units one layer at a time"
        )
    if detail not in get_args(Detail):
        raise UsageError(f"detail is full or light, got {detail!r}")
    most, chosen, folder, registry = parsed(synthesis), chosen_layers(model, layers), SiteFolder(Path(out)), plugins()
    technique_and_config(TECHNIQUE, "synthesize", {"recipe": recipe})  # refused before any work, as are
    page = folder.root / "index.html"
    renderer_for(Site.__name__, page)  # a page that nothing writes and a folder that cannot be written
    try:
        check_writable(folder.root)
    except OSError as error:
        raise RenderError(f"cannot write in {folder.root}: {error.strerror}") from error
    if not registry.panels:
        raise UsageError("no panel is loaded, so that pages would be empty; `cnnviz plugins` shows why")
    if beside is not None:
        _check_beside(Path(beside), folder.root)
    chosen_panels = _panels(registry, panels, masks)
    further = collections_asked(registry, collections, masks)
    surveyed = {name: registry.panels[name].surveys for name in chosen_panels}
    surveyed |= {COLLECTION + name: spec.surveys for name, (spec, _) in further.items()}
    surveys, asked = _surveys(model, chosen, surveyed, masks)
    dataset = Dataset.of(images, model.input_shape, labels=labels, names=names, class_names=model.labels, fields=fields)
    if masks is not None and masks not in dataset.source.fields:
        listed = ", ".join(sorted(dataset.source.fields)) or "none"
        raise UsageError(f"the images bring no field {masks!r} with masks; their fields: {listed}")
    identity = identity_of(model, dataset, labels, chosen, detail, registry, chosen_panels, further, masks)
    summary = begin(folder, identity, model, dataset, [registry.panels[name] for name in chosen_panels])
    render(site_in(folder.root), page)
    tell, stages = as_callable(progress), 2 + (most != 0) + bool(further)
    there = {row["name"] for row in summary["collections"]}
    results: Found = {}
    if not summary["is_complete"] or any(spec.surveys and name not in there for name, (spec, _) in further.items()):
        tick = stage(tell, 0, stages, "images")
        run = partial(run_survey, batch=batch, memory_budget=memory_budget, progress=tick)
        found = gather(folder.gathered, digest_of(identity), surveys, model, dataset, run)
        check_some_read(found.unreadable, len(dataset))
        pages = stage(tell, 1, stages, "pages")
        results = write_pages(folder, summary, model, dataset, registry, surveys, asked, found, pages)
    if further:
        case = SiteCase(
            model=model, dataset=dataset, images=Images(dataset), shown=chosen, results={}, detail=detail, masks=masks,
            key=key, memory_budget=memory_budget,
        )  # fmt: skip
        pages = stage(tell, 2, stages, "collections")
        write_collections(folder, summary, further, case, results, registry, pages)
    folder.gathered.unlink(missing_ok=True)
    if most != 0:
        part = stage(tell, stages - 1, stages, "synthesis")
        _synthesise(folder, summary, model, dataset, most, recipe, key, memory_budget, part)
    if beside is not None and Path(beside).resolve().name not in summary["beside"]:
        summary["beside"].append(Path(beside).resolve().name)
        folder.write_summary(summary)
    tell(1000 * stages, 1000 * stages, "done")
    return site_in(folder.root)


def _check_beside(other: Path, root: Path) -> None:
    """Refuse a folder that holds no site, or does not lie beside this one, where the page would not find it."""
    _ = site_in(other)
    if other.resolve().parent != root.resolve().parent or other.resolve() == root.resolve():
        raise UsageError(
            f"{other} does not lie beside {root}; the page finds another site only in a folder next to its own"
        )
    if not re.fullmatch(r"[\w.-]+", other.resolve().name, re.ASCII):
        raise UsageError(f"the folder {other.resolve().name!r} is not made of letters, digits, `.`, `-` and `_`")


def _panels(registry: Plugins, asked: Sequence[str], masks: str | None) -> list[str]:
    """Return the names of the panels to show, in the order of the page."""
    for name in asked:
        if name not in registry.panels:
            raise UsageError(f"no panel {name!r}.{did_you_mean(name, registry.panels)} `cnnviz panels` lists them")
        if registry.panels[name].needs_masks and masks is None:
            raise UsageError(f"the panel {name!r} is of concept masks; say the field that has them by masks")
    return [
        name
        for name, spec in registry.panels.items()
        if (masks is not None if spec.needs_masks else not spec.on_request or name in asked)
    ]


def _surveys(
    model: Model, layers: Sequence[str], asked_by: Mapping[str, Mapping[str, Mapping[str, Any]]], masks: str | None
) -> tuple[list[Surveyed], dict[tuple[str, str, str], int]]:
    """Return what panels and collections ask for at each layer, each survey once, and which is whose."""
    surveys: list[Surveyed] = []
    numbers: dict[tuple[str, Any], int] = {}
    asked: dict[tuple[str, str, str], int] = {}
    for layer in layers:
        for owner, wanted in asked_by.items():
            for technique, options in wanted.items():
                more = {"masks": masks} if masks and "masks" in names_of_options(technique, "survey") else {}
                found, config = technique_and_config(technique, "survey", {**options, **more, "layer": layer})
                if (technique, config) not in numbers:
                    try:
                        surveys.append(Surveyed.of(found, config, model))
                    except LayerKindError:
                        continue  # such as a dense layer where maps are compared with masks
                    numbers[technique, config] = len(surveys) - 1
                asked[layer, owner, technique] = numbers[technique, config]
    return surveys, asked


def _synthesise(
    folder: SiteFolder, summary: dict[str, Any], model: Model, dataset: Dataset, most: int | None, recipe: str,
    key: Any, memory_budget: int | None, tell: Progress,
) -> None:  # fmt: skip
    detail = summary["identity"]["detail"]
    made_by = {"technique": TECHNIQUE, "recipe": recipe, "seed": key_text(root_key(key))}
    if summary["synthesis"] and summary["synthesis"] != made_by:
        raise UsageError(f"{folder.root} has images made with another recipe or seed; give the same, or another folder")
    shown = [row for row in summary["layers"] if row["is_shown"]]
    paths = Paths(model, dataset, [row["name"] for row in shown])
    for place, row in enumerate(shown):
        columns = folder.read(row["slug"])["columns"]
        units = chosen_units(columns, row["units"], most)
        # Units that an earlier call made stay in their sheet with the new ones.
        groups = {
            number: sorted({*group, *row["synthesis"].get(str(number), ())})
            for number, group in groups_of(units, summary["units_per_sheet"]).items()
        }
        maxima = columns.get("maximum", [None] * row["units"])
        tops = _tops(folder, row)
        # A block is made whole or not at all, whatever part of it an interrupted call has written: the last bits of an
        # image may depend on how many are made at once.
        for block in _blocks(groups):
            if all(row["synthesis"].get(str(number)) == group for number, group in block):
                continue
            tell(place, len(shown), f"synthesis of {row['name']}")
            wanted = [unit for _, group in block for unit in group]
            made = synthesize(
                TECHNIQUE, model, layer=row["name"], channels=wanted, recipe=recipe, key=key,
                memory_budget=memory_budget, progress=False,
            )  # fmt: skip
            for number, group in block:
                own = _rows(made, [wanted.index(unit) for unit in group])
                found = [
                    paths.of(row["name"], np.asarray(image), *natural_images(tops, unit))
                    for unit, image in zip(group, own.images, strict=True)
                ]
                write_synthesis(
                    folder, row["slug"], number, group, own, [maxima[unit] for unit in group], detail, found
                )
                row["synthesis"][str(number)] = group
            summary["synthesis"] = made_by
            folder.write_summary(summary)


def _tops(folder: SiteFolder, row: Mapping[str, Any]) -> dict[int, list[int]]:
    """Return the numbers of the strongest images of each unit of a layer."""
    found: dict[int, list[int]] = {}
    for number in range(-(-row["units"] // UNITS_PER_FILE)):
        for unit, panels in folder.read(f"{row['slug']}-u{number}")["units"].items():
            parts = [part for part in panels.get("exemplars", ()) if part["part"] == "tiles"]
            found[int(unit)] = [int(tile["image"]) for part in parts for tile in part["tiles"]]
    return found


def _blocks(groups: Mapping[int, list[int]]) -> list[list[tuple[int, list[int]]]]:
    """Return the groups in calls of at most so many units."""
    blocks: list[list[tuple[int, list[int]]]] = []
    for number, group in groups.items():
        if not blocks or sum(len(each) for _, each in blocks[-1]) + len(group) > _AT_ONCE:
            blocks.append([])
        blocks[-1].append((number, group))
    return blocks


def _rows(made: Synthesis, rows: Sequence[int]) -> Synthesis:
    """Return the synthesis of some of its targets."""
    at = np.asarray(rows)
    extras = {name: np.asarray(value)[at] for name, value in made.extras.items() if np.ndim(value)}
    cut = {name: np.asarray(getattr(made, name))[at] for name in ("images", "raw", "curves", "activation")}
    return dataclasses.replace(made, **cut, extras=extras, status=tuple(made.status[row] for row in rows))
