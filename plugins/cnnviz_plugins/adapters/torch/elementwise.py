"""Activations, arithmetic and comparisons, element by element; sums, means, extremes and norms over axes."""

from typing import Any

import jax
import jax.numpy as jnp

from cnnviz_plugins.adapters.torch.operations import OPERATIONS, axes_of, dtype_of, op

for _library, _names in (
    (jnp, (
        "abs", "bitwise_and", "bitwise_not", "bitwise_or", "ceil", "cos", "cosh", "exp", "expm1", "floor", "fmod",
        "isnan", "log", "log1p", "log2", "log10", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum",
        "minimum", "reciprocal", "remainder", "round", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc",
    )),
    (jax.nn, ("celu", "leaky_relu", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu")),
):  # fmt: skip
    OPERATIONS |= {name: getattr(_library, name) for name in _names}


def _softmax(function: Any) -> Any:
    return lambda self, dim, *unused, dtype=None: function(
        self if dtype is None else self.astype(dtype_of(dtype)), axis=dim
    )


OPERATIONS |= {
    "hardswish": jax.nn.hard_swish,
    "hardsigmoid": jax.nn.hard_sigmoid,
    "erf": jax.scipy.special.erf,
    "rsqrt": jax.lax.rsqrt,
    "neg": jnp.negative,
    "mul": jnp.multiply,
    "pow": jnp.power,
    "atan2": jnp.arctan2,
    "max.other": jnp.maximum,
    "min.other": jnp.minimum,
    "eq": jnp.equal,
    "ne": jnp.not_equal,
    "lt": jnp.less,
    "le": jnp.less_equal,
    "gt": jnp.greater,
    "ge": jnp.greater_equal,
    "add": lambda self, other, *, alpha=1: self + (other if alpha == 1 else alpha * other),
    "sub": lambda self, other, *, alpha=1: self - (other if alpha == 1 else alpha * other),
    "rsub": lambda self, other, alpha=1: other - (self if alpha == 1 else alpha * self),
    "floor_divide": jnp.floor_divide,
    "addcmul": lambda self, tensor1, tensor2, *, value=1: self + value * tensor1 * tensor2,
    "lerp": lambda self, end, weight: self + weight * (end - self),
    # A lower bound of zero alone is a ReLU, and bounds of 0 and 6 are ReLU6: rules for ReLUs ask for the kind.
    **dict.fromkeys(
        ("clamp", "clip", "clamp_min"),
        lambda self, min=None, max=None: jax.nn.relu(self) if max is None and min == 0 else jnp.clip(self, min, max),
    ),
    "clamp_max": lambda self, max: jnp.clip(self, None, max),
    "hardtanh": lambda self, min_val=-1.0, max_val=1.0: (
        jax.nn.relu6(self) if (min_val, max_val) == (0, 6) else jnp.clip(self, min_val, max_val)
    ),
    "gelu": lambda self, *, approximate="none": jax.nn.gelu(self, approximate=approximate == "tanh"),
    "elu": lambda self, alpha=1.0, scale=1.0, input_scale=1.0: (
        scale * jax.nn.elu(self * input_scale, alpha) if (scale, input_scale) != (1, 1) else jax.nn.elu(self, alpha)
    ),
    # Above the threshold x itself, as PyTorch has it.
    "softplus": lambda self, beta=1.0, threshold=20.0: jnp.where(
        self * beta > threshold, self, jax.nn.softplus(self * beta) / beta
    ),
    "glu": lambda self, dim=-1: jax.nn.glu(self, dim),
    "where": jnp.where,
    "masked_fill": lambda self, mask, value: jnp.where(mask, jnp.asarray(value, self.dtype), self),
    **dict.fromkeys(("softmax", "_softmax", "_safe_softmax"), _softmax(jax.nn.softmax)),
    **dict.fromkeys(("log_softmax", "_log_softmax"), _softmax(jax.nn.log_softmax)),
    # Copies and memory layouts mean nothing here.
    **dict.fromkeys(
        ("clone", "contiguous", "detach", "alias", "lift_fresh_copy", "lift_fresh", "detach_", "positive", "conj"),
        lambda self, **unused: self,
    ),
}


@op("div", "true_divide")
def div(self: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Return the quotient, rounded down or towards zero if asked."""
    if rounding_mode is None:
        return self / other
    return jnp.floor_divide(self, other) if rounding_mode == "floor" else jnp.trunc(self / other)


@op("prelu", "_prelu_kernel")
def prelu(self: Any, weight: Any) -> Any:
    """Return x, or a learned fraction of it below zero, one per channel."""
    if weight.ndim == 1 and self.ndim > 1:
        weight = weight.reshape((1, -1) + (1,) * (self.ndim - 2))
    return jnp.where(self > 0, self, weight * self)


@op("to", "_to_copy", "type_as", "float", "half")
def to(self: Any, *kinds: Any, dtype: Any = None, **unused: Any) -> Any:
    """Return the value in another dtype; devices mean nothing here."""
    for word in (*kinds, dtype):
        if hasattr(word, "shape"):
            return self.astype(word.dtype)
        if str(word).startswith("torch.") and "device" not in str(word):
            return self.astype(dtype_of(word))
    return self


def _over_axes(reduce: Any) -> Any:
    def reduction(self: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        value = self if dtype is None else self.astype(dtype_of(dtype))
        return reduce(value, axis=axes_of(dim, self.ndim), keepdims=keepdim)

    return reduction


def _with_place(value: Any, place: Any) -> Any:
    return lambda self, dim, keepdim=False: tuple(each(self, axis=dim, keepdims=keepdim) for each in (value, place))


OPERATIONS |= {
    "mean": _over_axes(jnp.mean),
    "sum": _over_axes(jnp.sum),
    "prod": _over_axes(jnp.prod),
    "amax": _over_axes(jnp.max),
    "amin": _over_axes(jnp.min),
    "max.default": _over_axes(jnp.max),
    "min.default": _over_axes(jnp.min),
    "any": _over_axes(jnp.any),
    "all": _over_axes(jnp.all),
    "logsumexp": _over_axes(jax.scipy.special.logsumexp),
    "cumsum": lambda self, dim, **unused: jnp.cumsum(self, axis=dim),
    "max.dim": _with_place(jnp.max, jnp.argmax),
    "min.dim": _with_place(jnp.min, jnp.argmin),
    "argmax": lambda self, dim=None, keepdim=False: jnp.argmax(self, axis=dim, keepdims=keepdim),
    **dict.fromkeys(("std", "std.correction"), lambda *args, **kwargs: jnp.sqrt(var(*args, **kwargs))),
    "norm": lambda self, p=2, dim=None, keepdim=False: vector_norm(self, 2 if p is None else p, dim, keepdim),
}


@op("var", "var.correction")
def var(self: Any, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = None) -> Any:
    """Return the variance; unbiased unless told otherwise."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    freedom = (1 if unbiased else 0) if correction is None else correction
    return jnp.var(self, axis=axes_of(dim, self.ndim), ddof=freedom, keepdims=keepdim)


@op("linalg_vector_norm")
def vector_norm(self: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the norm of vectors along axes."""
    axes = axes_of(dim, self.ndim)
    if ord == 2:
        return jnp.sqrt(jnp.sum(jnp.square(self), axis=axes, keepdims=keepdim))
    if ord == float("inf"):
        return jnp.max(jnp.abs(self), axis=axes, keepdims=keepdim)
    return jnp.sum(jnp.abs(self) ** ord, axis=axes, keepdims=keepdim) ** (1 / ord)
