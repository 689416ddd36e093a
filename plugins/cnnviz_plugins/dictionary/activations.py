"""Which codes of a row stay: the k largest, the largest of a batch, those above thresholds that are learned."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

_INFINITY = 0x7F800000  # its bits; those of a float that is not negative rise with it


def topk_codes(pre: Float[Array, "*n codes"], k: int) -> Float[Array, "*n codes"]:
    """Return the `k` largest of each row, those below 0 as 0; of equal ones the first.

    Source: Gao et al. 2024, arXiv:2406.04093, section 2.3.
    """
    values, places = jax.lax.top_k(pre, k)
    return jnp.put_along_axis(jnp.zeros_like(pre), places, jax.nn.relu(values), axis=-1, inplace=False)


def batch_topk_codes(pre: Float[Array, "n codes"], k: int) -> tuple[Float[Array, "n codes"], Float[Array, ""]]:
    """Return the `n k` largest codes of a batch above 0, and the smallest of them, 0 where there are none.

    Equal ones at the border all stay. Source: Bussmann et al. 2024, arXiv:2412.06410, section 3.
    """
    positive = jax.nn.relu(pre)
    border = kth_largest(positive, len(pre) * k)
    codes = jnp.where(positive >= border, positive, 0.0)
    least = jnp.where(codes > 0, codes, jnp.inf).min()
    return codes, jax.lax.stop_gradient(jnp.where(jnp.isfinite(least), least, 0.0))


def kth_largest(values: Float[Array, "..."], k: int) -> Float[Array, ""]:
    """Return the k-th largest of values that are not negative, by halving: sorting a batch takes ten times as long."""
    bits = jax.lax.bitcast_convert_type(jax.lax.stop_gradient(values).astype(jnp.float32), jnp.int32)

    def halved(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = low + (high - low) // 2
        enough = (bits >= middle).sum() >= k
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    # At least k values lie at or above `low`, fewer at or above `high`; 31 halvings leave one number between them.
    low, _ = jax.lax.fori_loop(0, 31, halved, (jnp.int32(0), jnp.int32(_INFINITY)))
    found: Array = jax.lax.bitcast_convert_type(low, jnp.float32)
    return found


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def jump_relu(
    pre: Float[Array, "n codes"], threshold: Float[Array, " codes"], bandwidth: float
) -> Float[Array, "n codes"]:
    """Return what lies above its code's threshold, as it is.

    The gradient by the threshold is that of the expected step, estimated from what lies within half a `bandwidth`.
    Source: Rajamanoharan et al. 2024, arXiv:2407.14435, equations 11 and 12.
    """
    return jnp.where(pre > threshold, pre, 0.0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def active(
    pre: Float[Array, "n codes"], threshold: Float[Array, " codes"], bandwidth: float
) -> Float[Array, "n codes"]:
    """Return 1 for what lies above its code's threshold, 0 for the rest; gradients as for `jump_relu`."""
    return (pre > threshold).astype(pre.dtype)


def _near(pre: Array, threshold: Array, bandwidth: float) -> Bool[Array, "n codes"]:
    return jnp.abs(pre - threshold) < bandwidth / 2


def _forward(function: Any, pre: Array, threshold: Array, bandwidth: float) -> tuple[Array, tuple[Array, ...]]:
    return function(pre, threshold, bandwidth), (pre, threshold)


def _jump_backward(bandwidth: float, kept: tuple[Array, Array], by: Array) -> tuple[Array, Array]:
    pre, threshold = kept
    step = jnp.where(_near(pre, threshold, bandwidth), -threshold / bandwidth, 0.0)
    return jnp.where(pre > threshold, by, 0.0), (step * by).sum(0)


def _active_backward(bandwidth: float, kept: tuple[Array, Array], by: Array) -> tuple[Array, Array]:
    pre, threshold = kept
    step = jnp.where(_near(pre, threshold, bandwidth), -1 / bandwidth, 0.0)
    return jnp.zeros_like(pre), (step * by).sum(0)


jump_relu.defvjp(functools.partial(_forward, jump_relu), _jump_backward)
active.defvjp(functools.partial(_forward, active), _active_backward)
