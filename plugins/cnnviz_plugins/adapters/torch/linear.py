"""Products of matrices, and attention."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from cnnviz_plugins.adapters.torch.operations import OPERATIONS, op

OPERATIONS |= dict.fromkeys(("matmul", "mm", "bmm", "dot", "mv"), lambda self, other: jnp.matmul(self, other))


OPERATIONS |= {
    "einsum": lambda equation, tensors, **unused: jnp.einsum(equation, *tensors),
}


@op("linear")
def linear(input: Any, weight: Any, bias: Any = None) -> Any:  # PyTorch's name
    """Return input @ weight.T + bias."""
    out = jnp.matmul(input, weight.T)
    return out if bias is None else out + bias


@op("addmm", "baddbmm", "addmv")
def addmm(self: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * self + alpha * mat1 @ mat2."""
    out = jnp.matmul(mat1, mat2)
    return (self if beta == 1 else beta * self) + (out if alpha == 1 else alpha * out)


@op(
    "scaled_dot_product_attention",
    "_scaled_dot_product_attention_math",
    "_scaled_dot_product_flash_attention_for_cpu",
)
def attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    **unused: Any,
) -> Any:
    """Return softmax(query @ key.T * scale + mask) @ value."""
    weight = jnp.matmul(query, jnp.swapaxes(key, -1, -2)) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        attn_mask = jnp.tril(jnp.ones(weight.shape[-2:], bool))
    if attn_mask is not None:
        masked = jnp.where(attn_mask, weight, -jnp.inf) if attn_mask.dtype == bool else weight + attn_mask
        weight = masked
    return jnp.matmul(jax.nn.softmax(weight, axis=-1), value)
