"""ConvNeXt in Flax NNX, with torchvision's module paths and its weights' names."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Conv, Linear
from cnnviz_plugins.models.layers import GELU, Add, GlobalAveragePool, run_through

TINY: tuple[tuple[int, int], ...] = ((96, 3), (192, 3), (384, 9), (768, 3))
"""Channels and number of blocks of each stage (Liu et al. 2022, table 9)."""

_EPSILON = 1e-6


class Block(nnx.Module):
    """7 x 7 filters for each channel, layer norm, two dense layers at every position, a scale; added to its input.

    Args:
        channels: Channels coming in and going out.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        filters = Conv(channels, channels, (7, 7), padding=3, feature_group_count=channels, rngs=rngs)
        wide, narrow = Linear(channels, 4 * channels, rngs=rngs), Linear(4 * channels, channels, rngs=rngs)
        norm = nnx.LayerNorm(channels, epsilon=_EPSILON, rngs=rngs)
        # torchvision counts its permutations of axes, 1 and 6, which are none here.
        self.block = nnx.List([filters, Same(), norm, wide, GELU(), narrow])
        self.layer_scale = nnx.Param(jnp.full((channels, 1, 1), 1e-6))
        self.add = Add()

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """The maps of the block."""
        return self.add(x, run_through(x, self.block) * self.layer_scale.reshape(-1))


class Same(nnx.Module):
    """What it is given, where torchvision turns axes."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """`x`."""
        return x


class ConvNeXt(nnx.Module):
    """ConvNeXt (Liu et al. 2022) as torchvision lays it out.

    Args:
        table: Stages; see `TINY`.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, table: tuple[tuple[int, int], ...] = TINY, *, classes: int = 1000, rngs: nnx.Rngs) -> None:
        first = table[0][0]
        stem = Conv(3, first, (4, 4), strides=4, padding="VALID", rngs=rngs)
        features: list[nnx.Module] = [nnx.List([stem, nnx.LayerNorm(first, epsilon=_EPSILON, rngs=rngs)])]
        for number, (channels, count) in enumerate(table):
            if number:
                before = table[number - 1][0]
                halving = Conv(before, channels, (2, 2), strides=2, padding="VALID", rngs=rngs)
                features.append(nnx.List([nnx.LayerNorm(before, epsilon=_EPSILON, rngs=rngs), halving]))
            features.append(nnx.List([Block(channels, rngs=rngs) for _ in range(count)]))
        last = table[-1][0]
        self.features = nnx.List(features)
        self.avgpool = GlobalAveragePool()
        norm = nnx.LayerNorm(last, epsilon=_EPSILON, rngs=rngs)
        self.classifier = nnx.List([norm, Same(), Linear(last, classes, rngs=rngs)])

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        return run_through(self.avgpool(run_through(images, self.features)), self.classifier)
