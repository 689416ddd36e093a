"""Whether images made for units go through the network as real ones do: path similarity, for the pages of a site."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.model.model import Model
from cnnviz_jax.similarity.paths import path_similarity
from cnnviz_jax.verbs.capture import capture

NUMBERS = 4096
"""Of a layer's values for one image, drawn once for all images: ranks of whole maps would take most of the time."""
_LEAST = 2
_IMAGES = 256
"""Whose values are kept."""


def numbers_of(size: int) -> Int[np.ndarray, " n"]:
    """Return which of a layer's values are compared: all of up to 4,096, or so many that are drawn with a seed."""
    if size <= NUMBERS:
        return np.arange(size)
    return np.sort(np.random.default_rng(0).choice(size, NUMBERS, replace=False))


class Paths:
    """Values of layers for images of a data set, each image run once."""

    def __init__(self, model: Model, dataset: Dataset, layers: Sequence[str]) -> None:
        self._model, self._layers = model, tuple(layers)
        self._at = functools.lru_cache(_IMAGES)(lambda number: self._values(dataset.image(number)))

    def of(
        self, layer: str, image: Float[np.ndarray, "h w c"], natural: Sequence[int], others: Sequence[int]
    ) -> dict[str, Any] | None:
        """Return how alike layers hold a made image and a unit's strongest real ones; `None` where these do not fit.

        Args:
            layer: The unit's; it and those before it are compared.
            image: The made one.
            natural: Numbers of the unit's strongest images.
            others: Numbers of other units' strongest images.

        Returns:
            `layers`, a row for each: name, similarity, same, other, normalised (1 like real images of the unit, 0 like
            those of others; nan where the layer does not tell them apart); `mean`, over the layers that tell them
            apart.

        Cost: one forward pass per image that was not met before.
        Source: Geirhos et al. 2024, arXiv:2306.04719, section 4.
        """
        apart = [number for number in others if number not in natural]
        if image.shape != self._model.input_shape or len(natural) < _LEAST or not apart:
            return None
        made = self._values(image)
        rows = []
        for each in self._layers[: self._layers.index(layer) + 1]:
            own, foreign = (np.stack([self._at(number)[each] for number in group]) for group in (natural, apart))
            found = path_similarity(made[each][None], own, foreign)
            rows.append((each, found.similarity, found.same, found.other, found.normalised))
        told = [row[4] for row in rows if np.isfinite(row[4])]
        return {"layers": rows, "mean": float(np.mean(told)) if told else float("nan")}

    def _values(self, image: Float[np.ndarray, "h w c"]) -> dict[str, Float[np.ndarray, " n"]]:
        found = capture(self._model, np.asarray(image, np.float32)[None], list(self._layers))
        flat = {layer: np.asarray(found[layer], np.float32).ravel() for layer in self._layers}
        return {layer: values[numbers_of(len(values))] for layer, values in flat.items()}


def natural_images(tops: Mapping[int, Sequence[int]], unit: int) -> tuple[list[int], list[int]]:
    """Return the numbers of a unit's strongest images, and as many that are strongest for the units behind it.

    Args:
        tops: Numbers of the strongest images of each unit of a layer, strongest first.
        unit: The unit.
    """
    natural = list(tops[unit])
    behind = [tops[(unit + step) % len(tops)] for step in range(1, len(tops))]
    firsts = dict.fromkeys(numbers[0] for numbers in behind if len(numbers))
    return natural, [number for number in firsts if number not in natural][: max(len(natural), 1)]
