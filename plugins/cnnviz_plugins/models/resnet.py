"""The ResNets in Flax NNX, with torchvision's module paths: a kind of block and four counts per variant for ImageNet.

As in torchvision, a bottleneck's stride is in its 3 x 3 convolution, not in its first 1 x 1 one as in the paper. Those
for CIFAR-10 have the module paths of their published files and shortcuts without parameters: one that crosses a change
of size takes every second pixel and fills the new channels with zeros, half of them below and half above (option A of
the paper).
"""

from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Linear
from cnnviz_plugins.models.layers import Add, GlobalAveragePool, MaxPool, ReLU, batch_norm, convolution, run_through

Kind = Literal["basic", "bottleneck"]
"""Two 3 x 3 convolutions, or 1 x 1, 3 x 3 and 1 x 1 with four times the channels at the end."""

TABLES: dict[str, tuple[Kind, tuple[int, int, int, int]]] = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
    "resnet152": ("bottleneck", (3, 8, 36, 3)),
}
"""Per variant: the kind of block and how many are in each of the four groups (He et al. 2016, table 1)."""

_WINDOWS: dict[Kind, tuple[int, ...]] = {"basic": (3, 3), "bottleneck": (1, 3, 1)}
_WIDENING: dict[Kind, int] = {"basic": 1, "bottleneck": 4}


class Block(nnx.Module):
    """Convolutions with BatchNorm beside a shortcut, which is itself a 1 x 1 convolution where the shape changes.

    Args:
        kind: See `Kind`.
        channels: Channels coming in.
        width: Channels of its 3 x 3 convolutions.
        stride: Stride of the first of those.
        projects: Whether the shortcut may be a convolution.
        rngs: Keys for the first weights.
    """

    def __init__(
        self, kind: Kind, channels: int, width: int, *, stride: int, projects: bool = True, rngs: nnx.Rngs
    ) -> None:
        windows, out = _WINDOWS[kind], width * _WIDENING[kind]
        sizes = (channels, *[width] * (len(windows) - 1), out)
        self.steps = len(windows)
        for step, window in enumerate(windows):
            strided = stride if step == windows.index(3) else 1
            conv = convolution(sizes[step], sizes[step + 1], window, stride=strided, rngs=rngs)
            setattr(self, f"conv{step + 1}", conv)
            setattr(self, f"bn{step + 1}", batch_norm(sizes[step + 1], rngs=rngs))
            setattr(self, f"relu{step + 1}", ReLU())  # torchvision has one for all, so that they share a name
        changes = stride != 1 or channels != out
        self.downsample = _projection(channels, out, stride, rngs) if projects and changes else None
        self.add = Add()

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps of the block."""
        main = x
        for step in range(1, self.steps + 1):
            main = getattr(self, f"bn{step}")(getattr(self, f"conv{step}")(main))
            if step < self.steps:
                main = getattr(self, f"relu{step}")(main)
        return getattr(self, f"relu{self.steps}")(self.add(self.skipped(x), main))

    def skipped(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """What the shortcut brings."""
        return x if self.downsample is None else run_through(x, self.downsample)


def _projection(channels: int, out: int, stride: int, rngs: nnx.Rngs) -> nnx.Module:
    return nnx.List([convolution(channels, out, 1, stride=stride, rngs=rngs), batch_norm(out, rngs=rngs)])


class ResNet(nnx.Module):
    """ResNet (He et al. 2016) as torchvision lays it out.

    Args:
        kind: Kind of its blocks.
        counts: Blocks in each of its four groups.
        width: Channels of the first convolution; doubled from group to group.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(
        self, kind: Kind, counts: tuple[int, int, int, int], *, width: int = 64, classes: int = 1000, rngs: nnx.Rngs
    ) -> None:
        self.conv1 = convolution(3, width, 7, stride=2, rngs=rngs)
        self.bn1 = batch_norm(width, rngs=rngs)
        self.relu = ReLU()
        self.maxpool = MaxPool(3, 2, padding=1)
        channels = width
        groups = []
        for number, count in enumerate(counts):
            blocks = []
            for index in range(count):
                stride = 2 if number and not index else 1
                blocks.append(Block(kind, channels, width * 2**number, stride=stride, rngs=rngs))
                channels = width * 2**number * _WIDENING[kind]
            groups.append(nnx.List(blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = groups
        self.avgpool = GlobalAveragePool()
        self.fc = Linear(channels, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for group in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = run_through(x, group)
        return self.fc(self.avgpool(x))


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


class CifarBlock(Block):
    """Two 3 x 3 convolutions with BatchNorm beside a shortcut without parameters.

    Args:
        channels: Channels coming in.
        out: Channels going out; where they are more, maps get half as high and wide.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, out: int, *, rngs: nnx.Rngs) -> None:
        self.shortcut = None if channels == out else Subsample(out - channels)
        super().__init__("basic", channels, out, stride=1 if channels == out else 2, projects=False, rngs=rngs)

    def skipped(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """What the shortcut brings."""
        return x if self.shortcut is None else self.shortcut(x)


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
            groups.append(
                nnx.List([CifarBlock(out if number else channels, out, rngs=rngs) for number in range(blocks)])
            )
            channels = out
        self.layer1, self.layer2, self.layer3 = groups
        self.average = GlobalAveragePool()
        self.linear = Linear(channels, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        x = self.relu(self.bn1(self.conv1(images)))
        for group in (self.layer1, self.layer2, self.layer3):
            x = run_through(x, group)
        return self.linear(self.average(x))
