"""Products of matrices, attention, and convolutions, plain and transposed, in one to three dimensions."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from cnnviz_plugins.adapters.torch.operations import OPERATIONS, op, pair

OPERATIONS |= dict.fromkeys(("matmul", "mm", "bmm", "dot", "mv"), lambda self, other: jnp.matmul(self, other))
OPERATIONS |= {"einsum": lambda equation, tensors, **unused: jnp.einsum(equation, *tensors)}


@op("linear")
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Return input @ weight.T + bias."""
    out = jnp.matmul(input, weight.T)
    return out if bias is None else out + bias


@op("addmm", "baddbmm", "addmv")
def addmm(self: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * self + alpha * mat1 @ mat2."""
    out = jnp.matmul(mat1, mat2)
    return (self if beta == 1 else beta * self) + (out if alpha == 1 else alpha * out)


@op("scaled_dot_product_attention", "_scaled_dot_product_attention_math", "_scaled_dot_product_flash_attention_for_cpu")
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
        weight = jnp.where(attn_mask, weight, -jnp.inf) if attn_mask.dtype == bool else weight + attn_mask
    return jnp.matmul(jax.nn.softmax(weight, axis=-1), value)


@op("conv1d", "conv2d", "conv3d")
def conv(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Return the convolution; `padding` may be `same` or `valid`."""
    count = weight.ndim - 2
    dilation = pair(dilation, count)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pads = [(total // 2, total - total // 2) for total in totals]
    else:
        pads = [(p, p) for p in pair(0 if padding == "valid" else padding, count)]
    return _convolved(input, weight, bias, pair(stride, count), pads, (1,) * count, dilation, groups)


@op("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return the transposed convolution: the gradient of one with this kernel and stride."""
    count = weight.ndim - 2
    stride, padding, extra, dilation = (pair(v, count) for v in (stride, padding, output_padding, dilation))
    sizes = zip(weight.shape[2:], dilation, padding, extra, strict=True)
    pads = [(d * (k - 1) - p, d * (k - 1) - p + e) for k, d, p, e in sizes]
    inputs, outputs = weight.shape[0], weight.shape[1]
    kernel = weight.reshape((groups, inputs // groups, *weight.shape[1:])).swapaxes(1, 2)
    kernel = kernel.reshape((groups * outputs, inputs // groups, *weight.shape[2:]))
    kernel = jnp.flip(kernel, tuple(range(2, kernel.ndim)))
    return _convolved(input, kernel, bias, (1,) * count, pads, stride, dilation, groups)


@op("convolution", "_convolution")
def convolution(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *unused: Any,
) -> Any:
    """Return either kind, as decomposed graphs say it."""
    if transposed:
        return conv_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(input, weight, bias, stride, padding, dilation, groups)


def _convolved(x: Any, kernel: Any, bias: Any, stride: Any, pads: Any, spread: Any, dilation: Any, groups: int) -> Any:
    single = x.ndim == kernel.ndim - 1  # PyTorch takes an image without a batch, too
    x = x[None] if single else x
    space = "DHW"[-(kernel.ndim - 2) :]
    out = lax.conv_general_dilated(
        x,
        kernel,
        stride,
        pads,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=("NC" + space, "OI" + space, "NC" + space),
        feature_group_count=groups,
    )
    if bias is not None:
        out = out + bias.reshape((1, -1) + (1,) * len(space))
    return out[0] if single else out
