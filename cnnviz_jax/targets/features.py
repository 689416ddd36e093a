"""A feature of a dictionary as a target: what its code is chosen from, at a layer of any model."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.dictionary import Dictionary
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.targets.target import LayerTarget, check_numbers, one_each


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Feature(LayerTarget):
    """What a feature's code is chosen from, mean over positions: a weighted sum of channels and a constant.

    Not the code itself: it is 0 nearly everywhere, and so is its gradient. The code is a channel of a model that was
    given the dictionary: `cv.targets.channel("relu4/dictionary", 3)`.
    """

    layer: str = static()
    weights: Float[Array, "n c"]
    constant: Float[Array, "*n"]
    index: Int[Array, "*n"]
    """Numbers of the features, for its words."""

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean over positions."""
        value = activations[self.layer]
        mean = value.reshape(-1, value.shape[-1]).mean(0)
        return (mean * self.weights.reshape(-1)).sum() + self.constant.reshape(())

    def check(self, model: Model) -> None:
        """Raise `TargetError` if the dictionary is of a layer with another number of channels."""
        channels = model.layers[self.layer].channels
        if self.weights.shape[-1] != channels:
            found = self.weights.shape[-1]
            raise TargetError(f"the dictionary has {found} channels, layer {self.layer!r} of {model.name} {channels}")

    def batched(self, count: int) -> Self:
        """Return it with one feature per image; a single one serves all."""
        weights = self.weights.reshape(-1, self.weights.shape[-1])
        constant, index = self.constant.reshape(-1), self.index.reshape(-1)
        alone = len(index) == 1
        return dataclasses.replace(
            self,
            weights=one_each(weights[0] if alone else weights, count, "features", rank=1),
            constant=one_each(constant[0] if alone else constant, count, "features"),
            index=one_each(index[0] if alone else index, count, "features"),
        )

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `relu4 feature 3`."""
        return tuple(f"{self.layer} feature {int(i)}" for i in np.atleast_1d(np.asarray(self.index)))


def feature(dictionary: Dictionary, index: int | Sequence[int], layer: str | None = None) -> Feature:
    """Return the target "feature `index` of a dictionary": one feature, or one per image.

    Args:
        dictionary: From `cv.learn_dictionary` or `cv.load`.
        index: Number of the feature.
        layer: Where its values are, for a dictionary that was learned from rows; its own layer when not given.

    Raises:
        TargetError: The dictionary has no such feature, or no layer.
    """
    where = layer or dictionary.layer
    if not where:
        raise TargetError("this dictionary was learned from rows; say layer=, whose values they were")
    numbers = np.atleast_1d(np.asarray(index))
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
        raise TargetError(f"a feature is a whole number, or one per image; got {index!r}")
    check_numbers("feature", numbers, len(dictionary), "the dictionary")
    weights, constants = dictionary.codec.affine
    return Feature(
        layer=where,
        weights=jnp.asarray(np.asarray(weights)[numbers], jnp.float32),
        constant=jnp.asarray(np.asarray(constants)[numbers], jnp.float32),
        index=jnp.asarray(numbers, jnp.int32),
    )
