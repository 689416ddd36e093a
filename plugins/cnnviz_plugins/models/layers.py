"""The layers without parameters that torchvision counts as modules, so that `features.1` is a ReLU here too."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Conv, Linear


class ReLU(nnx.Module):
    """max(x, 0)."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The positive part of `x`."""
        return nnx.relu(x)


class ReLU6(nnx.Module):
    """max(x, 0), and no more than 6."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The values of `x`, cut off at 0 and 6."""
        return nnx.relu6(x)


class SiLU(nnx.Module):
    """x times the logistic function of x."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The values of `x`, weighed."""
        return nnx.silu(x)


class GELU(nnx.Module):
    """x times the normal distribution function of x, exactly and not by its usual approximation."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The values of `x`, weighed."""
        return nnx.gelu(x, approximate=False)


def convolution(
    channels: int,
    out: int,
    window: int | tuple[int, int],
    *,
    rngs: nnx.Rngs,
    stride: int = 1,
    use_bias: bool = False,
    **more: Any,
) -> nnx.Conv:
    """A convolution that keeps height and width at stride 1, without bias as BatchNorm has one."""
    sides = window if isinstance(window, tuple) else (window, window)
    more = {"padding": [(side // 2, side // 2) for side in sides], **more}
    return Conv(channels, out, sides, strides=stride, use_bias=use_bias, rngs=rngs, **more)


def of_a_group(channels: int, out: int, count: int, stride: int) -> list[tuple[int, int]]:
    """Return channels coming in and stride of each of `count` blocks: the first alone widens and strides."""
    return [(channels, stride), *[(out, 1)] * (count - 1)]


def batch_norm(channels: int, *, rngs: nnx.Rngs, **more: Any) -> nnx.BatchNorm:
    """BatchNorm with the momentum that torchvision trains with."""
    return nnx.BatchNorm(channels, momentum=0.9, rngs=rngs, **more)


class ConvNorm(nnx.Module):
    """A convolution without bias, BatchNorm with TensorFlow's epsilon, and ReLU.

    Args:
        channels: Channels coming in.
        out: Channels going out.
        window: Height and width of the kernel.
        stride: Step between windows.
        pads: Whether the map keeps its size at stride 1; else no window leaves it.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        window: int | tuple[int, int],
        *,
        stride: int = 1,
        pads: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        more: dict[str, Any] = {} if pads else {"padding": "VALID"}
        self.conv = convolution(channels, out, window, stride=stride, rngs=rngs, **more)
        self.bn = batch_norm(out, epsilon=1e-3, rngs=rngs)
        self.relu = ReLU()

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols d"]:
        """The maps after the ReLU."""
        return self.relu(self.bn(self.conv(x)))


class MaxPool(nnx.Module):
    """Largest value of each window; with `ceil_mode` a last window may reach over the right and bottom edge.

    Args:
        window: Height and width of the window.
        stride: Step between windows.
        padding: Pixels added on every side, which are never the largest.
        ceil_mode: Whether pixels that no whole window reaches get a window of their own, as in Caffe.
    """

    def __init__(self, window: int, stride: int, *, padding: int = 0, ceil_mode: bool = False) -> None:
        self.window = window
        self.stride = stride
        self.padding = padding
        self.ceil_mode = ceil_mode

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols c"]:
        """The pooled maps."""
        padding = [
            (self.padding, self.padding + (self._overhang(size) if self.ceil_mode else 0)) for size in x.shape[1:3]
        ]
        return nnx.max_pool(x, (self.window, self.window), (self.stride, self.stride), padding)

    def _overhang(self, size: int) -> int:
        padded = size + 2 * self.padding
        steps = -(-(padded - self.window) // self.stride)
        if steps * self.stride >= size + self.padding:  # torch drops a window that would start outside the image
            steps -= 1
        return max(0, steps * self.stride + self.window - padded)


class AveragePool(nnx.Module):
    """Mean of each window.

    Args:
        window: Height and width of the window.
        stride: Step between windows.
        padding: Pixels added on every side, which count as zeros, as PyTorch counts them by default.
    """

    def __init__(self, window: int, stride: int, *, padding: int = 0) -> None:
        self.window = window
        self.stride = stride
        self.padding = padding

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols c"]:
        """The pooled maps."""
        window, strides = (1, self.window, self.window, 1), (1, self.stride, self.stride, 1)
        edge = (self.padding, self.padding)
        return lax.reduce_window(x, 0.0, lax.add, window, strides, ((0, 0), edge, edge, (0, 0))) / self.window**2


class AdaptiveAveragePool(nnx.Module):
    """Means over a grid of `size` x `size` windows all over the map, which thus may have any size.

    Nothing is done to a map that has this size already, as it has in the published networks at 224 pixels.

    Args:
        size: Rows and columns of the grid.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n size size c"]:
        """The means."""
        if x.shape[1:3] == (self.size, self.size):
            return x
        rows, cols = (jnp.asarray(self._shares(length), x.dtype) for length in x.shape[1:3])
        return jnp.einsum("ih,jw,nhwc->nijc", rows, cols, x)

    def _shares(self, length: int) -> Float[np.ndarray, "size length"]:
        shares = np.zeros((self.size, length))
        for window in range(self.size):  # windows overlap where the size does not divide the length
            first, last = window * length // self.size, -(-(window + 1) * length // self.size)
            shares[window, first:last] = 1 / (last - first)
        return shares


class Add(nnx.Module):
    """Sum of two maps, where a skip meets the main path; a module so that the sum has a name."""

    def __call__(self, x: Float[Array, "..."], skipped: Float[Array, "..."]) -> Float[Array, "..."]:
        """The sum."""
        return x + skipped


class GlobalAveragePool(nnx.Module):
    """Mean over all positions, one number a channel."""

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n c"]:
        """The means."""
        return jnp.mean(x, axis=(1, 2))


class FlattenChannelsFirst(nnx.Module):
    """All values of a map in one row, channel by channel, the order that Caffe and PyTorch dense layers expect."""

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n values"]:
        """The rows."""
        return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)  # n c h w


def of_rows(
    table: Iterable[Any],
    convolved: Callable[[int, Any], tuple[list[nnx.Module], int]],
    *,
    pool: Callable[[], nnx.Module],
    channels: int = 3,
) -> tuple[list[nnx.Module], int]:
    """The layers that rows stand for, one after another, and the channels of the last.

    Args:
        table: Rows of convolutions, and `pool` for a pool.
        convolved: Takes the channels coming in and a row; returns its layers and the channels going out.
        pool: Returns a pool.
        channels: Channels of the image, or of what stands before.
    """
    layers: list[nnx.Module] = []
    for row in table:
        if row == "pool":
            layers.append(pool())
            continue
        more, channels = convolved(channels, row)
        layers += more
    return layers, channels


class MapsThenDense(nnx.Module):
    """Convolutional features, averaged to a grid, and dense layers on all of its values.

    Args:
        layers: The convolutional part.
        sizes: Channels of the last maps, units of the two hidden dense layers, and classes.
        grid: Rows and columns that the maps are averaged to.
        drops_first: Whether dropout stands before a hidden layer or behind it.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        layers: Iterable[nnx.Module],
        sizes: tuple[int, int, int, int],
        *,
        grid: int,
        drops_first: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        self.features = nnx.List(layers)
        self.avgpool = AdaptiveAveragePool(grid)
        self.flatten = FlattenChannelsFirst()
        channels, *units = sizes
        *hidden, last = (Linear(i, o, rngs=rngs) for i, o in pairwise((channels * grid**2, *units)))
        classifier: list[nnx.Module] = []
        for dense in hidden:
            drop = nnx.Dropout(0.5, deterministic=True)
            classifier += [drop, dense, ReLU()] if drops_first else [dense, ReLU(), drop]
        self.classifier = nnx.List([*classifier, last])

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        maps = self.avgpool(run_through(images, self.features))
        return run_through(self.flatten(maps), self.classifier)


def run_through(x: Float[Array, "..."], layers: Iterable[Any]) -> Float[Array, "..."]:
    """`x` passed through the layers, some of which may be lists of layers, one after another."""
    for layer in layers:
        x = run_through(x, layer) if isinstance(layer, nnx.List) else layer(x)
    return x
