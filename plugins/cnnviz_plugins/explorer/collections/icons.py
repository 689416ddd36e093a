"""Images made for directions of a layer, small: the icons of atlases and grids."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Layer, SiteCase, Tile, as_bytes, direction, shrunk, synthesize

_PX = {"full": 48, "light": 32}
_POWER = 4.0


def icons_of(
    case: SiteCase, layer: Layer, directions: Float[np.ndarray, "n c"], *, recipe: str, steps: int | None
) -> list[Callable[[str], Tile]]:
    """Return, for each direction, a function that gives words to the image made for it.

    The objective is the dot product times max(0.1, cosine)^4 at the layer's middle position.

    Cost: steps x directions forward and backward passes, by one compiled program.
    Source: Carter et al. 2019, "Activation Atlas"; Olah et al. 2018, "The Building Blocks of Interpretability".
    """
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    unit = directions / np.where(lengths > 0, lengths, 1)  # the length alone changes nothing but the rate of ascent
    target = direction(layer.name, unit.astype(np.float32), power=_POWER, at="middle")
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    made = synthesize(
        "activation-maximization", case.model, target=target, recipe=recipe, key=case.key,
        memory_budget=case.memory_budget, progress=False, **options,
    )  # fmt: skip

    def icon(image: Float[np.ndarray, "h w ch"], reached: float) -> Callable[[str], Tile]:
        pixels = as_bytes(np.asarray(image))
        pixels = shrunk(pixels, _PX[case.detail] / max(pixels.shape))
        return lambda words: Tile(pixels=pixels, alt=words, value=reached)

    return [icon(image, float(reached)) for image, reached in zip(made.images, made.activation, strict=True)]
