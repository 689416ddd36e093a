"""Kernels by name or from a file, for images in one channel."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import UsageError, did_you_mean

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
            kernel = np.load(path, allow_pickle=False).astype(np.float64)
        else:
            lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
            kernel = np.array([[float(number) for number in line.split()] for line in lines if line.strip()])
    except (ValueError, OSError) as error:
        raise UsageError(f"{word} is no table of numbers: {error}") from error
    if kernel.ndim != 2 or not kernel.size or not np.isfinite(kernel).all():
        raise UsageError(f"{word} holds {kernel.dtype} {kernel.shape}; a kernel is a table of finite numbers")
    return kernel
