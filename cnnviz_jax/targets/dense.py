"""A class at some positions of a dense output, such as a segmentation: a set of pixels or a box."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.targets.target import Target, check_numbers, one_each


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Pixels(Target):
    """The mean, or the sum, of one class's scores over a set of positions of a dense output (rows, cols, classes)."""

    index: Int[Array, "*n"] | int
    mask: Float[Array, "n rows cols"]
    """1 at the positions that count; one mask for all images or one for each."""
    words: str = static(default="pixels")
    total: bool = static(default=False)
    """Whether scores are added up over the positions; else their mean is taken."""

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean, or the sum, of the class's map where the mask is set."""
        logits = jnp.asarray(outputs, jnp.float32)[..., self.index]
        total = (logits * self.mask).sum()
        return total if self.total else total / self.mask.sum()

    def batched(self, count: int) -> Self:
        """Return this target with one class and one mask per image."""
        mask = one_each(self.mask[0] if len(self.mask) == 1 else self.mask, count, "masks", rank=2)
        return dataclasses.replace(self, index=one_each(self.index, count, "classes"), mask=mask)

    def check(self, model: Model) -> None:
        """Raise `TargetError` unless the outputs are (rows, cols, classes) of the mask's size and have the class."""
        shape = dense_shape(model)
        if self.mask.shape[1:] != shape[:2]:
            raise TargetError(f"the mask is {self.mask.shape[1:]}, the output of {model.name} is {shape[:2]}")
        if not np.asarray(self.mask).reshape(len(self.mask), -1).any(1).all():
            raise TargetError("a set of pixels or a box holds no position of the output")
        check_numbers("class", self.index, shape[2], model.name)

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `3 road in a box`."""
        return tuple(f"{model.class_name(int(i))} in {self.words}" for i in np.atleast_1d(np.asarray(self.index)))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Segment(Target):
    """A class over the region where it is the best one of a dense output, of each untouched image.

    The region is fixed before anything is explained, and not differentiated.
    Source: Vinogradova, Dibrov, Myers 2020, arXiv:2002.11434.
    """

    index: Int[Array, "*n"] | int
    average: bool = static(default=False)
    """Whether the sum is divided by the region's size."""

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Raise `TargetError`: the region is that of an untouched image, which only `frozen` sees."""
        raise TargetError("a segment's region is fixed at the untouched image; this verb does not fix it: give a mask")

    def frozen(self, model: Model, images: Float[Array | np.ndarray, "n h w c"]) -> Target:
        """Return the class's scores over its region in each image.

        Raises:
            TargetError: The output is no dense one, or the class is nowhere the best of an image.

        Cost: one forward pass.
        """
        classes = dense_shape(model)[2]
        check_numbers("class", self.index, classes, model.name)
        index = np.broadcast_to(np.asarray(self.index), (len(images),))
        mask = np.asarray(model(images)).argmax(-1) == index[:, None, None]
        empty = np.flatnonzero(~mask.any((1, 2)))
        if empty.size:
            at = int(empty[0])
            raise TargetError(
                f"{model.class_name(int(index[at]))} is the best class nowhere in image {at}; name another, or a mask"
            )
        return Pixels(jnp.asarray(index), jnp.asarray(mask, jnp.float32), "its region", total=not self.average)


def dense_shape(model: Model) -> tuple[int, int, int]:
    """Return rows, columns and classes of the model's output for one image.

    Raises:
        TargetError: The output is no dense one.
    """
    out = jax.eval_shape(lambda image: model.run(image)[0], jax.ShapeDtypeStruct(model.input_shape, jnp.float32))
    shape = tuple(out.shape) if hasattr(out, "shape") else None
    if shape is None or len(shape) != 3:
        raise TargetError(f"{model.name} gives {shape} for one image; pixels and boxes need (rows, cols, classes)")
    return shape[0], shape[1], shape[2]


def pixels(index: int, mask: Any) -> Pixels:
    """Return the target "mean score of class `index` where `mask` is set"; mask (rows, cols), or one per image.

    The mask has the size of the model's output, which may be coarser than the image.
    """
    array = np.asarray(mask).astype(np.float32)
    if array.ndim not in (2, 3):
        raise TargetError(f"a mask is (rows, cols), or one per image, got shape {array.shape}")
    return Pixels(jnp.asarray(index), jnp.asarray(array[None] if array.ndim == 2 else array))


def box(index: int, top: int, left: int, height: int, width: int, *, size: tuple[int, int]) -> Pixels:
    """Return the target "mean score of class `index` in a box" of an output of `size` (rows, cols)."""
    mask = np.zeros(size, np.float32)
    mask[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = 1
    words = f"the box of {height} x {width} at row {top}, column {left}"
    return Pixels(jnp.asarray(index), jnp.asarray(mask[None]), words)


def segment(index: Any, mask: Any = None, *, average: bool = False) -> Segment | Pixels:
    """Return the target "sum of the scores of class `index` over its region", for segmentations.

    Args:
        index: The class, or one per image.
        mask: The region (rows, cols), or one per image; where left out, the positions where the class is the best one
            in the untouched image, which stay the region whatever is changed.
        average: Divide by the region's size.
    """
    if mask is None:
        return Segment(jnp.asarray(index), average)
    region = dataclasses.replace(pixels(0, mask), index=jnp.asarray(index))
    return dataclasses.replace(region, words="a mask", total=not average)
