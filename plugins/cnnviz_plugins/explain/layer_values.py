"""The values of layers, and the gradients of a score with respect to them."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Model

Map = Float[Array, "rows cols channels"]


def values_of(model: Model, image: Float[Array, "h w c"], *layers: str) -> dict[str, Any]:
    """Return the layers' values; traceable.

    Cost: one forward pass up to the last of them.
    """
    return model.run(image, read=layers, need_outputs=False)[1]


def zeros_like_values(model: Model, image: Float[Array, "h w c"], *layers: str) -> dict[str, Array]:
    """Return zeros of the layers' shapes: what gradients with respect to their values are taken at."""
    shapes = jax.eval_shape(lambda: values_of(model, image, *layers)) if layers else {}
    return {name: jnp.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}


def values_and_gradients(case: Case, *layers: str) -> dict[str, tuple[Any, Any]]:
    """Return every layer's value and d score / d value.

    Cost: one forward and one backward pass, whatever the number of layers.
    """

    def score(deltas: dict[str, Array]) -> tuple[Any, Any]:
        return case.model.score(case.image, case.target, read=layers, add=deltas)

    gradients, values = jax.grad(score, has_aux=True)(zeros_like_values(case.model, case.image, *layers))
    return {name: (values[name], gradients[name]) for name in layers}
