"""Sums of float32 numbers without rounding: each number is spread over integers that add in any order.

Floating-point sums depend on their order, and the order depends on devices, checkpoints and shards. A
float32 is a whole number of 2**-149; here it is written in base 2**16, one int32 per digit, and digits
are added. The sum is exact, so the order cannot matter. (A long accumulator: Kulisch.)
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# The largest float32 is 2**128 - 2**104, in units of 2**-149 below 2**277: 277 bits are 17.3 digits of 16.
LIMBS = 18
"""Digits of base 2**16 that hold every finite float32 in units of 2**-149."""

_BITS = 16
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
    out = np.array(limbs, np.int64)
    for i in range(LIMBS - 1):
        out[..., i + 1] += out[..., i] >> _BITS
        out[..., i] &= (1 << _BITS) - 1
    return out


def exact_totals(limbs: Int[np.ndarray, "*shape limbs"]) -> np.ndarray:
    """Return the sums as Python whole numbers (dtype object), in units of 2**-149."""
    total = np.zeros(limbs.shape[:-1], object)
    for i in reversed(range(LIMBS)):
        total = total * (1 << _BITS) + limbs[..., i].astype(object)
    return np.asarray(total, object)
