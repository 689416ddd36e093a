"""Batch, layer, group and instance normalisation."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from cnnviz_plugins.adapters.torch.operations import OPERATIONS, op


@op("batch_norm")
def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    *unused: Any,
) -> Any:
    """Return the values normalised per channel, by the batch where that is what the model says."""
    mean, var = running_mean, running_var
    if training or mean is None:
        axes = (0, *range(2, input.ndim))
        mean, var = input.mean(axes), input.var(axes)
    return _scaled(input, mean, var, weight, bias, eps)


@op("_native_batch_norm_legit.no_stats", "_native_batch_norm_legit_functional", "native_batch_norm")
def native_batch_statistics(input: Any, weight: Any, bias: Any, *rest: Any) -> tuple[Any, ...]:
    """Return the values normalised per channel by the batch; what else is returned only updates statistics."""
    axes = (0, *range(2, input.ndim))
    mean, var = input.mean(axes), input.var(axes)
    return _scaled(input, mean, var, weight, bias, rest[-1]), mean, var, mean, var


def _scaled(x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> Any:
    def wide(v: Any) -> Any:
        return v.reshape((1, -1) + (1,) * (x.ndim - 2))

    scale = lax.rsqrt(var + eps)
    out = (x - wide(mean)) * wide(scale if weight is None else scale * weight)
    return out if bias is None else out + wide(bias)


@op("layer_norm")
def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5, *unused: Any
) -> Any:
    """Return the values normalised over the last axes."""
    return _weighted(_centred(input, tuple(range(-len(normalized_shape), 0)), eps), weight, bias)


@op("group_norm")
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *unused: Any
) -> Any:
    """Return the values normalised over groups of channels."""
    n, c, *space = input.shape
    grouped = input.reshape((n, num_groups, c // num_groups, *space))
    out = _centred(grouped, tuple(range(2, grouped.ndim)), eps).reshape(input.shape)
    return _weighted(out, weight, bias, (1, c) + (1,) * len(space))


@op("instance_norm")
def instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    *unused: Any,
) -> Any:
    """Return the values normalised per image and channel, or by running statistics."""
    if not use_input_stats:
        return _scaled(input, running_mean, running_var, weight, bias, eps)
    return group_norm(input, input.shape[1], weight, bias, eps)


@op("rms_norm")
def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """Return the values divided by their root mean square over the last axes."""
    axes = tuple(range(-len(normalized_shape), 0))
    eps = 2.0 ** -jnp.finfo(input.dtype).nmant if eps is None else eps  # type: ignore[no-untyped-call]
    out = input * lax.rsqrt(jnp.mean(jnp.square(input), axes, keepdims=True) + eps)
    return _weighted(out, weight, None)


@op("_weight_norm")
def weight_norm(v: Any, g: Any, dim: int = 0) -> Any:
    """Return the weight of length g and the direction of v, per slice along an axis."""
    axes = tuple(k for k in range(v.ndim) if k != dim % v.ndim)
    return v * (g / jnp.sqrt(jnp.sum(jnp.square(v), axes, keepdims=True)))


def _centred(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    mean = x.mean(axes, keepdims=True)
    var = jnp.square(x - mean).mean(axes, keepdims=True)
    return (x - mean) * lax.rsqrt(var + eps)


def _weighted(x: Any, weight: Any, bias: Any, shape: tuple[int, ...] | None = None) -> Any:
    """Return x * weight + bias, of which either may be `None`, both seen as `shape`."""
    x = x if weight is None else x * (weight if shape is None else weight.reshape(shape))
    return x if bias is None else x + (bias if shape is None else bias.reshape(shape))


def _with_statistics(norm: Any) -> Any:
    return lambda *args: (norm(*args), None, None)


# Rewritten graphs have norms that return their statistics too, which nothing reads in inference.
OPERATIONS |= {
    "native_layer_norm": _with_statistics(layer_norm),
    "native_group_norm": _with_statistics(
        lambda input, weight, bias, n, c, size, group, eps: group_norm(input, group, weight, bias, eps)
    ),
    "_native_batch_norm_legit_no_training": _with_statistics(
        lambda input, weight, bias, mean, var, momentum, eps: _scaled(input, mean, var, weight, bias, eps)
    ),
}
