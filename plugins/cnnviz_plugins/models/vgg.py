"""The VGG networks in Flax NNX, with torchvision's module paths: one list of numbers per variant."""

from typing import Literal

from flax import nnx

from cnnviz_plugins.models.first_kernels import Conv
from cnnviz_plugins.models.layers import MapsThenDense, MaxPool, ReLU

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
        layers: list[nnx.Module] = []
        channels = 3
        for row in table:
            if row == "pool":
                layers.append(MaxPool(2, 2))
                continue
            layers.append(Conv(channels, row, (3, 3), padding=1, rngs=rngs))
            if batch_norm:
                layers.append(nnx.BatchNorm(row, momentum=0.9, rngs=rngs))
            layers.append(ReLU())
            channels = row
        super().__init__(layers, (channels, hidden, hidden, classes), grid=7, rngs=rngs)
