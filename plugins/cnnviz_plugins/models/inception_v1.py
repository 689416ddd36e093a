"""Inception v1 in Flax NNX as the literature on circuits has it, with layers `conv2d0` to `mixed5b`.

It is GoogLeNet without BatchNorm, with true 5 x 5 branches, two local response normalisations, 1008 outputs in an order
of their own, and 204 channels in one branch where the paper has 208. Layer and parameter names are those of the graph
that Lucid offers, with `_pre_relu_conv` for what stands before a ReLU, as the ports to PyTorch have them.
"""

import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Linear
from cnnviz_plugins.models.layers import GlobalAveragePool, ReLU, convolution

Row = tuple[str, int, int, int, int, int, int]
"""A module: its name, then channels of the 1 x 1 branch, of the 3 x 3 branch's bottleneck and of its convolution, of
the 5 x 5 branch likewise, and of the reduction after the pool."""

TABLE: tuple[Row | tuple[str], ...] = (
    ("mixed3a", 64, 96, 128, 16, 32, 32),
    ("mixed3b", 128, 128, 192, 32, 96, 64),
    ("maxpool4",),
    ("mixed4a", 192, 96, 204, 16, 48, 64),
    ("mixed4b", 160, 112, 224, 24, 64, 64),
    ("mixed4c", 128, 128, 256, 24, 64, 64),
    ("mixed4d", 112, 144, 288, 32, 64, 64),
    ("mixed4e", 256, 160, 320, 32, 128, 128),
    ("maxpool10",),
    ("mixed5a", 256, 160, 320, 48, 128, 128),
    ("mixed5b", 384, 192, 384, 48, 128, 128),
)
"""What follows the stem: modules, and max-pools of stride 2."""

STEM = (64, 64, 192)
"""Channels of the three convolutions before the first module."""


class Pool(nnx.Module):
    """Largest value of each 3 x 3 window, what is padded never the largest.

    Args:
        stride: Step between windows.
    """

    def __init__(self, stride: int) -> None:
        self.stride = stride

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols c"]:
        """The pooled maps."""
        edge = (1, 1) if self.stride == 1 else (0, 1)  # as TensorFlow pads maps of an even size
        return nnx.max_pool(x, (3, 3), (self.stride, self.stride), (edge, edge))


class LocalResponseNorm(nnx.Module):
    """Each value over the root of 1 and 1e-4 times the mean square of the nine channels around it."""

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """The normalised maps."""
        around = lax.reduce_window(x * x, 0.0, lax.add, (1, 1, 1, 9), (1, 1, 1, 1), ((0, 0), (0, 0), (0, 0), (4, 4)))
        return x * lax.rsqrt(1 + (1e-4 / 9) * around)


class Join(nnx.Module):
    """The channels of maps, joined; a module so that they have a name."""

    def __call__(self, *maps: Float[Array, "..."]) -> Float[Array, "..."]:
        """The joined maps."""
        return jnp.concatenate(maps, axis=-1)


class InceptionV1(nnx.Module):
    """Inception v1 as Lucid's graph has it; 7,066,380 parameters.

    Args:
        table: Modules and pools; see `TABLE`.
        stem: See `STEM`.
        classes: Number of outputs.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        table: tuple[Row | tuple[str], ...] = TABLE,
        *,
        stem: tuple[int, int, int] = STEM,
        classes: int = 1008,
        rngs: nnx.Rngs,
    ) -> None:
        self.table = table
        self._convolve("conv2d0", 3, stem[0], 7, rngs, stride=2, padding=[(2, 3), (2, 3)])
        self.maxpool0, self.localresponsenorm0 = Pool(2), LocalResponseNorm()
        self._convolve("conv2d1", stem[0], stem[1], 1, rngs)
        self._convolve("conv2d2", stem[1], stem[2], 3, rngs)
        self.localresponsenorm1, self.maxpool1 = LocalResponseNorm(), Pool(2)
        channels = stem[2]
        for name, *widths in table:
            if not widths:
                setattr(self, name, Pool(2))
                continue
            one, before_three, three, before_five, five, pooled = widths
            self._convolve(f"{name}_1x1", channels, one, 1, rngs)
            self._convolve(f"{name}_3x3_bottleneck", channels, before_three, 1, rngs)
            self._convolve(f"{name}_3x3", before_three, three, 3, rngs)
            self._convolve(f"{name}_5x5_bottleneck", channels, before_five, 1, rngs)
            self._convolve(f"{name}_5x5", before_five, five, 5, rngs)
            setattr(self, f"{name}_pool", Pool(1))
            self._convolve(f"{name}_pool_reduce", channels, pooled, 1, rngs)
            setattr(self, name, Join())
            channels = one + three + five + pooled
        self.avgpool0 = GlobalAveragePool()
        self.softmax2_pre_activation_matmul = Linear(channels, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images, before their softmax."""
        x = self.localresponsenorm0(self.maxpool0(self._run("conv2d0", images)))
        x = self._run("conv2d2", self._run("conv2d1", x))
        x = self.maxpool1(self.localresponsenorm1(x))
        for name, *widths in self.table:
            x = self._module(name, x) if widths else getattr(self, name)(x)
        return self.softmax2_pre_activation_matmul(self.avgpool0(x))

    def _module(self, name: str, x: Array) -> Array:
        three = self._run(f"{name}_3x3", self._run(f"{name}_3x3_bottleneck", x))
        five = self._run(f"{name}_5x5", self._run(f"{name}_5x5_bottleneck", x))
        pooled = self._run(f"{name}_pool_reduce", getattr(self, f"{name}_pool")(x))
        joined: Array = getattr(self, name)(self._run(f"{name}_1x1", x), three, five, pooled)
        return joined

    def _convolve(self, name: str, channels: int, out: int, window: int, rngs: nnx.Rngs, **more: object) -> None:
        layer = convolution(channels, out, window, use_bias=True, rngs=rngs, **more)  # type: ignore[arg-type]
        setattr(self, f"{name}_pre_relu_conv", layer)
        setattr(self, name, ReLU())

    def _run(self, name: str, x: Array) -> Array:
        maps: Array = getattr(self, name)(getattr(self, f"{name}_pre_relu_conv")(x))
        return maps
