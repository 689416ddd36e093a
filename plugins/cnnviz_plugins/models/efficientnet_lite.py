"""EfficientNet-Lite0 in Flax NNX, with the names of the TensorFlow code and its padding.

Lite is EfficientNet made for integer arithmetic: ReLU6 in place of swish, and no squeeze-and-excitation. Modules are
called as in that code, `blocks.3.depthwise_conv`; files that were converted from it keep its underscores,
`_blocks.3._depthwise_conv`.
"""

from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.efficientnet import B0
from cnnviz_plugins.models.first_kernels import Linear
from cnnviz_plugins.models.layers import Add, GlobalAveragePool, ReLU6, batch_norm, convolution, of_a_group

_EPSILON = 1e-3  # of TensorFlow's BatchNorm


def without_underscores(name: str) -> str:
    """The name of a parameter here, given the one in a converted file: without leading underscores."""
    return ".".join(word.removeprefix("_") for word in name.split("."))


class MBConv(nnx.Module):
    """Widens by 1 x 1, filters each channel, narrows by 1 x 1; adds its input where the shapes agree.

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
        self.widens = expansion != 1
        if self.widens:
            self.expand_conv = convolution(channels, middle, 1, rngs=rngs)
            self.bn0 = batch_norm(middle, epsilon=_EPSILON, rngs=rngs)
            self.relu0 = ReLU6()
        self.depthwise_conv = convolution(
            middle, middle, window, stride=stride, padding="SAME", feature_group_count=middle, rngs=rngs
        )
        self.bn1 = batch_norm(middle, epsilon=_EPSILON, rngs=rngs)
        self.relu1 = ReLU6()
        self.project_conv = convolution(middle, out, 1, rngs=rngs)
        self.bn2 = batch_norm(out, epsilon=_EPSILON, rngs=rngs)
        self.add = Add() if stride == 1 and channels == out else None

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps of the block."""
        main = self.relu0(self.bn0(self.expand_conv(x))) if self.widens else x
        main = self.relu1(self.bn1(self.depthwise_conv(main)))
        main = self.bn2(self.project_conv(main))
        return main if self.add is None else self.add(x, main)


class EfficientNetLite(nnx.Module):
    """EfficientNet-Lite0 (Tan and Le 2019, in the form that TensorFlow's TPU models published in 2020).

    Args:
        table: Groups of blocks; see `efficientnet.B0`, which it shares.
        stem: Channels of the first convolution.
        head: Channels of the last one.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        table: tuple[tuple[int, int, int, int, int], ...] = B0,
        *,
        stem: int = 32,
        head: int = 1280,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        self.conv_stem = convolution(3, stem, 3, stride=2, padding="SAME", rngs=rngs)
        self.bn0 = batch_norm(stem, epsilon=_EPSILON, rngs=rngs)
        self.relu0 = ReLU6()
        blocks, channels = [], stem
        for expansion, out, count, stride, window in table:
            blocks += [
                MBConv(before, out, expansion=expansion, stride=own, window=window, rngs=rngs)
                for before, own in of_a_group(channels, out, count, stride)
            ]
            channels = out
        self.blocks = nnx.List(blocks)
        self.conv_head = convolution(channels, head, 1, rngs=rngs)
        self.bn1 = batch_norm(head, epsilon=_EPSILON, rngs=rngs)
        self.relu1 = ReLU6()
        self.avg_pooling = GlobalAveragePool()
        self.dropout = nnx.Dropout(0.2, deterministic=True)
        self.fc = Linear(head, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        x = self.relu0(self.bn0(self.conv_stem(images)))
        for block in self.blocks:
            x = block(x)
        x = self.relu1(self.bn1(self.conv_head(x)))
        return self.fc(self.dropout(self.avg_pooling(x)))
