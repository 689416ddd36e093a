"""Sums of float32 numbers without rounding: each number is spread over integers that add in any order.

Floating-point sums depend on their order, and the order depends on devices, checkpoints and shards. A
float32 is a whole number of 2**-149; here it is written in base 2**16, one int32 per digit, and digits
are added. The sum is exact, so the order cannot matter. (A long accumulator: Kulisch.)
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# The largest float32 is 2**128 - 2**104, in units of 2**-149 below 2**277: 277 bits are 17.3 digits of 16.
LIMBS = 18
"""Digits of base 2**16 that hold every finite float32 in units of 2**-149."""

_BITS = 16
_BLOCK = 1 << 13
"""Numbers whose digits are looked at together."""
_ABREAST = 64
"""Numbers that stand side by side as one row, to be looked at with all below them."""
UNIT_EXPONENT = -149
"""The sum is the digits' number times 2 to this."""

# Each digit is at most 2**16 - 1 in size, and (2**15 - 1) * (2**16 - 1) < 2**31.
ADDITIONS = 2**15 - 1
"""Numbers that int32 digits can take before one could overflow."""


def exact_limbs(x: Float[Array, "*shape"]) -> Int[Array, "*shape limbs"]:
    """Return finite float32 numbers as signed digits of base 2**16, lowest first; each digit is below 2**16.

    Add up to `ADDITIONS` of these in int32; on the host, `normalised` and `exact_totals` take over.
    """
    # 1.5 has the bits 0 01111111 100...0: exponent 127, mantissa 0xC00000 (the leading 1 put back), so it is
    # 0xC00000 * 2**(126 - 149) = 12582912 / 2**23. Its place, 126, is 7 digits of 16 and 14 bits: the mantissa, shifted
    # by 14, falls into digits 7 to 9. As 24 bits shifted by 15 do not fit int32, it goes in two halves of 12, each of
    # at most 27 bits and so in two neighbouring digits. Subnormals have no leading 1 and the place of exponent 1.
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)
    exponent, fraction = (bits >> 23) & 0xFF, bits & 0x7FFFFF
    mantissa = jnp.where(exponent > 0, fraction | 0x800000, fraction)
    place = jnp.maximum(exponent, 1) - 1  # x = mantissa * 2**(place - 149)
    limb = jnp.arange(LIMBS, dtype=jnp.int32)
    digits = jnp.zeros((*x.shape, LIMBS), jnp.int32)
    for part, at in ((mantissa & 0xFFF, place), (mantissa >> 12, place + 12)):
        shifted = (part << (at & 15))[..., None]
        first = (at >> 4)[..., None]
        digits = digits + jnp.where(limb == first, shifted & 0xFFFF, 0) + jnp.where(limb == first + 1, shifted >> 16, 0)
    return jnp.where(bits < 0, -1, 1)[..., None] * digits


def normalised(limbs: Int[np.ndarray, "*shape limbs"]) -> Int[np.ndarray, "*shape limbs"]:
    """Return the same numbers with every digit but the highest in [0, 2**16): equal sums are equal arrays.

    The highest digit is an int64 and carries the sign, so that 2**47 of the largest numbers still fit.
    """
    # Many digit strings are one number: 2 * 2**16 + -3 is 1 * 2**16 + 65533. Results are compared byte by byte, so
    # carries are passed on, from the lowest up, until only one string is left; >> rounds down, and so borrows too.
    out = np.zeros(limbs.shape, np.int64)
    rows, given = out.reshape(-1, LIMBS), limbs.reshape(-1, LIMBS)
    # Rows that fit a core's cache go through all digits before the next are read: of class means of a ResNet-50 there
    # are 26 million, 4 GB, most of them still zero.
    for first in range(0, len(rows), _BLOCK):
        block, sums = rows[first : first + _BLOCK], given[first : first + _BLOCK]
        low, end = _span(sums)
        if end:
            # A layer's values lie within a few digits of one another: those that no number has are left as they are.
            digits = list(sums[:, low:end].T.astype(np.int64))
            for place, digit in enumerate(digits):
                if low + place == LIMBS - 1:
                    break
                carry = digit >> _BITS
                digit &= (1 << _BITS) - 1
                if place + 1 < len(digits):
                    digits[place + 1] += carry
                elif carry.any():
                    digits.append(carry)
            block[:, low : low + len(digits)] = np.stack(digits, 1)
    return out


def exact_means(
    limbs: Int[np.ndarray, "*shape limbs"], count: Int[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return sums that are `normalised` over counts, each rounded once to float64; 0 where the count is 0."""
    digits, counts = limbs.reshape(-1, LIMBS), np.ravel(count)
    mean = np.zeros(len(digits))
    for first in range(0, len(digits), _BLOCK):
        block = slice(first, first + _BLOCK)
        at = np.flatnonzero(counts[block] > 0)
        if len(at):
            mean[block][at] = _rounded_means(digits[block], at, counts[block][at])
    return mean.reshape(count.shape)


def _span(digits: Int[np.ndarray, "n limbs"]) -> tuple[int, int]:
    """Return the first digit that is not 0 in all numbers, and one past the last; 0 and 0 where all are."""
    # Rows of 18 are short for the CPU's vectors.
    many = len(digits) // _ABREAST * _ABREAST
    joined = np.bitwise_or.reduce(digits[:many].reshape(-1, _ABREAST * LIMBS), 0).reshape(-1, LIMBS)
    used = np.flatnonzero(joined.any(0) | digits[many:].any(0))
    return (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)


def _rounded_means(
    digits: Int[np.ndarray, "n limbs"], at: Int[np.ndarray, " m"], count: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Return the means of the numbers in some places, over their counts."""
    # Sums of a few activations have their digits in at most four neighbouring places, most of them with 53 bits from
    # the first that is set to the last: exact as float64, as the count is, and a division of exact numbers rounds once.
    # All others, negative sums among them, are divided as Python's whole numbers, which takes a hundred times as long.
    low, end = _span(digits)
    base: Any
    if end - low <= 4:  # the same four places hold them all
        base, is_below = min(low, LIMBS - 4), np.zeros(1, bool)
    else:
        there = digits[at] != 0
        base = np.maximum(LIMBS - 4 - there[:, ::-1].argmax(1), 0)
        is_below = there.argmax(1) < base
    four = sum(digits[at, base + k].astype(np.uint64) << np.uint64(_BITS * k) for k in range(4))
    whole = np.asarray(four, np.uint64)
    lowest = whole & (~whole + np.uint64(1))
    # A number without its last zeros is below 2**53 where it is below 2**53 times its lowest bit.
    is_exact = (whole >> np.uint64(53)) < np.maximum(lowest, np.uint64(1))
    mean = np.ldexp(whole.astype(np.float64) / count, _BITS * base + UNIT_EXPONENT)
    # The highest digit carries the sign.
    slow = np.flatnonzero(~is_exact | is_below | (digits[at, LIMBS - 1] != 0))
    totals = exact_totals(digits[at[slow]])
    for row, total in zip(slow, totals, strict=True):
        mean[row] = int(total) / (int(count[row]) << -UNIT_EXPONENT)
    return mean


def exact_totals(limbs: Int[np.ndarray, "*shape limbs"]) -> np.ndarray:
    """Return the sums as Python whole numbers (dtype object), in units of 2**-149."""
    total = np.zeros(limbs.shape[:-1], object)
    for i in reversed(range(LIMBS)):
        total = total * (1 << _BITS) + limbs[..., i].astype(object)
    return np.asarray(total, object)
