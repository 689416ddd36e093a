"""Rows as whole numbers on a fixed grid, so that sums of their products are exact and add in any order.

Floating-point sums depend on their order, and the order on batches, devices and shards. Here a value is a whole number
of steps of one size, 40 bits with its sign, written in two digits of 20 bits. A product of digits has 40 bits, so a
matrix product over 4096 rows stays below 2**52 and float64 computes it without rounding, by BLAS, in whatever order.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_jax.errors import UsageError

_DIGIT = 20
_LARGEST = 1 << 38
_OF_VALUES, _OF_NORMS = 30, 24
"""Bits of the largest value and of the largest squared norm among the first rows: later ones may be 256 times as large,
and norms 65,536 times."""
_AT_ONCE = 4096
MOST_ROWS = 1 << 21
"""Rows that int64 totals hold: the product of two digits' sum has 41 bits."""
FIRST_ROWS = 1000
"""Rows, the first by number, that decide shift and scale."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Shift and step of one layer's rows."""

    shift: Float[np.ndarray, " c"]
    """Subtracted from every row: near the mean, or products of large means would drown what varies."""
    exponent: int
    """A value is a whole number times 2 to minus this."""
    norm_exponent: int
    """The same of squared norms."""

    @classmethod
    def of(cls, first: Float[np.ndarray, "n c"]) -> "Scale":
        """Return the scale that a layer's first rows ask for; the same for all batches and shards of one pass.

        Raises:
            UsageError: There are no rows, or a value is not finite.
        """
        rows = np.asarray(first, np.float64)[:FIRST_ROWS]
        if not rows.size or not np.isfinite(rows).all():
            raise UsageError("the first rows decide shift and scale: there must be some, and all finite")
        shift = rows.mean(0)
        moved = rows - shift
        size = _exponent(np.abs(moved).max(), _OF_VALUES)
        return cls(shift=shift, exponent=size, norm_exponent=_exponent(float((moved**2).sum(1).max()), _OF_NORMS))


def _exponent(largest: float, bits: int) -> int:
    """Return the exponent that brings the largest value to that many bits."""
    return bits - int(np.frexp(largest)[1]) if largest > 0 else bits


def steps(rows: Float[np.ndarray, "n c"], scale: Scale) -> tuple[Int[np.ndarray, "n _"], Bool[np.ndarray, " n"]]:
    """Return rows less the shift as whole numbers, their squared norm last, and which rows lie on the grid.

    Rows that are not finite, or far larger than the first ones, do not; they are zeros.
    """
    moved = np.asarray(rows, np.float64) - scale.shift
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.ldexp(moved, scale.exponent)
        fits = (np.abs(scaled) < _LARGEST).all(1)
    whole = np.rint(np.where(fits[:, None], scaled, 0)).astype(np.int64)
    # The norm by whole numbers too: a float sum along a row may depend on how many rows there are.
    high, low = whole >> _DIGIT, whole & ((1 << _DIGIT) - 1)
    parts = ((high * high).sum(1), (high * low).sum(1), (low * low).sum(1))
    norm = np.ldexp(_joined(parts[0], 2 * parts[1], parts[2]), scale.norm_exponent - 2 * scale.exponent)
    fits &= norm < _LARGEST
    table = np.concatenate([whole, np.rint(np.where(fits, norm, 0)).astype(np.int64)[:, None]], 1)
    return np.where(fits[:, None], table, 0), fits


Products = tuple[Int[np.ndarray, "p q"], Int[np.ndarray, "p q"], Int[np.ndarray, "p q"]]
"""A sum of products by the weight of its digits: 2**40, 2**20 and 1."""


def products(x: Int[np.ndarray, "n p"], y: Int[np.ndarray, "n q"]) -> Products:
    """Return Σ x y' over rows, exact."""
    total = tuple(np.zeros((x.shape[1], y.shape[1]), np.int64) for _ in range(3))
    for first in range(0, len(x), _AT_ONCE):
        left, right = (_digits(each[first : first + _AT_ONCE]) for each in (x, y))
        total[0][...] += (left[0].T @ right[0]).astype(np.int64)
        total[1][...] += (left[0].T @ right[1]).astype(np.int64) + (left[1].T @ right[0]).astype(np.int64)
        total[2][...] += (left[1].T @ right[1]).astype(np.int64)
    return total[0], total[1], total[2]


def _digits(whole: Int[np.ndarray, "n p"]) -> tuple[Float[np.ndarray, "n p"], Float[np.ndarray, "n p"]]:
    return (whole >> _DIGIT).astype(np.float64), (whole & ((1 << _DIGIT) - 1)).astype(np.float64)


def added(totals: Sequence[Products]) -> Products:
    """Return the sum of totals over different rows."""
    high, middle, low = (functools.reduce(np.add, [total[place] for total in totals]) for place in range(3))
    return high, middle, low


def _joined(
    high: Int[np.ndarray, "*shape"], middle: Int[np.ndarray, "*shape"], low: Int[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    return high.astype(np.float64) * 2.0 ** (2 * _DIGIT) + middle.astype(np.float64) * 2.0**_DIGIT + low


def as_floats(total: Products, exponents_x: Int[np.ndarray, " p"], exponents_y: Int[np.ndarray, " q"]) -> np.ndarray:
    """Return the sums in the rows' own units, rounded once."""
    return np.ldexp(_joined(*total), -(exponents_x[:, None] + exponents_y[None]))
