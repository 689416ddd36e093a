"""Activations, arithmetic and comparisons, element by element."""

from typing import Any

import jax
import jax.numpy as jnp

from cnnviz_plugins.adapters.torch.operations import OPERATIONS, dtype_of, op

for _name in (
    "abs", "ceil", "cos", "cosh", "exp", "expm1", "floor", "isnan", "log", "log1p", "log2", "log10", "logical_and",
    "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "reciprocal", "round", "sign", "sin", "sinh",
    "sqrt", "square", "tan", "tanh", "trunc",
):  # fmt: skip
    OPERATIONS[_name] = getattr(jnp, _name)

OPERATIONS |= {
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "mish": jax.nn.mish,
    "selu": jax.nn.selu,
    "hardswish": jax.nn.hard_swish,
    "hardsigmoid": jax.nn.hard_sigmoid,
    "log_sigmoid": jax.nn.log_sigmoid,
    "erf": jax.scipy.special.erf,
    "rsqrt": jax.lax.rsqrt,
    "neg": jnp.negative,
    "mul": jnp.multiply,
    "bitwise_and": jnp.bitwise_and,
    "bitwise_or": jnp.bitwise_or,
    "bitwise_not": jnp.bitwise_not,
    "pow": jnp.power,
    "remainder": jnp.remainder,
    "fmod": jnp.fmod,
    "atan2": jnp.arctan2,
    "max.other": jnp.maximum,
    "min.other": jnp.minimum,
    "eq": jnp.equal,
    "ne": jnp.not_equal,
    "lt": jnp.less,
    "le": jnp.less_equal,
    "gt": jnp.greater,
    "ge": jnp.greater_equal,
}


@op("add")
def add(self: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return self + alpha * other."""
    return self + (other if alpha == 1 else alpha * other)


@op("sub")
def sub(self: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return self - alpha * other."""
    return self - (other if alpha == 1 else alpha * other)


@op("rsub")
def rsub(self: Any, other: Any, alpha: Any = 1) -> Any:
    """Return other - alpha * self."""
    return other - (self if alpha == 1 else alpha * self)


@op("div", "true_divide")
def div(self: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Return the quotient, rounded down or towards zero if asked."""
    if rounding_mode is None:
        return self / other
    return jnp.floor_divide(self, other) if rounding_mode == "floor" else jnp.trunc(self / other)


@op("floor_divide")
def floor_divide(self: Any, other: Any) -> Any:
    """Return the quotient rounded down."""
    return jnp.floor_divide(self, other)


@op("addcmul")
def addcmul(self: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return self + value * tensor1 * tensor2."""
    return self + value * tensor1 * tensor2


@op("lerp")
def lerp(self: Any, end: Any, weight: Any) -> Any:
    """Return the value between self and end."""
    return self + weight * (end - self)


@op("clamp", "clip", "clamp_min", "clamp_max")
def clamp(self: Any, min: Any = None, max: Any = None) -> Any:  # PyTorch's names
    """Return the values kept between bounds; a lower bound of zero alone is a ReLU."""
    return jax.nn.relu(self) if max is None and min == 0 else jnp.clip(self, min, max)


OPERATIONS["clamp_max"] = lambda self, max: jnp.clip(self, None, max)


@op("hardtanh")
def hardtanh(self: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return the values kept between bounds; between 0 and 6 it is ReLU6."""
    return jax.nn.relu6(self) if (min_val, max_val) == (0, 6) else jnp.clip(self, min_val, max_val)


@op("gelu")
def gelu(self: Any, *, approximate: str = "none") -> Any:
    """Return the Gaussian error linear unit, exact or by tanh."""
    return jax.nn.gelu(self, approximate=approximate == "tanh")


@op("leaky_relu")
def leaky_relu(self: Any, negative_slope: float = 0.01) -> Any:
    """Return x, or a fraction of it below zero."""
    return jax.nn.leaky_relu(self, negative_slope)


@op("elu")
def elu(self: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """Return the exponential linear unit."""
    return scale * jax.nn.elu(self * input_scale, alpha) if (scale, input_scale) != (1, 1) else jax.nn.elu(self, alpha)


@op("celu")
def celu(self: Any, alpha: float = 1.0) -> Any:
    """Return the continuous exponential linear unit."""
    return jax.nn.celu(self, alpha)


@op("softplus")
def softplus(self: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return log(1 + exp(beta x)) / beta, and x itself above the threshold, as PyTorch does."""
    return jnp.where(self * beta > threshold, self, jax.nn.softplus(self * beta) / beta)


@op("prelu", "_prelu_kernel")
def prelu(self: Any, weight: Any) -> Any:
    """Return x, or a learned fraction of it below zero, one per channel."""
    if weight.ndim == 1 and self.ndim > 1:
        weight = weight.reshape((1, -1) + (1,) * (self.ndim - 2))
    return jnp.where(self > 0, self, weight * self)


@op("glu")
def glu(self: Any, dim: int = -1) -> Any:
    """Return the first half gated by the second."""
    return jax.nn.glu(self, dim)


@op("where")
def where(condition: Any, self: Any, other: Any) -> Any:
    """Return self where the condition holds, else other."""
    return jnp.where(condition, self, other)


@op("masked_fill")
def masked_fill(self: Any, mask: Any, value: Any) -> Any:
    """Return self with a value under the mask."""
    return jnp.where(mask, jnp.asarray(value, self.dtype), self)


@op("softmax", "_softmax", "_safe_softmax")
def softmax(self: Any, dim: int, *unused: Any, dtype: Any = None) -> Any:
    """Return the softmax along an axis."""
    return jax.nn.softmax(self if dtype is None else self.astype(dtype_of(dtype)), axis=dim)


@op("log_softmax", "_log_softmax")
def log_softmax(self: Any, dim: int, *unused: Any, dtype: Any = None) -> Any:
    """Return the logarithm of the softmax along an axis."""
    return jax.nn.log_softmax(self if dtype is None else self.astype(dtype_of(dtype)), axis=dim)


@op("clone", "contiguous", "detach", "alias", "lift_fresh_copy", "lift_fresh", "detach_", "positive", "conj")
def same(self: Any, **unused: Any) -> Any:
    """Return the value as it is; copies and memory layouts mean nothing here."""
    return self


@op("to", "_to_copy", "type_as", "float", "half")
def to(self: Any, *wanted: Any, dtype: Any = None, **unused: Any) -> Any:
    """Return the value in another dtype; devices mean nothing here."""
    for word in (*wanted, dtype):
        if hasattr(word, "shape"):
            return self.astype(word.dtype)
        if str(word).startswith("torch.") and "device" not in str(word):
            return self.astype(dtype_of(word))
    return self
