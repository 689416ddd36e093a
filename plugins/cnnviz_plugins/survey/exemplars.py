"""Exemplars: the images that fire each unit most, and the part of each that the unit sees."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from cnnviz_jax.plugin import Dataset, Exemplars, Layer, Model, Provenance, SurveyPlan, TopK, Total, surveyed_layer
from cnnviz_plugins.survey.levels import MaximumSample, at_levels, check_levels
from cnnviz_plugins.survey.per_class import ClassMeans, ImagesFired, by_class, unread
from cnnviz_plugins.survey.plugin import ExemplarsConfig

_SHOWN = 6


def build(config: ExemplarsConfig, model: Model) -> SurveyPlan:
    """Return what is gathered for exemplars, and how the result is made of it.

    Raises:
        LayerNotFoundError: No such layer.
        UsageError: No such unit, or k below 1.

    Cost: one forward pass per image up to the layer; a few percent more for the best k, more where
    the network is as small as LeNet (CPU). The images of the units that are drawn are read a second time at the end.
    """
    layer = surveyed_layer(model, config.layer, config.units)
    check_levels(config.levels, config.level_k, config.sample)
    where: Any = {"layer": layer.name, "shape": layer.shape}

    def finish(found: Mapping[str, Total], dataset: Dataset, provenance: Provenance) -> Exemplars:
        top, fired = found["top"], found["fired"]
        place = _places(layer, top)
        levels = _levels(layer, config, found, model.input_shape)
        units = config.units or tuple(int(unit) for unit in np.flatnonzero(fired["fired"])[:_SHOWN]) or (0,)
        ids = [top["id"], *([levels["level_id"].reshape(len(top["id"]), -1)] if config.levels else [])]
        wanted = np.unique(np.concatenate(ids, 1)[list(units)])
        wanted = wanted[wanted >= 0]
        shape = (0, *model.input_shape)
        images = np.stack([dataset.image(int(i)) for i in wanted]) if len(wanted) else np.zeros(shape, np.float32)
        return Exemplars(
            layer=layer.name,
            value=top["value"],
            id=top["id"],
            place=place,
            box=_boxes(layer, model.input_shape, place),
            threshold=config.threshold,
            fired=fired["fired"],
            nonfinite=top["nonfinite"],
            image_count=int(fired["images"][0]),
            units=tuple(units),
            images=images,
            image_ids=wanted,
            names=tuple(dataset.source.name(int(i)) for i in wanted),
            labels=np.array([dataset.label(int(i)) for i in wanted], np.int64),
            **by_class(found, dataset),
            **levels,
            provenance=provenance,
            warnings=(*model.warnings, *_findings(layer, config, top, fired, provenance)),
        )

    return SurveyPlan(
        reducers={
            "top": TopK(**where, k=config.k, entries=config.entries),
            "fired": ImagesFired(**where, threshold=config.threshold),
            **({"maxima": MaximumSample(**where, image_count=config.sample)} if config.levels else {}),
        },
        labelled=lambda classes: {"classes": ClassMeans(**where, classes=classes)},
        finish=finish,
    )


def _places(layer: Layer, entries: Mapping[str, np.ndarray]) -> Int[np.ndarray, "c *k 2"]:
    """Return row and column of each entry; -1 where there is none."""
    place = np.stack(np.divmod(entries["pos"], layer.shape[1] if layer.is_map else 1), -1)
    place[entries["id"] < 0] = -1
    return place


def _levels(
    layer: Layer, config: ExemplarsConfig, found: Mapping[str, Total], input_shape: tuple[int, int, int]
) -> dict[str, Any]:
    """Return the fields of a result that speak of levels; none where none is asked for."""
    if not config.levels:
        return {}
    each = at_levels(found["maxima"], config.levels, config.level_k)
    place = _places(layer, each)
    return {
        "levels": config.levels,
        "level_quantile": each["quantile"],
        "level_value": each["value"],
        "level_id": each["id"],
        "level_place": place,
        "level_box": _boxes(layer, input_shape, place),
        "sampled": len(found["maxima"]["id"]),
    }


def _boxes(
    layer: Layer, input_shape: tuple[int, int, int], place: Int[np.ndarray, "c *k 2"]
) -> Int[np.ndarray, "c *k 4"]:
    """Return what each entry's unit sees, clipped to the image; -1 where there is no entry."""
    box = np.full((*place.shape[:-1], 4), -1, np.int64)
    for axis, length in enumerate(input_shape[:2]):
        unit = place[..., axis]
        first, last = np.zeros(1, np.int64), np.full(1, length - 1)
        if layer.receptive_field is not None:
            reach = (layer.receptive_field.rows, layer.receptive_field.columns)[axis]
            first, last = np.asarray(reach.first, np.int64), np.asarray(reach.last, np.int64)
        at = np.where(unit < 0, 0, unit) if len(first) > 1 else np.zeros_like(unit)
        box[..., axis], box[..., axis + 2] = first[at], last[at]
    box[place[..., 0] < 0] = -1
    return box


def _findings(
    layer: Layer, config: ExemplarsConfig, top: Total, fired: Total, provenance: Provenance
) -> tuple[str, ...]:
    found = []
    silent = np.flatnonzero(fired["fired"] == 0)
    if len(silent):
        listed = ", ".join(map(str, silent[:8])) + (", ..." if len(silent) > 8 else "")
        found.append(
            f"{len(silent)} of {len(fired['fired'])} units of {layer.name} never exceed {config.threshold:g}: {listed}"
        )
    if (top["nonfinite"] > 0).any():
        found.append(f"{int(top['nonfinite'].max())} images were left out: values that are not finite")
    return (*found, *unread(provenance))
