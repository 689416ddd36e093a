"""MobileNetV2 in Flax NNX, with torchvision's module paths, padded as PyTorch or as TensorFlow does."""

from typing import Literal

from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Linear
from cnnviz_plugins.models.layers import Add, GlobalAveragePool, ReLU6, batch_norm, convolution, of_a_group, run_through

TABLE: tuple[tuple[int, int, int, int], ...] = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Per group of blocks: expansion, channels, number of blocks, stride of the first (Sandler et al. 2018, table 2)."""

Padding = Literal["torch", "tensorflow"]
"""Where the edge lies at stride 2: one pixel on every side, or one at the right and bottom only."""


def conv_norm(
    channels: int, out: int, *, window: int, stride: int = 1, depthwise: bool = False, padding: Padding, rngs: nnx.Rngs
) -> nnx.Module:
    """A list of a convolution without bias, BatchNorm and ReLU6, under the names 0, 1 and 2."""
    edge = "SAME" if padding == "tensorflow" and stride > 1 else window // 2
    groups = channels if depthwise else 1
    conv = convolution(channels, out, window, stride=stride, padding=edge, feature_group_count=groups, rngs=rngs)
    return nnx.List([conv, batch_norm(out, rngs=rngs), ReLU6()])


class InvertedResidual(nnx.Module):
    """Widens by 1 x 1, filters each channel by 3 x 3, narrows by 1 x 1; adds its input where the shapes agree.

    Args:
        channels: Channels coming in.
        out: Channels going out.
        stride: Stride of the 3 x 3 filters.
        expansion: How many times wider the middle is; at 1 there is no widening convolution.
        padding: See `Padding`.
        rngs: Keys for the first weights.
    """

    def __init__(
        self, channels: int, out: int, *, stride: int, expansion: int, padding: Padding, rngs: nnx.Rngs
    ) -> None:
        middle = channels * expansion
        layers: list[nnx.Module] = []
        if expansion != 1:
            layers.append(conv_norm(channels, middle, window=1, padding=padding, rngs=rngs))
        layers += [
            conv_norm(middle, middle, window=3, stride=stride, depthwise=True, padding=padding, rngs=rngs),
            convolution(middle, out, 1, rngs=rngs),
            batch_norm(out, rngs=rngs),
        ]
        self.conv = nnx.List(layers)
        self.add = Add() if stride == 1 and channels == out else None

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps of the block."""
        main = run_through(x, self.conv)
        return main if self.add is None else self.add(x, main)


class MobileNetV2(nnx.Module):
    """MobileNetV2 (Sandler et al. 2018) as torchvision lays it out.

    Args:
        table: Groups of blocks; see `TABLE`.
        stem: Channels of the first convolution.
        last: Channels of the last one.
        classes: Number of classes.
        padding: See `Padding`.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        table: tuple[tuple[int, int, int, int], ...] = TABLE,
        *,
        stem: int = 32,
        last: int = 1280,
        classes: int = 1000,
        padding: Padding = "torch",
        rngs: nnx.Rngs,
    ) -> None:
        layers: list[nnx.Module] = [conv_norm(3, stem, window=3, stride=2, padding=padding, rngs=rngs)]
        channels = stem
        for expansion, out, count, stride in table:
            layers += [
                InvertedResidual(before, out, stride=own, expansion=expansion, padding=padding, rngs=rngs)
                for before, own in of_a_group(channels, out, count, stride)
            ]
            channels = out
        layers.append(conv_norm(channels, last, window=1, padding=padding, rngs=rngs))
        self.features = nnx.List(layers)
        self.average = GlobalAveragePool()
        self.classifier = nnx.List([nnx.Dropout(0.2, deterministic=True), Linear(last, classes, rngs=rngs)])

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        return run_through(self.average(run_through(images, self.features)), self.classifier)
