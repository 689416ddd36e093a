"""GoogLeNet in Flax NNX, with torchvision's module paths and without the two auxiliary heads of its training.

As in torchvision, whose weights come from TensorFlow, there is BatchNorm after each convolution (epsilon 0.001), and
the branch that the paper has as 5 x 5 is 3 x 3.
"""

from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Linear
from cnnviz_plugins.models.layers import ConvNorm, GlobalAveragePool, MaxPool, run_through

Row = tuple[str, int, int, int, int, int, int]
"""An Inception module: its name, then channels of the 1 x 1 branch, of the second branch before and in its 3 x 3
convolution, of the third branch likewise, and of the projection after the pool."""

TABLE: tuple[Row | tuple[Literal["maxpool3", "maxpool4"], int], ...] = (
    ("inception3a", 64, 96, 128, 16, 32, 32),
    ("inception3b", 128, 128, 192, 32, 96, 64),
    ("maxpool3", 3),
    ("inception4a", 192, 96, 208, 16, 48, 64),
    ("inception4b", 160, 112, 224, 24, 64, 64),
    ("inception4c", 128, 128, 256, 24, 64, 64),
    ("inception4d", 112, 144, 288, 32, 64, 64),
    ("inception4e", 256, 160, 320, 32, 128, 128),
    ("maxpool4", 2),
    ("inception5a", 256, 160, 320, 32, 128, 128),
    ("inception5b", 384, 192, 384, 48, 128, 128),
)
"""What follows the stem: Inception modules, and max-pools of stride 2 with their window (Szegedy et al. 2015)."""

STEM = (64, 64, 192)
"""Channels of the three convolutions before the first module."""


class Inception(nnx.Module):
    """Four branches side by side, their channels joined.

    Args:
        channels: Channels coming in.
        widths: The numbers of a row of `TABLE`.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        one, before_second, second, before_third, third, pooled = widths
        self.branch1 = ConvNorm(channels, one, 1, rngs=rngs)
        self.branch2 = nnx.List(
            [ConvNorm(channels, before_second, 1, rngs=rngs), ConvNorm(before_second, second, 3, rngs=rngs)]
        )
        self.branch3 = nnx.List(
            [ConvNorm(channels, before_third, 1, rngs=rngs), ConvNorm(before_third, third, 3, rngs=rngs)]
        )
        self.branch4 = nnx.List([MaxPool(3, 1, padding=1), ConvNorm(channels, pooled, 1, rngs=rngs)])

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
        """The maps of the branches, in their order."""
        branches = ([self.branch1], self.branch2, self.branch3, self.branch4)
        return jnp.concatenate([run_through(x, branch) for branch in branches], axis=-1)


class GoogLeNet(nnx.Module):
    """GoogLeNet (Szegedy et al. 2015) as torchvision lays it out; 6,624,904 parameters.

    Args:
        table: Modules and pools; see `TABLE`.
        stem: See `STEM`.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        table: tuple[Row | tuple[Literal["maxpool3", "maxpool4"], int], ...] = TABLE,
        *,
        stem: tuple[int, int, int] = STEM,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        self.conv1 = ConvNorm(3, stem[0], 7, stride=2, rngs=rngs)
        self.maxpool1 = MaxPool(3, 2, ceil_mode=True)
        self.conv2 = ConvNorm(stem[0], stem[1], 1, rngs=rngs)
        self.conv3 = ConvNorm(stem[1], stem[2], 3, rngs=rngs)
        self.maxpool2 = MaxPool(3, 2, ceil_mode=True)
        channels = stem[2]
        self.names = tuple(row[0] for row in table)
        for name, *numbers in table:
            if len(numbers) == 1:
                setattr(self, name, MaxPool(numbers[0], 2, ceil_mode=True))
                continue
            setattr(self, name, Inception(channels, tuple(numbers), rngs=rngs))
            one, _, second, _, third, pooled = numbers
            channels = one + second + third + pooled
        self.avgpool = GlobalAveragePool()
        self.dropout = nnx.Dropout(0.2, deterministic=True)
        self.fc = Linear(channels, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        x = self.maxpool1(self.conv1(images))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = run_through(x, [getattr(self, name) for name in self.names])
        return self.fc(self.dropout(self.avgpool(x)))
