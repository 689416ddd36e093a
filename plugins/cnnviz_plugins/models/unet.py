"""U-Net in Flax NNX for scores of every pixel, with the module paths of milesial/Pytorch-UNet, version 3."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.layers import MaxPool, ReLU, batch_norm, convolution, run_through


class DoubleConv(nnx.Module):
    """Twice a 3 x 3 convolution, BatchNorm and ReLU.

    Args:
        channels: Channels coming in.
        out: Channels going out.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, out: int, *, rngs: nnx.Rngs) -> None:
        layers: list[nnx.Module] = []
        for given in (channels, out):
            layers += [convolution(given, out, 3, rngs=rngs), batch_norm(out, rngs=rngs), ReLU()]
        self.double_conv = nnx.List(layers)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
        """The maps."""
        return run_through(x, self.double_conv)


class Down(nnx.Module):
    """Half the rows and columns, then a double convolution.

    Args:
        channels: Channels coming in.
        out: Channels going out.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, out: int, *, rngs: nnx.Rngs) -> None:
        self.maxpool_conv = nnx.List([MaxPool(2, 2), DoubleConv(channels, out, rngs=rngs)])

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps."""
        return run_through(x, self.maxpool_conv)


class Up(nnx.Module):
    """Twice the rows and columns, joined with the maps of that size, then a double convolution.

    Args:
        channels: Channels coming in.
        out: Channels going out.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, out: int, *, rngs: nnx.Rngs) -> None:
        # PyTorch's transposed convolution is a convolution's gradient, its kernel (in, out, h, w).
        self.up = nnx.ConvTranspose(
            channels, channels // 2, (2, 2), strides=2, padding="VALID", transpose_kernel=True, rngs=rngs
        )
        self.conv = DoubleConv(channels, out, rngs=rngs)

    def __call__(
        self, x: Float[Array, "n h w c"], beside: Float[Array, "n rows cols d"]
    ) -> Float[Array, "n rows cols e"]:
        """The maps."""
        x = self.up(x)
        missing = [there - here for there, here in zip(beside.shape[1:3], x.shape[1:3], strict=True)]
        edges = [(count // 2, count - count // 2) for count in missing]  # an odd size was rounded down on the way
        return self.conv(jnp.concatenate([beside, jnp.pad(x, ((0, 0), *edges, (0, 0)))], axis=-1))


class OutConv(nnx.Module):
    """A score for each class at every pixel.

    Args:
        channels: Channels coming in.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, classes: int, *, rngs: nnx.Rngs) -> None:
        self.conv = convolution(channels, classes, 1, use_bias=True, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w classes"]:
        """The scores."""
        return self.conv(x)


class UNet(nnx.Module):
    """U-Net (Ronneberger et al. 2015) with padding and BatchNorm; 31,037,698 parameters.

    Args:
        width: Channels at full size; every halving doubles them.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, width: int = 64, *, classes: int = 2, rngs: nnx.Rngs) -> None:
        self.inc = DoubleConv(3, width, rngs=rngs)
        self.down1 = Down(width, 2 * width, rngs=rngs)
        self.down2 = Down(2 * width, 4 * width, rngs=rngs)
        self.down3 = Down(4 * width, 8 * width, rngs=rngs)
        self.down4 = Down(8 * width, 16 * width, rngs=rngs)
        self.up1 = Up(16 * width, 8 * width, rngs=rngs)
        self.up2 = Up(8 * width, 4 * width, rngs=rngs)
        self.up3 = Up(4 * width, 2 * width, rngs=rngs)
        self.up4 = Up(2 * width, width, rngs=rngs)
        self.outc = OutConv(width, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n h w classes"]:
        """Scores of every pixel."""
        first = self.inc(images)
        second = self.down1(first)
        third = self.down2(second)
        fourth = self.down3(third)
        x = self.up1(self.down4(fourth), fourth)
        return self.outc(self.up4(self.up3(self.up2(x, third), second), first))
