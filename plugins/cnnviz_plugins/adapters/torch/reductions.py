"""Sums, means, extremes and norms over axes."""

from typing import Any

import jax
import jax.numpy as jnp

from cnnviz_plugins.adapters.torch.operations import OPERATIONS, axes_of, dtype_of, op


def _over_axes(reduce: Any) -> Any:
    def reduction(self: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        value = self if dtype is None else self.astype(dtype_of(dtype))
        return reduce(value, axis=axes_of(dim, self.ndim), keepdims=keepdim)

    return reduction


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
    "max.dim": lambda self, dim, keepdim=False: (
        jnp.max(self, axis=dim, keepdims=keepdim),
        jnp.argmax(self, axis=dim, keepdims=keepdim),
    ),
    "min.dim": lambda self, dim, keepdim=False: (
        jnp.min(self, axis=dim, keepdims=keepdim),
        jnp.argmin(self, axis=dim, keepdims=keepdim),
    ),
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
