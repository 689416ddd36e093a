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
    """The mean score of one class over a set of positions of a dense output (rows, cols, classes)."""

    index: Int[Array, "*n"] | int
    mask: Float[Array, "n rows cols"]
    """1 at the positions that count; one mask for all images or one for each."""
    words: str = static(default="pixels")

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean of the class's map where the mask is set."""
        logits = jnp.asarray(outputs, jnp.float32)[..., self.index]
        return (logits * self.mask).sum() / self.mask.sum()

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
