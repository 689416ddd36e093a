"""The ResNets for CIFAR-10 with parameterless shortcuts, in Flax NNX, with the module paths of their published files.

A shortcut that crosses a change of size takes every second pixel and fills the new channels with zeros, half of them
below and half above (option A of the paper).
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.layers import Add, GlobalAveragePool, ReLU, batch_norm, convolution, run_through

WIDTHS = (16, 32, 64)
"""Channels of the three groups of blocks."""

BLOCKS: dict[str, int] = {"cifar_resnet20": 3, "cifar_resnet56": 9}
"""Blocks a group; a network has 6 n + 2 layers with weights."""


class Subsample(nnx.Module):
    """Every second pixel, with channels of zeros below and above.

    Args:
        extra: Channels of zeros, half of them on each side.
    """

    def __init__(self, extra: int) -> None:
        self.extra = extra

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The smaller and deeper maps."""
        return jnp.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (self.extra // 2, self.extra - self.extra // 2)))


class Block(nnx.Module):
    """Two 3 x 3 convolutions with BatchNorm beside a shortcut.

    Args:
        channels: Channels coming in.
        out: Channels going out; where they are more, maps get half as high and wide.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, out: int, *, rngs: nnx.Rngs) -> None:
        stride = 1 if channels == out else 2
        self.conv1 = convolution(channels, out, 3, stride=stride, rngs=rngs)
        self.bn1 = batch_norm(out, rngs=rngs)
        self.relu1 = ReLU()
        self.conv2 = convolution(out, out, 3, rngs=rngs)
        self.bn2 = batch_norm(out, rngs=rngs)
        self.shortcut = None if channels == out else Subsample(out - channels)
        self.add = Add()
        self.relu2 = ReLU()

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps of the block."""
        main = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(self.add(x if self.shortcut is None else self.shortcut(x), main))


class CifarResNet(nnx.Module):
    """ResNet for 32 x 32 images (He et al. 2016, section 4.2).

    Args:
        blocks: Blocks in each group.
        widths: Channels of the groups.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, blocks: int, *, widths: tuple[int, ...] = WIDTHS, classes: int = 10, rngs: nnx.Rngs) -> None:
        self.conv1 = convolution(3, widths[0], 3, rngs=rngs)
        self.bn1 = batch_norm(widths[0], rngs=rngs)
        self.relu = ReLU()
        channels = widths[0]
        groups = []
        for out in widths:
            groups.append(nnx.List([Block(out if number else channels, out, rngs=rngs) for number in range(blocks)]))
            channels = out
        self.layer1, self.layer2, self.layer3 = groups
        self.average = GlobalAveragePool()
        self.linear = nnx.Linear(channels, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        x = self.relu(self.bn1(self.conv1(images)))
        for group in (self.layer1, self.layer2, self.layer3):
            x = run_through(x, group)
        return self.linear(self.average(x))
