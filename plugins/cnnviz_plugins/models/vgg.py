"""The VGG networks in Flax NNX, with torchvision's module paths: one list of numbers per variant."""

from typing import Literal

from flax import nnx

from cnnviz_plugins.models.first_kernels import Conv
from cnnviz_plugins.models.layers import MapsThenDense, MaxPool, ReLU, of_rows

Row = int | Literal["pool"]
"""Channels of a 3 x 3 convolution, or a 2 x 2 max-pool."""

TABLES: dict[str, tuple[Row, ...]] = {
    "vgg11": (64, "pool", 128, "pool", *[256] * 2, "pool", *[512] * 2, "pool", *[512] * 2, "pool"),
    "vgg13": (*[64] * 2, "pool", *[128] * 2, "pool", *[256] * 2, "pool", *[512] * 2, "pool", *[512] * 2, "pool"),
    "vgg16": (*[64] * 2, "pool", *[128] * 2, "pool", *[256] * 3, "pool", *[512] * 3, "pool", *[512] * 3, "pool"),
    "vgg19": (*[64] * 2, "pool", *[128] * 2, "pool", *[256] * 4, "pool", *[512] * 4, "pool", *[512] * 4, "pool"),
}
"""Per variant: the convolutions, each with a ReLU after it, and the pools (Simonyan and Zisserman 2015, table 1)."""


class VGG(MapsThenDense):
    """VGG (Simonyan and Zisserman 2015) as torchvision lays it out.

    Args:
        table: Rows of the convolutional part; see `TABLES`.
        batch_norm: Whether BatchNorm stands between each convolution and its ReLU.
        hidden: Units of the two hidden dense layers.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        table: tuple[Row, ...],
        *,
        batch_norm: bool = False,
        hidden: int = 4096,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:

        def convolved(channels: int, out: int) -> tuple[list[nnx.Module], int]:
            layers: list[nnx.Module] = [Conv(channels, out, (3, 3), padding=1, rngs=rngs)]
            if batch_norm:
                layers.append(nnx.BatchNorm(out, momentum=0.9, rngs=rngs))
            return [*layers, ReLU()], out

        layers, channels = of_rows(table, convolved, pool=lambda: MaxPool(2, 2))
        super().__init__(layers, (channels, hidden, hidden, classes), grid=7, rngs=rngs)
