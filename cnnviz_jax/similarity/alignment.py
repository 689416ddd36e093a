"""Linear centred kernel alignment (CKA): biased, debiased, or averaged over minibatches.

Debiased is the default: the biased form tends to 1 where a layer has more channels than there are images, whatever the
networks compute.
"""

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import CnnvizWarning, UsageError
from cnnviz_jax.similarity.rows import Rows, Values, as_rows, centred, paired_rows

Form = Literal["debiased", "biased", "minibatch"]
"""How CKA is estimated."""

MINIBATCH = 256
"""Rows of a minibatch."""
LEAST = 4
"""Rows that the unbiased estimator needs."""
_ROWS_PER_CHANNEL = 10
_SMALL_MINIBATCH = 32


def cka(x: Values, y: Values, form: Form = "debiased", *, rows: Rows = "pooled", minibatch: int = MINIBATCH) -> float:
    """Return how alike two layers arrange the same images: 1 for the same up to rotation and scale, 0 for unrelated.

    The debiased form may be below 0. `nan`, with a warning, where a layer hardly changes from image to image.

    Args:
        x: Values of one layer, (n, c) or (n, h, w, c).
        y: Values of the other for the same images in the same order.
        form: `debiased`; `biased`, as first published; `minibatch`, the debiased estimate averaged over minibatches of
            rows in their order, before the ratio.
        rows: What one row is, of maps.
        minibatch: Rows of a minibatch; a last one of fewer than 4 is left out.

    Raises:
        UsageError: Fewer than 4 rows, other images on the two sides, or no such form.

    Cost: n c d operations, or n² (c + d) where that is less.

    Source: Kornblith et al. 2019, section 3; debiased: Song et al. 2007; minibatch: Nguyen et al. 2021, section 2.2.
    """
    table = cka_table([as_rows(x, rows)], [as_rows(y, rows)], form, minibatch=minibatch)
    return float(table[0, 0])


def cka_table(
    xs: Sequence[Values],
    ys: Sequence[Values],
    form: Form = "debiased",
    *,
    rows: Rows = "pooled",
    minibatch: int = MINIBATCH,
) -> Float[np.ndarray, "a b"]:
    """Return the CKA of each layer of one network with each of another; arguments as for `cka`."""
    if form not in ("debiased", "biased", "minibatch"):
        raise UsageError(f'form is "debiased", "biased" or "minibatch", got {form!r}')
    pairs = [[paired_rows(x, y, rows, least=LEAST) for y in ys] for x in xs]
    if not pairs or not pairs[0]:
        raise UsageError("at least one layer on each side is needed")
    tables_x, tables_y = [centred(row[0][0]) for row in pairs], [centred(y) for _, y in pairs[0]]
    count = len(tables_x[0])
    if form == "biased":
        widest = max(table.shape[1] for table in (*tables_x, *tables_y))
        if count < _ROWS_PER_CHANNEL * widest:
            _warn(f"biased CKA of {count} rows and {widest} channels tends to 1 whatever is compared; use debiased")
        cross = [[float((x.T @ y).ravel() @ (x.T @ y).ravel()) for y in tables_y] for x in tables_x]
        return ratio(np.array(cross), *(np.array([_squared(t) for t in each]) for each in (tables_x, tables_y)))
    if form == "debiased":
        return ratio(*hsic1_sums(tables_x, tables_y))
    if minibatch < _SMALL_MINIBATCH:
        _warn(f"CKA of minibatches of {minibatch} rows is a ratio of noisy means; 32 rows and more are steady")
    starts = [first for first in range(0, count, minibatch) if min(first + minibatch, count) - first >= LEAST]
    if not starts:
        raise UsageError(f"a minibatch has at least {LEAST} rows, got {minibatch}")
    if (left := count - starts[-1] - minibatch) > 0:
        _warn(f"the last {left} rows fill no minibatch of {LEAST} and are left out")
    parts = [
        hsic1_sums([x[first : first + minibatch] for x in tables_x], [y[first : first + minibatch] for y in tables_y])
        for first in starts
    ]
    return ratio(*(np.sum([part[place] for part in parts], 0) for place in range(3)))


def _squared(x: Float[np.ndarray, "n c"]) -> float:
    """Return the squared Frobenius norm of the smaller of X'X and XX'."""
    product = x.T @ x if x.shape[1] <= len(x) else x @ x.T
    return float(product.ravel() @ product.ravel())


def _warn(text: str) -> None:
    warnings.warn(text, CnnvizWarning, stacklevel=4)


def ratio(
    cross: Float[np.ndarray, "a b"], own_x: Float[np.ndarray, " a"], own_y: Float[np.ndarray, " b"]
) -> Float[np.ndarray, "a b"]:
    """Return cross / sqrt(own own); `nan`, with a warning, where a layer's own term is not above 0."""
    flat = [f"{side} {place}" for side, own in (("x", own_x), ("y", own_y)) for place in np.flatnonzero(own <= 0)]
    if flat:
        _warn(f"CKA is not defined where a layer hardly changes from image to image: {', '.join(flat[:6])}")
    below = np.where(own_x > 0, own_x, np.nan)[:, None] * np.where(own_y > 0, own_y, np.nan)[None]
    return cross / np.sqrt(below)


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
    cross = np.array([[_hsic1(x, y) for y in ys] for x in xs])
    return cross, np.array([_hsic1(x, x) for x in xs]), np.array([_hsic1(y, y) for y in ys])


def _hsic1(x: Float[np.ndarray, "n c"], y: Float[np.ndarray, "n d"]) -> float:
    n = len(x)
    size_x, size_y = (x * x).sum(1), (y * y).sum(1)
    if x.shape[1] * y.shape[1] <= n * (x.shape[1] + y.shape[1]):
        product = x.T @ y
        return float(from_norms(n, np.sum(product * product), size_x @ size_y, size_x.sum(), size_y.sum()))
    # tr(XX'YY') without the c x d product: wide layers have more channels than there are rows.
    return float(from_norms(n, np.sum((x @ x.T) * (y @ y.T)), size_x @ size_y, size_x.sum(), size_y.sum()))


def from_norms(n: int, product: float, norms: float, norms_x: float, norms_y: float) -> float:
    """Return HSIC₁ from sums over centred rows: |X'Y|², Σ|x|²|y|², Σ|x|² and Σ|y|²."""
    # Song et al. sum over pairs of different rows: with K~ = K less its diagonal, and K1 = 0 for centred rows,
    # tr(K~L~) = |X'Y|² - Σ|x|²|y|², 1'K~1 = -Σ|x|² and 1'K~L~1 = Σ|x|²|y|².
    inner = product - norms * n / (n - 2) + norms_x * norms_y / ((n - 1) * (n - 2))
    return inner / (n * (n - 3))


def participation_ratio(x: Values, *, rows: Rows = "pooled") -> float:
    """Return how many directions carry a layer's variance, (Σλ)² / Σλ² of its covariance: from 1 to c; 0 if none does.

    CKA looks at the directions of largest variance; where they are few, it says little of the others.
    """
    table = centred(as_rows(x, rows))
    total, squares = float((table * table).sum()), _squared(table)
    return total * total / squares if squares > 0 else 0.0


def without_outliers(x: Values, y: Values, share: float = 0.01, *, rows: Rows = "pooled") -> float:
    """Return debiased CKA without that share of rows of largest norm, of either side: few images can move it far.

    Source: Davari et al. 2023.
    """
    first, second = paired_rows(x, y, rows, least=LEAST)
    out = int(np.ceil(share * len(first)))
    far = {int(i) for each in (first, second) for i in np.argsort(-(centred(each) ** 2).sum(1), kind="stable")[:out]}
    kept = np.array([i not in far for i in range(len(first))])
    return cka(first[kept], second[kept])
