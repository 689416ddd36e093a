"""A kernel over an image and then pooled, with the numbers of one window: the lecture's convolution."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Convolution, Provenance, UsageError, did_you_mean, read_npy, reason_of
from cnnviz_plugins.inspect.plugin import ConvolveConfig


def build(config: ConvolveConfig, image: Float[np.ndarray, "h w c"]) -> Callable[[Provenance], Convolution]:
    """Return what applies the kernel to the image's brightness, the mean of its channels.

    Raises:
        UsageError: No such kernel, a window or stride below 1, a kernel or window larger than the image, or a
            position that the response does not have.

    Cost: one convolution.
    """
    kernel = kernel_named(config.kernel)
    grey = np.asarray(image, np.float64).mean(-1)
    beside = [((k - 1) // 2, k // 2) for k in kernel.shape]
    padded = np.pad(grey, beside) if config.padding == "same" else grey
    if any(k > n for k, n in zip(kernel.shape, padded.shape, strict=True)):
        raise UsageError(f"a kernel of {kernel.shape} does not fit into an image of {grey.shape}")

    def read(provenance: Provenance) -> Convolution:
        response = convolved(padded, kernel, config.stride)
        pooled = None if config.pool is None else pooled_map(response, config.pool, config.window)
        at = config.at or tuple(map(int, np.unravel_index(np.abs(response).argmax(), response.shape)))
        if not (0 <= at[0] < response.shape[0] and 0 <= at[1] < response.shape[1]):
            raise UsageError(f"at is {at}; the response has {response.shape[0]} rows and {response.shape[1]} columns")
        top, left = at[0] * config.stride, at[1] * config.stride
        patch = padded[top : top + kernel.shape[0], left : left + kernel.shape[1]]
        return Convolution(
            image=grey,
            kernel=kernel,
            kernel_name=config.kernel,
            response=response,
            pooled=pooled,
            at=(at[0], at[1]),
            patch=patch,
            provenance=provenance,
        )

    return read


def convolved(
    image: Float[np.ndarray, "h w"], kernel: Float[np.ndarray, "k l"], stride: int = 1
) -> Float[np.ndarray, "rows columns"]:
    """Return the sum of products under the kernel at every place; the kernel is not flipped, as in networks."""
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.einsum("ijkl,kl->ij", windows, kernel)


def pooled_map(response: Float[np.ndarray, "h w"], pool: str, window: int) -> Float[np.ndarray, "rows columns"]:
    """Return the largest value or the mean of every whole window, side by side.

    Raises:
        UsageError: The window is larger than the map.
    """
    rows, columns = (length // window for length in response.shape)
    if not rows or not columns:
        raise UsageError(f"a window of {window} does not fit into a response of {response.shape}")
    tiles = response[: rows * window, : columns * window].reshape(rows, window, columns, window)
    return tiles.max((1, 3)) if pool == "max" else tiles.mean((1, 3))


PRESETS: dict[str, tuple[tuple[float, ...], ...]] = {
    "vertical-edge": ((1, 0, -1), (1, 0, -1), (1, 0, -1)),
    "horizontal-edge": ((1, 1, 1), (0, 0, 0), (-1, -1, -1)),
    "identity": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "blur": ((1 / 9, 1 / 9, 1 / 9),) * 3,
}
"""By name; `vertical-edge` answers to bright left of dark, `horizontal-edge` to bright above dark."""


def kernel_named(word: str) -> Float[np.ndarray, "k l"]:
    """Return a preset, or the numbers of a file: `.npy`, or text with one row a line, by spaces or commas.

    Raises:
        UsageError: There is no such preset or file, or it holds no table of finite numbers.
    """
    if word in PRESETS:
        return np.asarray(PRESETS[word], np.float64)
    path = Path(word)
    if not path.is_file():
        raise UsageError(
            f"no kernel {word!r}.{did_you_mean(word, PRESETS)} There are {', '.join(PRESETS)}, or a file of numbers"
        )
    try:
        if path.suffix == ".npy":
            kernel = read_npy(path).astype(np.float64)
        else:
            lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
            kernel = np.array([[float(number) for number in line.split()] for line in lines if line.strip()])
    except (ValueError, OSError) as error:
        raise UsageError(f"{word} is no table of numbers: {reason_of(error)}") from error
    if kernel.ndim != 2 or not kernel.size or not np.isfinite(kernel).all():
        raise UsageError(f"{word} holds {kernel.dtype} {kernel.shape}; a kernel is a table of finite numbers")
    return kernel
