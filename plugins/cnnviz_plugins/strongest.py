"""The fields of `Exemplars` that follow from which images rank first, whatever they are ranked by."""

from typing import TypedDict

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.plugin import Layer, Model, Total, boxes_of, places_of


class Strongest(TypedDict):
    """What an `Exemplars` says of each unit's images."""

    layer: str
    value: Float[np.ndarray, "c k"]
    id: Int[np.ndarray, "c k"]
    place: Int[np.ndarray, "c k axes"]
    box: Int[np.ndarray, "c k 2*axes"]
    nonfinite: Int[np.ndarray, " c"]


def strongest(layer: Layer, model: Model, top: Total) -> Strongest:
    """Return these fields for what a `TopK` at the layer found."""
    place, box = located(layer, model, top)
    return {
        "layer": layer.name,
        "value": top["value"],
        "id": top["id"],
        "place": place,
        "box": box,
        "nonfinite": top["nonfinite"],
    }


def located(
    layer: Layer, model: Model, entries: Total
) -> tuple[Int[np.ndarray, "c *k axes"], Int[np.ndarray, "c *k ends"]]:
    """Return where in the layer's map entries such as `TopK`'s are, and what their units see of the input."""
    space = model.structure.one_space
    place = places_of(layer, entries, space)
    return place, boxes_of(layer, model.input_shape, place, space)
