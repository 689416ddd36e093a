"""The unbiased Hilbert-Schmidt independence criterion (HSIC₁) of linear kernels, which debiased CKA is made of."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import CnnvizWarning
from cnnviz_jax.similarity.rows import Rows, Values, centred, paired_rows

LEAST = 4
"""Rows that the estimator needs."""


def hsic1(x: Values, y: Values, *, rows: Rows = "pooled") -> float:
    """Return the unbiased estimate of the Hilbert-Schmidt independence criterion with linear kernels.

    0 on average for independent rows; of one layer with itself it is the squared norm of its covariance.

    Raises:
        UsageError: Fewer than 4 rows, or other images on the two sides.

    Source: Song et al. 2007, equation 5.
    """
    first, second = paired_rows(x, y, rows, least=LEAST)
    return float(hsic1_sums([first], [second])[0][0, 0])


def hsic1_sums(
    xs: Sequence[Float[np.ndarray, "n _"]], ys: Sequence[Float[np.ndarray, "n _"]]
) -> tuple[Float[np.ndarray, "a b"], Float[np.ndarray, " a"], Float[np.ndarray, " b"]]:
    """Return HSIC₁ of every pair of layers, of each of `xs` with itself, and of each of `ys` with itself."""
    xs, ys = [centred(x) for x in xs], [centred(y) for y in ys]
    if len(xs[0]) <= _FEW_ROWS and len(xs) * len(ys) > 1:
        return _by_kernels(xs, ys)
    cross = np.array([[_hsic1(x, y) for y in ys] for x in xs])
    return cross, np.array([_hsic1(x, x) for x in xs]), np.array([_hsic1(y, y) for y in ys])


_FEW_ROWS = 512


def _by_kernels(
    xs: Sequence[Float[np.ndarray, "n _"]], ys: Sequence[Float[np.ndarray, "n _"]]
) -> tuple[Float[np.ndarray, "a b"], Float[np.ndarray, " a"], Float[np.ndarray, " b"]]:
    """Return the same by the kernels of all layers, each made once: of few rows they are smaller than products."""
    n = len(xs[0])
    kernels, sizes = zip(*(_kernels(side) for side in (xs, ys)), strict=True)
    totals = [size.sum(1) for size in sizes]
    cross = from_norms(n, kernels[0] @ kernels[1].T, sizes[0] @ sizes[1].T, totals[0][:, None], totals[1][None])
    own = [
        from_norms(n, (kernel * kernel).sum(1), (size * size).sum(1), total, total)
        for kernel, size, total in zip(kernels, sizes, totals, strict=True)
    ]
    return cross, own[0], own[1]


def _kernels(
    tables: Sequence[Float[np.ndarray, "n _"]],
) -> tuple[Float[np.ndarray, "layers n*n"], Float[np.ndarray, "layers n"]]:
    """Return every layer's XX' as a row, and its diagonal."""
    found = [table @ table.T for table in tables]
    return np.stack([kernel.ravel() for kernel in found]), np.stack([np.diagonal(kernel) for kernel in found])


def _hsic1(x: Float[np.ndarray, "n c"], y: Float[np.ndarray, "n d"]) -> float:
    n = len(x)
    size_x, size_y = (x * x).sum(1), (y * y).sum(1)
    return float(from_norms(n, product_squares(x, y), size_x @ size_y, size_x.sum(), size_y.sum()))


def product_squares(x: Float[np.ndarray, "n c"], y: Float[np.ndarray, "n d"]) -> float:
    """Return the squared Frobenius norm of X'Y."""
    if x.shape[1] * y.shape[1] <= len(x) * (x.shape[1] + y.shape[1]):
        product = x.T @ y
        return float((product * product).sum())
    # As tr(XX'YY'), without the c x d product: wide layers have more channels than there are rows.
    return float(((x @ x.T) * (y @ y.T)).sum())


def from_norms(n: int, product: Any, norms: Any, norms_x: Any, norms_y: Any) -> Any:
    """Return HSIC₁ from sums over centred rows: |X'Y|², Σ|x|²|y|², Σ|x|² and Σ|y|²."""
    # Song et al. sum over pairs of different rows: with K~ = K less its diagonal, and K1 = 0 for centred rows,
    # tr(K~L~) = |X'Y|² - Σ|x|²|y|², 1'K~1 = -Σ|x|² and 1'K~L~1 = Σ|x|²|y|².
    inner = product - norms * n / (n - 2) + norms_x * norms_y / ((n - 1) * (n - 2))
    return inner / (n * (n - 3))


def ratio(
    cross: Float[np.ndarray, "a b"], own_x: Float[np.ndarray, " a"], own_y: Float[np.ndarray, " b"]
) -> Float[np.ndarray, "a b"]:
    """Return cross / sqrt(own own); `nan`, with a warning, where a layer's own term is not above 0."""
    flat = [f"{side} {place}" for side, own in (("x", own_x), ("y", own_y)) for place in np.flatnonzero(own <= 0)]
    if flat:
        warn(f"CKA is not defined where a layer hardly changes from image to image: {', '.join(flat[:6])}")
    below = np.where(own_x > 0, own_x, np.nan)[:, None] * np.where(own_y > 0, own_y, np.nan)[None]
    return cross / np.sqrt(below)


def warn(text: str) -> None:
    """Tell what is doubtful about a number."""
    warnings.warn(text, CnnvizWarning, stacklevel=4)
