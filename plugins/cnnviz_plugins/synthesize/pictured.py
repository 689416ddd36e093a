"""Techniques that start from a picture, or meet one again: the check that there is one, and a layer's view of it."""

from collections.abc import Mapping

from jaxtyping import Array, Float

from cnnviz_jax import Model
from cnnviz_jax.errors import ImageError
from cnnviz_jax.targets import Target
from cnnviz_jax.targets.combining import Given
from cnnviz_plugins.synthesize.canvases import PICTURE


def need_picture(target: Target, technique: str) -> tuple[int, int]:
    """Return height and width of the target's pictures.

    Raises:
        ImageError: There are none.
    """
    if not (isinstance(target, Given) and PICTURE in target.arrays):
        raise ImageError(f"{technique} works on pictures; say images=")
    shape = target.arrays[PICTURE].shape
    return int(shape[1]), int(shape[2])


def seen(model: Model, layer: str, given: Mapping[str, Array]) -> Float[Array, "..."]:
    """Return a layer's values for the target's own picture."""
    return model.run(given[PICTURE], read=(layer,), need_outputs=False)[1][layer]
