"""Inception v3 in Flax NNX, with torchvision's module paths and without the auxiliary head of its training."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Linear
from cnnviz_plugins.models.layers import AveragePool, ConvNorm, GlobalAveragePool, MaxPool, run_through

_ROW, _COLUMN = (1, 7), (7, 1)


class _Branches(nnx.Module):
    """Convolutions one after another in branches: those of a branch `name` are `name_1`, `name_2` and so on."""

    def _branch(
        self,
        name: str,
        channels: int,
        *rows: tuple[int, int | tuple[int, int]],
        halves: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        """Make the convolutions of a branch, each from its channels and its window; the last may halve the map."""
        for place, (out, window) in enumerate(rows, 1):
            is_last = halves and place == len(rows)
            layer = ConvNorm(channels, out, window, stride=2 if is_last else 1, pads=not is_last, rngs=rngs)
            setattr(self, f"{name}_{place}", layer)
            channels = out

    def _through(self, x: Float[Array, "n h w c"], name: str, count: int) -> Float[Array, "n rows cols d"]:
        return run_through(x, [getattr(self, f"{name}_{place}") for place in range(1, count + 1)])


class InceptionA(_Branches):
    """1 x 1, 5 x 5, twice 3 x 3, and a mean, side by side.

    Args:
        channels: Channels coming in.
        pooled: Channels of the convolution behind the mean.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, pooled: int, *, rngs: nnx.Rngs) -> None:
        self.branch1x1 = ConvNorm(channels, 64, 1, rngs=rngs)
        self._branch("branch5x5", channels, (48, 1), (64, 5), rngs=rngs)
        self._branch("branch3x3dbl", channels, (64, 1), (96, 3), (96, 3), rngs=rngs)
        self.pool = AveragePool(3, 1, padding=1)
        self.branch_pool = ConvNorm(channels, pooled, 1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
        """The maps of the branches, in their order."""
        five, double = self._through(x, "branch5x5", 2), self._through(x, "branch3x3dbl", 3)
        pooled = self.branch_pool(self.pool(x))
        return jnp.concatenate([self.branch1x1(x), five, double, pooled], axis=-1)


class InceptionB(_Branches):
    """Halves the map: 3 x 3, twice 3 x 3, and a maximum, side by side.

    Args:
        channels: Channels coming in.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        self.branch3x3 = ConvNorm(channels, 384, 3, stride=2, pads=False, rngs=rngs)
        self._branch("branch3x3dbl", channels, (64, 1), (96, 3), (96, 3), halves=True, rngs=rngs)
        self.pool = MaxPool(3, 2)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps of the branches, in their order."""
        return jnp.concatenate([self.branch3x3(x), self._through(x, "branch3x3dbl", 3), self.pool(x)], axis=-1)


class InceptionC(_Branches):
    """1 x 1, 7 x 7 as rows and columns, twice that, and a mean, side by side.

    Args:
        channels: Channels coming in.
        inner: Channels within the branches of 7 x 7.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, inner: int, *, rngs: nnx.Rngs) -> None:
        self.branch1x1 = ConvNorm(channels, 192, 1, rngs=rngs)
        self._branch("branch7x7", channels, (inner, 1), (inner, _ROW), (192, _COLUMN), rngs=rngs)
        double = ((inner, 1), (inner, _COLUMN), (inner, _ROW), (inner, _COLUMN), (192, _ROW))
        self._branch("branch7x7dbl", channels, *double, rngs=rngs)
        self.pool = AveragePool(3, 1, padding=1)
        self.branch_pool = ConvNorm(channels, 192, 1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
        """The maps of the branches, in their order."""
        seven, double = self._through(x, "branch7x7", 3), self._through(x, "branch7x7dbl", 5)
        return jnp.concatenate([self.branch1x1(x), seven, double, self.branch_pool(self.pool(x))], axis=-1)


class InceptionD(_Branches):
    """Halves the map: 3 x 3, 7 x 7 then 3 x 3, and a maximum, side by side.

    Args:
        channels: Channels coming in.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        self._branch("branch3x3", channels, (192, 1), (320, 3), halves=True, rngs=rngs)
        seven = ((192, 1), (192, _ROW), (192, _COLUMN), (192, 3))
        self._branch("branch7x7x3", channels, *seven, halves=True, rngs=rngs)
        self.pool = MaxPool(3, 2)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps of the branches, in their order."""
        three, seven = self._through(x, "branch3x3", 2), self._through(x, "branch7x7x3", 4)
        return jnp.concatenate([three, seven, self.pool(x)], axis=-1)


class InceptionE(_Branches):
    """1 x 1, 3 x 3 as a row and a column beside each other, twice that, and a mean, side by side.

    Args:
        channels: Channels coming in.
        rngs: Keys for the first weights.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        self.branch1x1 = ConvNorm(channels, 320, 1, rngs=rngs)
        self.branch3x3_1 = ConvNorm(channels, 384, 1, rngs=rngs)
        self.branch3x3_2a = ConvNorm(384, 384, (1, 3), rngs=rngs)
        self.branch3x3_2b = ConvNorm(384, 384, (3, 1), rngs=rngs)
        self._branch("branch3x3dbl", channels, (448, 1), (384, 3), rngs=rngs)
        self.branch3x3dbl_3a = ConvNorm(384, 384, (1, 3), rngs=rngs)
        self.branch3x3dbl_3b = ConvNorm(384, 384, (3, 1), rngs=rngs)
        self.pool = AveragePool(3, 1, padding=1)
        self.branch_pool = ConvNorm(channels, 192, 1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
        """The maps of the branches, in their order."""
        one, double = self.branch3x3_1(x), self._through(x, "branch3x3dbl", 2)
        three = [self.branch3x3_2a(one), self.branch3x3_2b(one)]
        doubled = [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return jnp.concatenate([self.branch1x1(x), *three, *doubled, self.branch_pool(self.pool(x))], axis=-1)


class InceptionV3(nnx.Module):
    """Inception v3 (Szegedy et al. 2016) as torchvision lays it out; 23,834,568 parameters.

    Args:
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, *, classes: int = 1000, rngs: nnx.Rngs) -> None:
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, stride=2, pads=False, rngs=rngs)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3, pads=False, rngs=rngs)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, rngs=rngs)
        self.maxpool1 = MaxPool(3, 2)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1, rngs=rngs)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3, pads=False, rngs=rngs)
        self.maxpool2 = MaxPool(3, 2)
        self.Mixed_5b = InceptionA(192, 32, rngs=rngs)
        self.Mixed_5c = InceptionA(256, 64, rngs=rngs)
        self.Mixed_5d = InceptionA(288, 64, rngs=rngs)
        self.Mixed_6a = InceptionB(288, rngs=rngs)
        self.Mixed_6b = InceptionC(768, 128, rngs=rngs)
        self.Mixed_6c = InceptionC(768, 160, rngs=rngs)
        self.Mixed_6d = InceptionC(768, 160, rngs=rngs)
        self.Mixed_6e = InceptionC(768, 192, rngs=rngs)
        self.Mixed_7a = InceptionD(768, rngs=rngs)
        self.Mixed_7b = InceptionE(1280, rngs=rngs)
        self.Mixed_7c = InceptionE(2048, rngs=rngs)
        self.avgpool = GlobalAveragePool()
        self.dropout = nnx.Dropout(0.5, deterministic=True)
        self.fc = Linear(2048, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        stem = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
        blocks = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
        names = (*stem, "maxpool2", *(f"Mixed_{block}" for block in blocks))
        x = run_through(images, [getattr(self, name) for name in names])
        return self.fc(self.dropout(self.avgpool(x)))
