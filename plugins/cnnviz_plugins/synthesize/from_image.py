"""Techniques that start from an image, or meet one again: the check that there is one, and a layer's view of it."""

from collections.abc import Mapping

from jaxtyping import Array, Float

from cnnviz_jax.plugin import ImageError, Model, Target, TargetWithInputs
from cnnviz_plugins.synthesize.placement import IMAGE


def need_image(target: Target, technique: str) -> tuple[int, int]:
    """Return height and width of the target's images.

    Raises:
        ImageError: There are none.
    """
    if not (isinstance(target, TargetWithInputs) and IMAGE in target.arrays):
        raise ImageError(f"{technique} works on images; say images=")
    shape = target.arrays[IMAGE].shape
    return int(shape[1]), int(shape[2])


def seen(model: Model, layer: str, given: Mapping[str, Array]) -> Float[Array, "..."]:
    """Return a layer's values for the target's own image."""
    return model.run(given[IMAGE], read=(layer,), need_outputs=False)[1][layer]
