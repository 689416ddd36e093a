"""How large an image is made, where a single neuron stands in a smaller one, and images that a target brings along."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import (
    ImageError,
    Model,
    ModelError,
    Neuron,
    Target,
    TargetWithInputs,
    mapped,
    resized_model,
    terms_of,
)

IMAGE = "image"
"""Under which name a target's own image is given."""


@dataclass(frozen=True)
class Placement:
    """Where images are made."""

    size: tuple[int, ...]
    """Height and width in pixels; of series and volumes the lengths of their own axes."""
    offsets: tuple[tuple[int, int], ...] | None = None
    """For neurons: row and column of the top left pixel of each target's image in the model's own input."""
    strides: tuple[int, int] = (1, 1)
    """For neurons: pixels from one unit of the layer to the next."""
    warnings: tuple[str, ...] = ()


def placement_of(
    model: Model, target: Target, *, size: tuple[int, int] | None, usual: tuple[int, int], margin: int
) -> Placement:
    """Return where images for some targets are made; nothing is resized in silence.

    Args:
        model: At its own size.
        target: Batched, read where it is tapped.
        size: What the user asked for.
        usual: The recipe's own.
        margin: Pixels around a neuron's receptive field.

    Raises:
        ModelError: The model cannot be run at the size that was asked for.
        ImageError: Images to start from have another size.
    """
    if (space := model.structure.one_space) is not None:
        return _of_own_size(model, space, size, usual)
    image = image_size(target)
    if size is not None:
        if image is not None and image != size:
            raise ImageError(
                f"the images are {image[0]} x {image[1]} and the size {size[0]} x {size[1]}; "
                "resize the images, or leave size out"
            )
        place(model, target, Placement(size))  # refuses here, before the work
        return Placement(size)
    neurons = all(isinstance(plain, Neuron) for plain in terms_of(target))
    if neurons and len(terms_of(target)) == 1 and (image is None or image == model.input_shape[:2]):
        return _of_neurons(model, target, margin)
    if image is not None:
        place(model, target, Placement(image))
        return Placement(image)
    if neurons:
        return Placement(model.input_shape[:2])
    try:
        place(model, target, Placement(usual))
    except ModelError as reason:
        own = model.input_shape[:2]
        said = f"size {own[0]} x {own[1]}: {model.name} takes no other size"
        return Placement(own, warnings=(f"{said} (the recipe's is {usual[0]} x {usual[1]}): {reason}",))
    return Placement(usual)


def place(model: Model, target: Target, placement: Placement) -> tuple[Model, Target]:
    """Return the model at the placement's size, and the target there: neurons at their new places, images cut to it.

    Raises:
        ModelError: The model, or the part below the target's layers, cannot be run at that size.
    """
    if model.structure.one_space is not None:
        return model, target
    height, width = placement.size
    sized = resized_model(model, height, width, target.layers, need_outputs=target.needs_outputs)
    if placement.offsets is None:
        return sized, target
    corners = np.asarray(placement.offsets)
    steps = jnp.asarray(corners // np.asarray(placement.strides), jnp.int32)

    def moved(plain: Target) -> Target:
        if not isinstance(plain, Neuron):
            return plain
        return replace(plain, row=jnp.asarray(plain.row) - steps[:, 0], col=jnp.asarray(plain.col) - steps[:, 1])

    target = mapped(target, moved)
    if isinstance(target, TargetWithInputs) and IMAGE in target.arrays:
        images = np.asarray(target.arrays[IMAGE])
        cut = [p[top : top + height, left : left + width] for p, (top, left) in zip(images, corners, strict=True)]
        target = replace(target, arrays={**target.arrays, IMAGE: jnp.asarray(np.stack(cut))})
    return sized, target


def _of_own_size(model: Model, space: Any, size: tuple[int, int] | None, usual: tuple[int, int]) -> Placement:
    """Series and volumes, which are as large as the model takes them."""
    own = " x ".join(map(str, space.spatial))
    if size is not None and size != model.input_shape[:2]:
        raise ModelError(f"size is of images; {model.name} takes {space.words}, which is made as large as it is, {own}")
    said = () if usual == model.input_shape[:2] else (f"size {own}: the recipe's {usual[0]} x {usual[1]} is of images",)
    return Placement(space.spatial, warnings=said)


def as_image(values: Float[Array, "*axes c"], model: Model) -> Float[Array, "h w c"]:
    """Return an image as it is, a series or volume as the model holds it."""
    return values if model.structure.one_space is None else values.reshape(model.input_shape)


def with_own_axes(values: np.ndarray, before: int, held: tuple[int, ...], own: tuple[int, ...] | None) -> np.ndarray:
    """Return arrays of whole inputs, `held` behind the first few axes, with the user's axes; others as they are."""
    if own is None or values.shape[before:] != held:
        return values
    return values.reshape(*values.shape[:before], *own)


def image_size(target: Target) -> tuple[int, int] | None:
    """Return height and width of the target's own images, `None` where it has none."""
    if not (isinstance(target, TargetWithInputs) and IMAGE in target.arrays):
        return None
    shape = target.arrays[IMAGE].shape
    return int(shape[1]), int(shape[2])


def _of_neurons(model: Model, target: Target, margin: int) -> Placement:
    """Each neuron's receptive field and margin, cut out in phase with all strides, so that the unit is the same."""
    (plain,) = terms_of(target)
    assert isinstance(plain, Neuron)  # said by the caller
    own = model.input_shape[:2]
    whole = Placement(own)
    layer = model.layers[plain.layer]
    field = layer.receptive_field
    if (
        not layer.is_map
        or field is None
        or field.stride is None
        or not field.aligned
        or any(s != int(s) for s in field.stride)
    ):
        return whole
    strides = int(field.stride[0]), int(field.stride[1])
    units = np.stack([np.asarray(plain.row), np.asarray(plain.col)], -1)  # n 2
    boxes = np.asarray([field.box(int(r), int(c), clip=False) for r, c in units])
    height, tops = _cut(boxes[:, 0], boxes[:, 2], own[0], strides[0], margin)
    width, lefts = _cut(boxes[:, 1], boxes[:, 3], own[1], strides[1], margin)
    placement = Placement((height, width), tuple(zip(tops.tolist(), lefts.tolist(), strict=True)), strides)
    if placement.size == own or not _same_fields(model, target, placement, boxes):
        return whole
    return placement


def _cut(
    first: Int[np.ndarray, " n"], last: Int[np.ndarray, " n"], extent: int, stride: int, margin: int
) -> tuple[int, Int[np.ndarray, " n"]]:
    """Return one length for all crops, and where each begins: both in phase with the stride and the far edge."""
    corner = stride * np.floor_divide(np.maximum(first - margin, 0), stride)
    stop = np.where(last + margin >= extent - 1, extent, last + margin + 1)
    need = int((stop - corner).max())
    size = min(extent, extent - stride * ((extent - need) // stride))
    beyond = (stop == extent) | (corner + size > extent)
    return size, np.where(beyond, extent - size, corner)


def _same_fields(model: Model, target: Target, placement: Placement, boxes: Int[np.ndarray, "n 4"]) -> bool:
    """Whether every unit sees, at the new size, what it sees in the whole image."""
    try:
        sized, moved = place(model, target, placement)
    except ModelError:
        return False
    (plain,) = terms_of(moved)
    field = sized.layers[plain.layers[0]].receptive_field
    assert field is not None  # as at the model's own size
    rows, columns = np.asarray(plain.row), np.asarray(plain.col)  # type: ignore[attr-defined]
    shape = sized.layers[plain.layers[0]].shape
    if (rows < 0).any() or (columns < 0).any() or (rows >= shape[0]).any() or (columns >= shape[1]).any():
        return False
    own = model.input_shape
    for row, column, box, (top, left) in zip(rows, columns, boxes, placement.offsets or (), strict=True):
        found = np.asarray(field.box(int(row), int(column), clip=False)) + np.asarray([top, left, top, left])
        if not np.array_equal(found, box):
            return False
        # Where the field ends outside the image, the new one must end there too: padding is a part of what is seen.
        for near, far, start, size, extent in (
            (0, 2, top, placement.size[0], own[0]),
            (1, 3, left, placement.size[1], own[1]),
        ):
            if (box[near] < start and start > 0) or (box[far] >= start + size and start + size < extent):
                return False
    return True


def need_image(target: Target, technique: str) -> tuple[int, int]:
    """Return height and width of the target's images.

    Raises:
        ImageError: There are none.
    """
    size = image_size(target)
    if size is None:
        raise ImageError(f"{technique} works on images; say images=")
    return size


def seen(model: Model, layer: str, given: Mapping[str, Array]) -> Float[Array, "..."]:
    """Return a layer's values for the target's own image."""
    return model.run(as_image(given[IMAGE], model), read=(layer,), need_outputs=False)[1][layer]


def side(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return height and width of a size given as one number or two."""
    if size is None:
        return None
    return (size[0], size[-1]) if isinstance(size, tuple) else (size, size)
