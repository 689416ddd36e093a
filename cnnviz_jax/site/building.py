"""A site in the making: started or continued, committed layer by layer."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine import key_text, root_key
from cnnviz_jax.engine.surveys import Surveyed
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.digests import arrays_digest, weights_digest
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.specs import CollectionSpec, PanelSpec
from cnnviz_jax.results.provenance import versions
from cnnviz_jax.results.units import Exemplars
from cnnviz_jax.site.case import Detail, Images, LayerCase
from cnnviz_jax.site.collections import SiteCase, write_collection
from cnnviz_jax.site.folder import FORMAT, SiteFolder, plain, units_per_sheet
from cnnviz_jax.site.gathering import Gathered
from cnnviz_jax.site.image_pages import Strongest, write_classes, write_front, write_images
from cnnviz_jax.site.layer_pages import panels_at, write_layer
from cnnviz_jax.site.network import layer_rows

Asked = Mapping[tuple[str, str, str], int]
"""Layer, panel or `COLLECTION` with a collection's name, and technique -> number of the survey."""
COLLECTION = "collection "
Found = dict[str, dict[str, dict[str, Any]]]


def identity_of(
    model: Model,
    dataset: Dataset,
    labels: Any,
    layers: Sequence[str],
    detail: Detail,
    registry: Plugins,
    panels: Sequence[str],
    collections: Mapping[str, Any],
    masks: str | None,
) -> dict[str, Any]:
    """Return what decides a site's bytes, images made later aside; two that are equal are one site."""
    structure = model.structure
    source, rows = dataset.source, getattr(dataset.source, "rows", None)
    if rows is not None:  # arrays in memory, whose digest does not look at the numbers
        images = arrays_digest([source.images, {name: rows[name] for name in sorted(rows)}])
    else:
        images = f"{source.digest()} {labels}"
    return {
        "model": model.name,
        "weights": weights_digest(model),
        # Not the program's fingerprint: what that cannot tell equal by value is new in every process.
        "network": digest_of({"layers": plain(layer_rows(model)), "input": [str(structure.mean), str(structure.std)]}),
        "images": images,
        "image_count": len(dataset),
        "layers": list(layers),
        "detail": detail,
        "panels": {name: registry.owner("panel", name) for name in panels},
        # Those that need no survey may be added to a site that is complete.
        "collections": {name: repr(config) for name, (spec, config) in collections.items() if spec.surveys},
        "masks": masks,
        "versions": dict(versions()),
    }


def digest_of(identity: Mapping[str, Any]) -> str:
    """Return a text that differs for other contents."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def begin(
    folder: SiteFolder, identity: Mapping[str, Any], model: Model, dataset: Dataset, panels: Sequence[PanelSpec]
) -> dict[str, Any]:
    """Return the summary of the site in a folder, begun where the folder is new or empty.

    Raises:
        UsageError: The folder holds something else, or a site of something else.
    """
    if folder.summary.exists():
        summary = folder.read_summary()
        if summary["identity"] != identity:
            differ = [name for name in identity if summary["identity"].get(name) != identity[name]]
            raise UsageError(
                f"{folder.root} holds a site of other {', '.join(differ)}; name another folder, or remove it to begin"
                " anew"
            )
        folder.clean()
        return summary
    folder.clean()
    # A start that was killed before its first summary leaves folders and what the page is made of.
    own = {folder.data.name, folder.tiles.name, "index.html"}
    if folder.root.is_dir() and any(path.name not in own for path in folder.root.iterdir()):
        raise UsageError(f"{folder.root} is not empty and holds no site; name another folder")
    height, width, channels = model.input_shape
    count = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(model.params) if hasattr(leaf, "shape"))
    names = model.labels or dataset.class_names or ()
    summary = {
        "format": FORMAT,
        "units_per_sheet": units_per_sheet(sum(model.layers[name].channels for name in identity["layers"])),
        "title": model.name,
        "is_complete": False,
        "facts": {
            "framework": model.structure.pure.framework,
            "input": f"{height} × {width} × {channels}",
            "weights and statistics": count,
            "images": len(dataset),
        },
        "panels": [{"name": spec.name, "title": spec.summary} for spec in panels],
        "layers": [
            {**row, "slug": f"L{place:03d}", "is_shown": row["name"] in identity["layers"], "is_done": False,
             "synthesis": {}}
            for place, row in enumerate(layer_rows(model))
        ],
        "classes": list(names),
        "has_labels": dataset.is_labelled,
        "images": [],
        "front": {"sheets": [], "at": []},
        "warnings": list(model.warnings),
        "synthesis": {},
        "collections": [],
        "beside": [],
        "identity": dict(identity),
    }  # fmt: skip
    folder.write_summary(summary)
    return summary


class _Pixelless(Dataset):
    """A data set whose images are one black pixel each: results copy theirs, 1.2 GB of 2,000 images at every layer."""

    def image(self, index: int) -> Float[np.ndarray, "h w c"]:
        """Return the pixel; `LayerCase.images` has the images."""
        return np.zeros((1, 1, 3), np.float32)


def write_pages(
    folder: SiteFolder, summary: dict[str, Any], model: Model, dataset: Dataset, registry: Plugins,
    surveys: Sequence[Surveyed], asked: Asked, found: Gathered, tell: Any,
) -> Found:  # fmt: skip
    """Write every layer that is not there yet, then images and classes; after each the site is whole so far.

    Returns: What the collections' surveys found, by collection, layer and technique.
    """
    detail, layers = summary["identity"]["detail"], summary["identity"]["layers"]
    images, strongest, pixelless = Images(dataset), Strongest(), _Pixelless(**vars(dataset))
    rows = {row["name"]: row for row in summary["layers"]}
    kept: Found = {}
    for place, name in enumerate(layers):
        tell(place, len(layers) + 1, name)
        numbers = {number for (layer, _, _), number in asked.items() if layer == name}
        made = {
            number: surveys[number].result(found.surveys[number], pixelless, model, found.unreadable)
            for number in sorted(numbers)
        }
        for (layer, owner, technique), number in asked.items():
            if layer == name and owner.startswith(COLLECTION):
                kept.setdefault(owner.removeprefix(COLLECTION), {}).setdefault(name, {})[technique] = made[number]
        exemplars = next((result for result in made.values() if isinstance(result, Exemplars)), None)
        if exemplars is not None:
            strongest.add(place, exemplars)
        row = rows[name]
        if row["is_done"]:
            continue
        cases: list[tuple[PanelSpec, LayerCase]] = []
        for panel in summary["identity"]["panels"]:
            spec = registry.panels[panel]
            if any((name, panel, technique) not in asked for technique in spec.surveys):
                continue  # a survey of the panel is not of layers of this kind
            results = {technique: made[asked[name, panel, technique]] for technique in spec.surveys}
            case = LayerCase(
                model=model, layer=model.layers[name], dataset=dataset, results=results, shown=tuple(layers),
                detail=detail, images=images,
            )  # fmt: skip
            cases.append((spec, case))
        panels = panels_at(registry, cases)
        row |= write_layer(
            folder, row["slug"], cases[0][1], panels, registry, list(made.values()), summary["units_per_sheet"]
        )
        folder.write_summary(summary)
    tell(len(layers), len(layers) + 1, "images")
    if not summary["is_complete"]:
        shown = write_images(folder, dataset, images, detail, layers, strongest, found.labels, found.answers)
        write_classes(folder, summary["classes"], shown, layers, strongest, found.labels, found.answers)
        unread = [f"{len(found.unreadable)} images could not be read"] if found.unreadable else []
        summary |= {
            "front": write_front(folder, images, shown),
            "images": [[number, dataset.source.name(number), int(found.labels[number])] for number in shown],
            "is_complete": True,
            "warnings": [*summary["warnings"], *unread],
        }
        folder.write_summary(summary)
    return kept


def write_collections(
    folder: SiteFolder, summary: dict[str, Any], collections: Mapping[str, tuple[CollectionSpec, Any]], case: SiteCase,
    found: Found, registry: Plugins, tell: Any,
) -> None:  # fmt: skip
    """Write every collection that is not there yet; after each the site is whole so far.

    Raises:
        UsageError: One is there with other options or another seed.
    """
    rows = {row["name"]: row for row in summary["collections"]}
    seed = key_text(root_key(case.key))
    for place, (name, (spec, config)) in enumerate(collections.items()):
        tell(place, len(collections), name)
        made = {"config": repr(config), "seed": seed, "plugin": registry.owner("collection", name)}
        if name in rows:
            if rows[name]["made"] != made:
                raise UsageError(
                    f"{folder.root} has the collection {name!r} with other options or another seed; give the same, or"
                    " another folder"
                )
            continue
        slug = f"C{len(summary['collections']):02d}"
        own = dataclasses.replace(case, results=found.get(name, {}))
        summary["collections"].append({**write_collection(folder, slug, spec, config, own, registry), "made": made})
        folder.write_summary(summary)
