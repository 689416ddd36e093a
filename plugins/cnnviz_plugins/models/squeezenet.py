"""SqueezeNet 1.0 and 1.1 in Flax NNX, with torchvision's module paths.

The two differ in numbers only, so each is a table. Both end in convolution, ReLU, global average:
no score is ever negative, and a class whose map is all below zero has no gradient.
"""

from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Conv
from cnnviz_plugins.models.layers import GlobalAveragePool, MaxPool, ReLU, of_rows, run_through

Row = tuple[int, int] | Literal["pool"]
"""A Fire module as (squeeze channels, channels of each expand half), or a 3 x 3 max-pool of stride 2."""

TABLES: dict[str, tuple[tuple[int, int], tuple[Row, ...]]] = {
    "squeezenet1_0": (
        (96, 7),
        ("pool", (16, 64), (16, 64), (32, 128), "pool", (32, 128), (48, 192), (48, 192), (64, 256), "pool", (64, 256)),
    ),
    "squeezenet1_1": (
        (64, 3),
        ("pool", (16, 64), (16, 64), "pool", (32, 128), (32, 128), "pool", (48, 192), (48, 192), (64, 256), (64, 256)),
    ),
}
"""Per variant: channels and window of the first convolution (stride 2), then the rows that follow its ReLU."""


class Fire(nnx.Module):
    """Squeezes to few channels by 1 x 1, then expands by 1 x 1 and 3 x 3 side by side.

    Args:
        channels: Channels coming in.
        squeeze: Channels in between.
        expand: Channels of each half going out.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, squeeze: int, expand: int, *, rngs: nnx.Rngs) -> None:
        self.squeeze = Conv(channels, squeeze, (1, 1), padding="VALID", rngs=rngs)
        self.squeeze_activation = ReLU()
        self.expand1x1 = Conv(squeeze, expand, (1, 1), padding="VALID", rngs=rngs)
        self.expand1x1_activation = ReLU()
        self.expand3x3 = Conv(squeeze, expand, (3, 3), padding=1, rngs=rngs)
        self.expand3x3_activation = ReLU()

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
        """The maps of the 1 x 1 half, then those of the 3 x 3 half."""
        x = self.squeeze_activation(self.squeeze(x))
        halves = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return jnp.concatenate(halves, axis=-1)


class SqueezeNet(nnx.Module):
    """SqueezeNet (Iandola et al. 2016) as torchvision lays it out.

    Args:
        variant: A key of `TABLES`.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, variant: str, *, classes: int = 1000, rngs: nnx.Rngs) -> None:
        (stem, window), rows = TABLES[variant]
        first = [Conv(3, stem, (window, window), strides=2, padding="VALID", rngs=rngs), ReLU()]

        def fire(channels: int, row: tuple[int, int]) -> tuple[list[nnx.Module], int]:
            squeeze, expand = row
            return [Fire(channels, squeeze, expand, rngs=rngs)], 2 * expand

        layers, channels = of_rows(rows, fire, pool=lambda: MaxPool(3, 2, ceil_mode=True), channels=stem)
        self.features = nnx.List([*first, *layers])
        self.classifier = nnx.List(
            [
                nnx.Dropout(0.5, deterministic=True),
                Conv(channels, classes, (1, 1), padding="VALID", rngs=rngs),
                ReLU(),
                GlobalAveragePool(),
            ]
        )

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        return run_through(run_through(images, self.features), self.classifier)
