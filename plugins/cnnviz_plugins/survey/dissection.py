"""Dissection: which units answer to which concept, by the overlap of their strongest places with concept masks."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from cnnviz_jax.plugin import (
    Dataset,
    Dissection,
    Layer,
    LayerKindError,
    Model,
    Provenance,
    Reducer,
    SurveyPlan,
    TopK,
    Total,
    UsageError,
    capture,
    surveyed_layer,
)
from cnnviz_plugins.survey.images_fired import ImagesFired
from cnnviz_plugins.survey.overlap import Overlap, centres_of, unit_masks
from cnnviz_plugins.survey.plugin import DissectionConfig
from cnnviz_plugins.survey.ranks import RankCounts, above, place_of, thresholds
from cnnviz_plugins.survey.wording import unread


def build(config: DissectionConfig, model: Model) -> SurveyPlan:
    """Return what is gathered for a dissection, in three passes, and how the result is made of it.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no map.
        UsageError: No such unit, a share outside 0 to 1, or images without masks or names that fit them.

    Cost: three forward passes per image up to the layer: two for the exact thresholds, one for the overlap.
    """
    layer = surveyed_layer(model, config.layer, config.units)
    if not layer.is_map:
        raise LayerKindError(f"layer {layer.name!r} of {model.name} has no map; dissection compares places")
    for name in ("share", "detector_at"):
        if not 0 < getattr(config, name) < 1:
            raise UsageError(f"{name} lies above 0 and below 1, got {getattr(config, name):g}")
    where: Any = {"layer": layer.name, "shape": layer.shape}
    image = (model.input_shape[0], model.input_shape[1])

    def lower_half(found: Mapping[str, Total], dataset: Dataset) -> dict[str, Reducer]:
        concept_names(config, dataset)  # before another pass
        upper = found["upper"]["count"]
        high, _ = place_of(above(config.share, upper), upper)
        return {"lower": RankCounts(**where, upper=tuple(map(int, high)))}

    def overlap(found: Mapping[str, Total], dataset: Dataset) -> dict[str, Reducer]:
        names = concept_names(config, dataset)
        kinds = [name.partition(":")[0] for name in names]
        order = list(dict.fromkeys(kinds))
        at = thresholds(config.share, found["upper"]["count"], found["lower"]["count"])
        both = Overlap(
            **where,
            image=image,
            centres=centres_of(layer, image),
            thresholds=tuple(map(float, at)),
            categories=tuple(order.index(kind) for kind in kinds),
        )
        return {"overlap": both, "top": TopK(**where, k=config.k)}

    def finish(found: Mapping[str, Total], dataset: Dataset, provenance: Provenance) -> Dissection:
        return _result(config, model, layer, found, dataset, provenance)

    return SurveyPlan(
        reducers={"upper": RankCounts(**where), "fired": ImagesFired(**where)},
        then=(lower_half, overlap),
        finish=finish,
    )


def concept_names(config: DissectionConfig, dataset: Dataset) -> tuple[str, ...]:
    """Return one name per concept mask.

    Raises:
        UsageError: The images have no masks, or the names do not fit them.
    """
    shape = dataset.described(("concepts",))["concepts"][0]
    if len(shape) != 3:
        raise UsageError(f"masks are (concepts, height, width) for each image, got {shape}")
    names = config.concepts or tuple(getattr(dataset.source, "concept_names", ()))
    names = names or tuple(f"concept {i}" for i in range(shape[0]))
    if len(names) != shape[0]:
        raise UsageError(f"{len(names)} names for {shape[0]} concept masks; give one for each")
    return names


def _result(
    config: DissectionConfig,
    model: Model,
    layer: Layer,
    found: Mapping[str, Total],
    dataset: Dataset,
    provenance: Provenance,
) -> Dissection:
    names = concept_names(config, dataset)
    at = thresholds(config.share, found["upper"]["count"], found["lower"]["count"])
    overlap = found["overlap"]
    kinds = [name.partition(":")[0] for name in names]
    category = np.array([list(dict.fromkeys(kinds)).index(kind) for kind in kinds])
    union = overlap["unit"][:, category] + overlap["concept"][None] - overlap["both"]
    iou = overlap["both"] / np.maximum(union, 1)
    best = iou.max(1)
    falling = np.argsort(-best, kind="stable")
    units = config.units or tuple(int(unit) for unit in falling[: config.shown])
    ids = found["top"]["id"][list(units)]
    images, masks = _shown(model, layer, dataset, ids, units, at)
    absent = [name for name, pixels in zip(names, overlap["concept"], strict=True) if not pixels]
    told = (*unread(provenance), *((f"no image shows {', '.join(absent[:6])}",) if absent else ()))
    return Dissection(
        layer=layer.name,
        image_count=int(found["fired"]["images"][0]),
        concepts=names,
        iou=iou,
        threshold=at,
        share=config.share,
        detector_at=config.detector_at,
        units=tuple(units),
        images=images,
        masks=masks,
        ids=ids,
        provenance=provenance,
        warnings=(*model.warnings, *told),
    )


def _shown(
    model: Model,
    layer: Layer,
    dataset: Dataset,
    ids: Int[np.ndarray, "u k"],
    units: Sequence[int],
    at: np.ndarray,
) -> tuple[np.ndarray, Bool[np.ndarray, "u k h w"]]:
    """Return each drawn unit's best images and where in them it is active at."""
    height, width, _ = model.input_shape
    images = np.zeros((*ids.shape, *model.input_shape), np.float32)
    masks = np.zeros((*ids.shape, height, width), bool)
    wanted = np.unique(ids[ids >= 0])
    if not len(wanted):
        return images, masks
    chosen = np.stack([dataset.image(int(i)) for i in wanted])
    maps = capture(model, chosen, [layer.name])[layer.name][..., list(units)]
    centres = centres_of(layer, (height, width))
    active = np.asarray(unit_masks(jnp.asarray(maps), centres, (height, width), at[list(units)].tolist()))
    for row, rank in np.argwhere(ids >= 0):
        place = int(np.searchsorted(wanted, ids[row, rank]))
        images[row, rank], masks[row, rank] = chosen[place], active[place, :, :, row]
    return images, masks
