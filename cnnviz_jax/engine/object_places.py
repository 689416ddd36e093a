"""Which places of a layer lie outside of an object, and what the units there see of the image."""

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from cnnviz_jax.errors import LayerKindError, UsageError
from cnnviz_jax.model.layers import Layer


def quarter_field(layer: Layer) -> float:
    """Return a quarter of the side of what a unit sees, in pixels; 0 where it is the whole image."""
    size = None if layer.receptive_field is None else layer.receptive_field.nominal_size
    return 0.0 if size is None else float(max(size)) / 4


def places_outside(
    mask: Any, layer: Layer, shape: tuple[int, int, int], margin_px: float
) -> Bool[np.ndarray, "n rows columns"]:
    """Return which places of a layer see no object near the middle of their view.

    Args:
        mask: True on the object, (n, h, w).
        layer: A layer with a map.
        shape: Of the images, n h w.
        margin_px: How far from that middle, along both axes, no pixel is the object's.

    Raises:
        UsageError: The mask does not fit the images.
        LayerKindError: The layer has no places.
    """
    shown = np.asarray(mask)
    if shown.shape != shape or shown.dtype.kind not in "biuf":
        raise UsageError(f"mask is true on the object, {shape} for these images; got {shown.dtype} {shown.shape}")
    field = layer.receptive_field
    if not layer.is_map or field is None:
        raise LayerKindError(f"layer {layer.name!r} has no places, so none lies outside of an object; leave mask out")
    # Counts of the object's pixels above and left of each pixel: those of any rectangle are then a sum of four numbers.
    counts = np.pad((shown > 0.5).astype(np.int32).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    found = np.zeros((len(shown), *layer.shape[:2]), bool)
    for row, column in np.ndindex(*layer.shape[:2]):
        (top, bottom), (left, right) = (
            # A middle may lie between pixels: at 3.5 a margin of 2 looks at 1 to 6, rather too much than too little.
            (max(0, math.floor(float(middle) - margin_px)), min(size, math.ceil(float(middle) + margin_px) + 1))
            for middle, size in zip(field.centre(row, column), shape[1:], strict=True)
        )
        inside = counts[:, bottom, right] - counts[:, top, right] - counts[:, bottom, left] + counts[:, top, left]
        found[:, row, column] = inside == 0
    return found


def seen_at(layer: Layer, places: Int[np.ndarray, "n 2"], size: tuple[int, int]) -> Int[np.ndarray, "n 4"]:
    """Return what units at places see: top, left, bottom, right, inclusive; the whole image for a layer without map."""
    field = layer.receptive_field
    if field is None or not layer.is_map:
        return np.tile(np.array([0, 0, size[0] - 1, size[1] - 1]), (len(places), 1))
    return np.array([field.box(int(row), int(column)) for row, column in places]).reshape(-1, 4)
