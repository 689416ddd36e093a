"""Random keys that depend on what is computed, never on how: chunk, batch, order and device do not matter."""

import functools
import zlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, UInt32

from cnnviz_jax.errors import UsageError

_IMPLEMENTATION = "threefry2x32"  # others give values that depend on batch position and device count


def root_key(key: Any = None) -> Key[Array, ""]:
    """Return a typed key from `None` (seed 0), a whole number, or a key.

    Raises:
        UsageError: `key` is none of these, or one whose numbers would depend on the batch.
    """
    if key is None or isinstance(key, int | np.integer):
        return _of_seed(int(key or 0), bool(jax.config.read("jax_enable_x64")))
    if hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
        if str(jax.random.key_impl(key)) != _IMPLEMENTATION:
            raise UsageError(
                f"key uses {jax.random.key_impl(key)}; results must not depend on the batch: use {_IMPLEMENTATION}"
            )
        return key
    if hasattr(key, "dtype") and key.dtype == jnp.uint32 and key.shape == (2,):
        return jax.random.wrap_key_data(key, impl=_IMPLEMENTATION)
    raise UsageError(f"key is a whole number or a jax.random.key(...), got {key!r}")


@functools.lru_cache(maxsize=64)
def _of_seed(seed: int, has_64_bits: bool) -> Key[Array, ""]:
    # Kept, as a call without a key has this one: made anew it is three small programs. Inside somebody's own `jit` a
    # key that was made while tracing must not outlive the trace.
    with jax.ensure_compile_time_eval():
        return jax.random.key(seed, impl=_IMPLEMENTATION)


def key_text(key: Key[Array, ""]) -> str:
    """Return a key's numbers in hexadecimal, as provenance has them."""
    # The highest byte first, whatever the machine: it goes into files that others compare.
    return bytes(np.asarray(jax.random.key_data(key), ">u4")).hex()


def key_of(text: str) -> Key[Array, ""]:
    """Return the key that `key_text` wrote."""
    numbers = np.frombuffer(bytes.fromhex(text), ">u4").astype(np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(numbers), impl=_IMPLEMENTATION)


def image_ids(images: Float[Array | np.ndarray, "n h w c"]) -> UInt32[np.ndarray, " n"]:
    """Return one number per image, made from its pixels; those of images on a device are copied to the host for it.

    An image's noise is then the same alone, in any batch and at any place in it.
    """
    # 32 bits because that is what fold_in takes. Two images of one number only share their noise.
    every = np.asarray(images)
    return np.asarray([zlib.crc32(np.ascontiguousarray(image).data) for image in every], np.uint32)


def word_id(word: str) -> int:
    """Return one number for a word such as a layer name."""
    return zlib.crc32(word.encode())


def keys_for(key: Key[Array, ""], ids: Sequence[int] | Integer[np.ndarray, "..."]) -> Key[Array, " n"]:
    """Return `fold_in(key, id)` for every id.

    Raises:
        UsageError: An id does not fit 32 bits.
    """
    numbers = np.asarray(ids)
    if (
        numbers.ndim != 1
        or numbers.dtype.kind not in "iu"
        or (numbers.size and (numbers.min() < 0 or numbers.max() > 2**32 - 1))
    ):
        raise UsageError(f"ids are whole numbers from 0 to 2**32 - 1, one per image, got {ids!r}")
    # Not split by place: an image keeps its noise alone, in any batch, in any order and after a resume.
    return _folded_in(key, numbers.astype(np.uint32))


# Compiled: traced anew operation by operation, this took more of a call than a small network's gradient.
_folded_in = jax.jit(jax.vmap(jax.random.fold_in, (None, 0)))
