"""Dissection: which units answer to which concept, by the overlap of their strongest places with concept masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_jax.plugin import (
    Batch,
    Dataset,
    Delta,
    Dissection,
    Layer,
    LayerKindError,
    LayerReducer,
    Model,
    Provenance,
    Reducer,
    SurveyPlan,
    TopK,
    Total,
    UsageError,
    by_position,
    capture,
    positions,
    surveyed_layer,
)
from cnnviz_plugins.survey.concepts_shown import ConceptsShown
from cnnviz_plugins.survey.overlap import AXES, Overlap, centres_of, unit_masks
from cnnviz_plugins.survey.per_class import ImagesFired, unread
from cnnviz_plugins.survey.plugin import DissectionConfig

_HALF = 1 << 16


@dataclass(frozen=True, kw_only=True)
class RankCounts(LayerReducer):
    """Per unit (channel) of one layer, how often each 16 bits of a value's rank occur.

    The rank of a float32 is a whole number that rises with it. Without `upper` its upper 16 bits are counted; with
    `upper`, one number per unit, the lower 16 bits of the values that begin with it. Values that are not finite are
    left out. Counts are exact and add in any order.

    Result of `finish`: `count` (c, 65536). Memory: 256 KiB a unit on each device.
    """

    upper: tuple[int, ...] | None = None
    """Upper 16 bits of the ranks that are counted, one per unit."""

    @property
    def capacity(self) -> int:
        """As many images as keep a count below 2**31."""
        return (2**31 - 1) // positions(self.shape)

    def init(self) -> Delta:
        """Return zero counts, one row after the other, and one place for what is left out."""
        return {"table": jnp.zeros((self.shape[-1] * _HALF + 1,), jnp.int32)}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the counts with the batch's added."""
        x = by_position(batch.values[self.layer])
        bits = jax.lax.bitcast_convert_type(jnp.where(x == 0, jnp.zeros_like(x), x), jnp.int32)
        rank = bits ^ ((bits >> 31) & 0x7FFFFFFF)
        upper, lower = (rank >> 16) + _HALF // 2, rank & (_HALF - 1)
        counted = jnp.isfinite(x) & batch.valid[:, None, None]
        half = upper
        if self.upper is not None:
            counted &= upper == jnp.asarray(self.upper, jnp.int32)
            half = lower
        place = jnp.where(counted, half + _HALF * jnp.arange(x.shape[-1], dtype=jnp.int32), len(delta["table"]) - 1)
        return {"table": delta["table"].at[place.reshape(-1)].add(1, mode="promise_in_bounds")}

    def lift(self, delta: Mapping[str, Any]) -> Total:
        """Return the counts per unit."""
        return {"count": super().lift(delta)["table"][:-1].reshape(-1, _HALF)}


def above(share: float, count: Int[np.ndarray, "c half"]) -> Int[np.ndarray, " c"]:
    """Return how many values of each unit may lie above a threshold that at most that share of them exceeds."""
    return np.floor(share * count.sum(1) + 1e-9).astype(np.int64)


def place_of(
    allowed: Int[np.ndarray, " c"], count: Int[np.ndarray, "c half"]
) -> tuple[Int[np.ndarray, " c"], Int[np.ndarray, " c"]]:
    """Return the place that holds the value after the `allowed` largest, and how many of those lie in places above."""
    falling = np.cumsum(count[:, ::-1], 1)
    from_end = (falling > allowed[:, None]).argmax(1)
    rows = np.arange(len(count))
    beyond = falling[rows, from_end] - count[rows, count.shape[1] - 1 - from_end]
    return count.shape[1] - 1 - from_end, beyond


def thresholds(
    share: float, upper: Int[np.ndarray, "c half"], lower: Int[np.ndarray, "c half"]
) -> Float[np.ndarray, " c"]:
    """Return the smallest value of each unit that at most that share of its values exceeds; inf where none was seen."""
    allowed = above(share, upper)
    high, beyond = place_of(allowed, upper)
    low, _ = place_of(allowed - beyond, lower)
    rank = ((high - _HALF // 2) * _HALF + low).astype(np.int32)
    values = (rank ^ ((rank >> 31) & 0x7FFFFFFF)).astype(np.int32).view(np.float32)
    return np.where(upper.sum(1) > 0, values, np.float32(np.inf))


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
    space = model.structure.one_space
    image: tuple[int, ...] = model.input_shape[:2] if space is None else space.spatial

    def lower_half(found: Mapping[str, Total], dataset: Dataset) -> dict[str, Reducer]:
        concept_names(config, dataset, len(image))  # before another pass
        upper = found["upper"]["count"]
        high, _ = place_of(above(config.share, upper), upper)
        return {"lower": RankCounts(**where, upper=tuple(map(int, high)))}

    def overlap(found: Mapping[str, Total], dataset: Dataset) -> dict[str, Reducer]:
        at = thresholds(config.share, found["upper"]["count"], found["lower"]["count"])
        names = concept_names(config, dataset, len(image))
        both = Overlap(
            **where,
            masks=config.masks,
            image=image,
            centres=centres_of(layer, image, space),
            thresholds=tuple(map(float, at)),
            categories=_categories(names),
        )
        shown = ConceptsShown(shape=(*image, len(names)), k=config.concept_k, masks=config.masks)
        return {"overlap": both, "top": TopK(**where, k=config.k), "shown": shown}

    def finish(found: Mapping[str, Total], dataset: Dataset, provenance: Provenance) -> Dissection:
        names = concept_names(config, dataset, len(image))
        at = thresholds(config.share, found["upper"]["count"], found["lower"]["count"])
        overlap = found["overlap"]
        union = overlap["unit"][:, list(_categories(names))] + overlap["concept"][None] - overlap["both"]
        iou = overlap["both"] / np.maximum(union, 1)
        falling = np.argsort(-iou.max(1), kind="stable")
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
            concept_id=found["shown"]["id"],
            concept_pixels=found["shown"]["value"].astype(np.int64),
            concept_images=found["shown"]["images"],
            provenance=provenance,
            warnings=(*model.warnings, *told),
        )

    return SurveyPlan(
        reducers={"upper": RankCounts(**where), "fired": ImagesFired(**where)},
        then=(lower_half, overlap),
        finish=finish,
        axes=(1, 2, 3),
    )


def concept_names(config: DissectionConfig, dataset: Dataset, axes: int = 2) -> tuple[str, ...]:
    """Return one name per concept mask, which has so many axes.

    Raises:
        UsageError: The images have no masks, or the names do not fit them.
    """
    shape = dataset.described((config.masks,))[config.masks][0]
    if len(shape) != 1 + axes:
        raise UsageError(f"masks are (concepts, {AXES[axes]}) for each image, got {shape}")
    names = config.concepts or tuple(getattr(dataset.source, "concept_names", ()))
    names = names or tuple(f"concept {i}" for i in range(shape[0]))
    if len(names) != shape[0]:
        raise UsageError(f"{len(names)} names for {shape[0]} concept masks; give one for each")
    return names


def _categories(names: Sequence[str]) -> tuple[int, ...]:
    """Return the number of each concept's category, which stands before the colon."""
    kinds = [name.partition(":")[0] for name in names]
    order = list(dict.fromkeys(kinds))
    return tuple(order.index(kind) for kind in kinds)


def _shown(
    model: Model, layer: Layer, dataset: Dataset, ids: Int[np.ndarray, "u k"], units: Sequence[int], at: np.ndarray
) -> tuple[np.ndarray, Bool[np.ndarray, "u k *axes"]]:
    """Return each drawn unit's best images, with their own axes, and where in them it is active."""
    space = model.structure.one_space
    own = model.input_shape if space is None else space.shape
    size = model.input_shape[:2] if space is None else space.spatial
    images, masks = np.zeros((*ids.shape, *own), np.float32), np.zeros((*ids.shape, *size), bool)
    wanted = np.unique(ids[ids >= 0])
    if not len(wanted):
        return images, masks
    chosen = np.stack([dataset.image(int(i)) for i in wanted])
    maps = capture(model, chosen, [layer.name])[layer.name][..., list(units)]
    chosen = chosen if space is None else np.asarray(space.own(chosen))
    centres = centres_of(layer, size, space)
    active = np.asarray(unit_masks(jnp.asarray(maps), centres, size, at[list(units)].tolist()))
    for row, rank in np.argwhere(ids >= 0):
        place = int(np.searchsorted(wanted, ids[row, rank]))
        images[row, rank], masks[row, rank] = chosen[place], active[place, ..., row]
    return images, masks
