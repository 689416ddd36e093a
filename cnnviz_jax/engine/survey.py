"""The survey engine: one streaming pass over a data set of images, reducers in, exact totals out."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from cnnviz_jax.compiling import compiled
from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.given import in_unit_range
from cnnviz_jax.engine.chunk_planning import Chunk, fitting
from cnnviz_jax.engine.reducers import Reducer, Total, fields_of, read_batch, update_all
from cnnviz_jax.engine.reducers.reducer import positions
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.layers import INPUT, Layer
from cnnviz_jax.model.model import Model
from cnnviz_jax.model.spaces import Space
from cnnviz_jax.progress.bars import Progress, silent

_FINISHING = 2
"""Threads that make results of what was gathered."""


@dataclass(frozen=True, kw_only=True)
class SurveyPlan:
    """What a survey technique's `build(config, model)` returns."""

    reducers: Mapping[str, Reducer]
    """What is gathered in the one pass, by name; `cnnviz sweep` runs these on many devices."""
    finish: Callable[..., Any]
    """`finish(found, dataset, provenance)` -> the result; `found` holds each reducer's `finish` by name."""
    labelled: Callable[[int], Mapping[str, Reducer]] = lambda classes: {}
    """`labelled(classes)`: further reducers where images have labels."""
    then: tuple[Callable[..., Mapping[str, Reducer]], ...] = ()
    """Further passes over the same images: each `(found, dataset)` -> reducers that know what was found so far.

    `cnnviz sweep` runs one pass only and refuses a plan that has more.
    """
    axes: tuple[int, ...] = (2,)
    """How many spatial axes inputs may have: 1 for series and vectors, 3 for volumes. Reducers see a series' layer as
    (b, 1, t, c) and a volume's as (b, d * h, w, c), slice below slice."""


def run_survey(
    reducers: Mapping[str, Reducer],
    model: Model,
    dataset: Dataset,
    *,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, Total], dict[int, str]]:
    """Return what each reducer finished with, and why images were left out, by their number.

    One program of one shape, compiled once; the last batch is padded. Deltas stay on the device and are
    merged on the host only before a counter could overflow, and at the end.
    """
    each = tuple(reducers.values())
    empty = _empty(each)
    fields = dataset.described(fields_of(each))

    def step(model: Any, deltas: Any, images: Any, ids: Any, valid: Any, fields: Any) -> Any:
        batch = read_batch(each, model, in_unit_range(images), ids, valid, fields)
        return list(update_all(each, deltas, batch))

    def compile_for(size: int) -> Any:
        shapes = (
            jax.ShapeDtypeStruct((size, *model.input_shape), dataset.image_dtype),
            jax.ShapeDtypeStruct((size,), np.uint32),
            jax.ShapeDtypeStruct((size,), np.bool_),
            {name: jax.ShapeDtypeStruct((size, *shape), kind) for name, (shape, kind) in fields.items()},
        )
        return compiled(step, ("survey", each), (model, empty, *shapes), donate=(1,))

    size, program = fitting(compile_for, batch, len(dataset), memory_budget)
    capacity = max(size, min((reducer.capacity for reducer in each), default=size))
    totals: list[Total] | None = None
    unreadable: dict[int, str] = {}
    deltas: Any = empty
    since = done = 0
    for part in dataset.batches(size, model.input_shape, tuple(fields)):
        # Device counters are int32. A histogram over maps of 56 x 56 counts 3,136 values per image and unit, and
        # overflows after 684,784 images at the earliest; totals on the host are int64.
        if since + size > capacity:
            totals = [_merged(each, totals, deltas, place) for place in range(len(each))]
            deltas, since = _empty(each), 0
        # The call returns at once: the next batch is read from disk while this one is computed.
        deltas = program(model, deltas, part.images, part.ids, part.valid, part.fields)
        unreadable |= part.unreadable
        since += size
        done = min(done + size, len(dataset))
        progress(done, len(dataset), "images")
    # Two at a time, each total gone once it is finished: those of class means are tens of times as large as what they
    # come to. NumPy leaves the other core to the second.
    with ThreadPoolExecutor(_FINISHING) as pool:
        found = pool.map(lambda place: each[place].finish(_merged(each, totals, deltas, place)), range(len(each)))
        return dict(zip(reducers, found, strict=True)), unreadable


def _empty(reducers: tuple[Reducer, ...]) -> list[Any]:
    """Return deltas of no images, each array a buffer of its own, as the step is given it to keep."""
    seen: set[int] = set()

    def own(leaf: Array) -> Array:
        is_shared = id(leaf) in seen
        seen.add(id(leaf))
        return jnp.copy(leaf) if is_shared else leaf

    deltas = [reducer.init() for reducer in reducers]
    return [jax.tree.map(own, delta) for delta in deltas]


def _merged(reducers: tuple[Reducer, ...], totals: list[Total] | None, deltas: list[Any], place: int) -> Total:
    """Return what one reducer found so far; a first delta is merged with nothing, which copies no table of zeros."""
    last = reducers[place].lift(jax.device_get(deltas[place]))
    deltas[place] = None
    return reducers[place].merge([last] if totals is None else [totals[place], last])


def surveyed_layer(model: Model, name: str | None, units: tuple[int, ...] | None) -> Layer:
    """Return the layer whose units are looked at, `units` checked.

    Raises:
        LayerNotFoundError: No such layer.
        UsageError: The layer has no such unit.
    """
    layer = model.map_layer(None) if name is None else model.layers[name]
    for unit in units or ():
        if not 0 <= unit < layer.channels:
            raise UsageError(f"layer {layer.name!r} has units 0 to {layer.channels - 1}, got {unit}")
    return layer


def grid_of(layer: Layer, space: Space | None) -> tuple[int, ...]:
    """Return the units of a layer along each spatial axis of a model's inputs, `space` of `model.structure`.

    (rows, columns) of images, (steps,) of series, (slices, rows, columns) of volumes; 1 along an axis that the layer
    does not have. Positions count in this order, the last axis fastest.
    """
    count = positions(layer.shape)
    if space is None:
        return layer.shape[:2] if layer.is_map else (1, 1)
    spatial: tuple[int, ...] = space.spatial
    field = layer.receptive_field
    # A series is held as one row, which it has no axis for: of its field's axes, and of the image's, the last is its.
    known = spatial if field is None and layer.name == INPUT else () if field is None else field.shape[-len(spatial) :]
    return known if prod(known) == count and known else (*(1,) * (len(spatial) - 1), count)


def places_of(
    layer: Layer, entries: Mapping[str, np.ndarray], space: Space | None = None
) -> Int[np.ndarray, "c *k axes"]:
    """Return where in the layer's map entries such as `TopK`'s are, along each axis; -1 where there is none."""
    pos = np.where(entries["id"] < 0, 0, entries["pos"])
    place = np.stack(np.unravel_index(pos, grid_of(layer, space)), -1)
    place[entries["id"] < 0] = -1
    return place


def boxes_of(
    layer: Layer, input_shape: tuple[int, int, int], place: Int[np.ndarray, "c *k axes"], space: Space | None = None
) -> Int[np.ndarray, "c *k ends"]:
    """Return what the unit at each place sees of the input, clipped to it; -1 where there is no entry.

    The first of each axis, then the last of each, inclusive: (top, left, bottom, right) of images.
    """
    spatial = input_shape[:2] if space is None else space.spatial
    count, field = len(spatial), layer.receptive_field
    box = np.full((*place.shape[:-1], 2 * count), -1, np.int64)
    for axis, length in enumerate(spatial):
        unit = place[..., axis]
        first, last = np.zeros(1, np.int64), np.full(1, length - 1)
        if field is not None:
            reach = field.reaches[axis - count]
            first, last = np.asarray(reach.first, np.int64), np.asarray(reach.last, np.int64)
        at = np.where(unit < 0, 0, unit) if len(first) > 1 else np.zeros_like(unit)
        box[..., axis], box[..., axis + count] = first[at], last[at]
    box[place[..., 0] < 0] = -1
    return box


def kept_images(
    dataset: Dataset, ids: Int[np.ndarray, "..."], input_shape: tuple[int, int, int], space: Space | None = None
) -> dict[str, Any]:
    """Return the images of entries, each once, by their rising numbers: the fields `images`, `image_ids`, `names` and
    `labels` of `Exemplars`; series and volumes with their own axes."""
    wanted = np.unique(ids)
    wanted = wanted[wanted >= 0]
    images = [dataset.image(int(i)) for i in wanted]
    held = np.stack(images) if images else np.zeros((0, *input_shape), np.float32)
    return {
        "images": held if space is None else space.own(held),
        "image_ids": wanted,
        "names": tuple(dataset.source.name(int(i)) for i in wanted),
        "labels": np.array([dataset.label(int(i)) for i in wanted], np.int64),
    }
