"""AlexNet in Flax NNX: the one-tower form that torchvision has, with its module paths."""

from typing import Literal

from flax import nnx

from cnnviz_plugins.models.first_kernels import Conv
from cnnviz_plugins.models.layers import MapsThenDense, MaxPool, ReLU, of_rows

Row = tuple[int, int, int] | Literal["pool"]
"""A convolution as (channels, window, stride), or a 3 x 3 max-pool of stride 2."""

TABLE: tuple[Row, ...] = ((64, 11, 4), "pool", (192, 5, 1), "pool", (384, 3, 1), (256, 3, 1), (256, 3, 1), "pool")
"""The rows; a ReLU follows each convolution (Krizhevsky 2014, arXiv 1404.5997)."""


class AlexNet(MapsThenDense):
    """Five convolutions and three dense layers; 61,100,840 parameters.

    Args:
        table: Rows of the convolutional part; see `TABLE`.
        hidden: Units of the two hidden dense layers.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(
        self, table: tuple[Row, ...] = TABLE, *, hidden: int = 4096, classes: int = 1000, rngs: nnx.Rngs
    ) -> None:

        def convolved(channels: int, row: tuple[int, int, int]) -> tuple[list[nnx.Module], int]:
            out, window, stride = row
            padding = 2 if stride > 1 else window // 2
            return [Conv(channels, out, (window, window), strides=stride, padding=padding, rngs=rngs), ReLU()], out

        layers, channels = of_rows(table, convolved, pool=lambda: MaxPool(3, 2))
        super().__init__(layers, (channels, hidden, hidden, classes), grid=6, drops_first=True, rngs=rngs)
