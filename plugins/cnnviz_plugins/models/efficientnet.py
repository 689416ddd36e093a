"""EfficientNet in Flax NNX, with torchvision's module paths and its weights' names."""

from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Linear
from cnnviz_plugins.models.layers import Add, GlobalAveragePool, SiLU, batch_norm, convolution, of_a_group, run_through

B0: tuple[tuple[int, int, int, int, int], ...] = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
"""Per group of blocks: expansion, channels, number of blocks, stride of the first, window (Tan and Le 2019, tab. 1)."""


def conv_norm(
    channels: int, out: int, window: int, *, stride: int = 1, groups: int = 1, activates: bool = True, rngs: nnx.Rngs
) -> nnx.Module:
    """A list of a convolution without bias, BatchNorm and, where it activates, SiLU, under the names 0, 1 and 2."""
    layers: list[nnx.Module] = [
        convolution(channels, out, window, stride=stride, feature_group_count=groups, rngs=rngs),
        batch_norm(out, rngs=rngs),
    ]
    return nnx.List([*layers, SiLU()] if activates else layers)


class SqueezeExcitation(nnx.Module):
    """Each channel weighed by what all channels are on average (Hu et al. 2018).

    Args:
        channels: Channels coming in and going out.
        squeezed: Units in between.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, squeezed: int, *, rngs: nnx.Rngs) -> None:
        self.avgpool = GlobalAveragePool()
        self.fc1 = convolution(channels, squeezed, 1, use_bias=True, rngs=rngs)
        self.activation = SiLU()
        self.fc2 = convolution(squeezed, channels, 1, use_bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """The weighed maps."""
        weights = self.fc2(self.activation(self.fc1(self.avgpool(x)[:, None, None])))
        return nnx.sigmoid(weights) * x


class MBConv(nnx.Module):
    """Widens by 1 x 1, filters each channel, weighs the channels, narrows by 1 x 1; adds its input where shapes agree.

    Args:
        channels: Channels coming in.
        out: Channels going out.
        expansion: How many times wider the middle is; at 1 there is no widening convolution.
        stride: Stride of the filters.
        window: Rows and columns of the filters.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, out: int, *, expansion: int, stride: int, window: int, rngs: nnx.Rngs) -> None:
        middle = channels * expansion
        layers = [conv_norm(channels, middle, 1, rngs=rngs)] if expansion != 1 else []
        layers += [
            conv_norm(middle, middle, window, stride=stride, groups=middle, rngs=rngs),
            SqueezeExcitation(middle, max(1, channels // 4), rngs=rngs),
            conv_norm(middle, out, 1, activates=False, rngs=rngs),
        ]
        self.block = nnx.List(layers)
        self.add = Add() if stride == 1 and channels == out else None

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps of the block."""
        main = run_through(x, self.block)
        return main if self.add is None else self.add(x, main)


class EfficientNet(nnx.Module):
    """EfficientNet (Tan and Le 2019) as torchvision lays it out; B0 by default.

    Args:
        table: Groups of blocks; see `B0`.
        stem: Channels of the first convolution.
        last: Channels of the last one.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        table: tuple[tuple[int, int, int, int, int], ...] = B0,
        *,
        stem: int = 32,
        last: int = 1280,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        features = [conv_norm(3, stem, 3, stride=2, rngs=rngs)]
        channels = stem
        for expansion, out, count, stride, window in table:
            blocks = [
                MBConv(before, out, expansion=expansion, stride=own, window=window, rngs=rngs)
                for before, own in of_a_group(channels, out, count, stride)
            ]
            features.append(nnx.List(blocks))
            channels = out
        features.append(conv_norm(channels, last, 1, rngs=rngs))
        self.features = nnx.List(features)
        self.avgpool = GlobalAveragePool()
        self.classifier = nnx.List([nnx.Dropout(0.2, deterministic=True), Linear(last, classes, rngs=rngs)])

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        return run_through(self.avgpool(run_through(images, self.features)), self.classifier)
