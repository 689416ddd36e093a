"""The layers without parameters that torchvision counts as modules, so that `features.1` is a ReLU here too."""

from collections.abc import Callable, Iterable

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float


class ReLU(nnx.Module):
    """max(x, 0)."""

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The positive part of `x`."""
        return nnx.relu(x)


class MaxPool(nnx.Module):
    """Largest value of each window; with `ceil_mode` a last window may reach over the right and bottom edge.

    Args:
        window: Height and width of the window.
        stride: Step between windows.
        ceil_mode: Whether pixels that no whole window reaches get a window of their own, as in Caffe.
    """

    def __init__(self, window: int, stride: int, *, ceil_mode: bool = False) -> None:
        self.window = window
        self.stride = stride
        self.ceil_mode = ceil_mode

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n rows cols c"]:
        """The pooled maps."""
        padding = [(0, self._overhang(size) if self.ceil_mode else 0) for size in x.shape[1:3]]
        return nnx.max_pool(x, (self.window, self.window), (self.stride, self.stride), padding)

    def _overhang(self, size: int) -> int:
        steps = -(-(size - self.window) // self.stride)
        if steps * self.stride >= size:  # torch drops a window that would start outside the picture
            steps -= 1
        return max(0, steps * self.stride + self.window - size)


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


def run_through(x: Float[Array, "..."], layers: Iterable[Callable[..., Float[Array, "..."]]]) -> Float[Array, "..."]:
    """`x` passed through the layers one after another."""
    for layer in layers:
        x = layer(x)
    return x
