"""Arrays made inside a model, and operations that only check or would draw random numbers."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from cnnviz_jax.plugin import ModelError
from cnnviz_plugins.adapters.torch.operations import OPERATIONS, dtype_of, op


def _made(fill: Any) -> Any:
    def make(size: Sequence[int], *, dtype: Any = None, **unused: Any) -> Any:
        return jnp.full(tuple(size), fill, dtype_of(dtype or "float32"))

    return make


def _like(fill: Any) -> Any:
    def make(self: Any, size: Any = None, *, dtype: Any = None, **unused: Any) -> Any:
        return jnp.full(
            self.shape if size is None else tuple(size), fill, self.dtype if dtype is None else dtype_of(dtype)
        )

    return make


OPERATIONS |= {
    "zeros": _made(0),
    "ones": _made(1),
    "zeros_like": _like(0),
    "ones_like": _like(1),
    "new_zeros": _like(0),
    "new_ones": _like(1),
    "sym_size": lambda self, dim: self.shape[dim],
    "sym_numel": lambda self: self.size,
    "full": lambda size, fill_value, *, dtype=None, **unused: jnp.full(
        tuple(size), fill_value, None if dtype is None else dtype_of(dtype)
    ),
    **dict.fromkeys(
        ("full_like", "fill"),
        lambda self, fill_value, *, dtype=None, **unused: jnp.full(
            self.shape, fill_value, self.dtype if dtype is None else dtype_of(dtype)
        ),
    ),
    "scalar_tensor": lambda s, *, dtype=None, **unused: jnp.asarray(s, None if dtype is None else dtype_of(dtype)),
    "linspace": lambda start, end, steps, *, dtype=None, **unused: jnp.linspace(
        start, end, steps, dtype=dtype_of(dtype or "float32")
    ),
    "eye": lambda n, m=None, *, dtype=None, **unused: jnp.eye(n, m, dtype=dtype_of(dtype or "float32")),
}


@op("arange", "arange.start", "arange.start_step")
def arange(*bounds: Any, dtype: Any = None, **unused: Any) -> Any:
    """Return a range of numbers."""
    numbers = jnp.arange(*bounds)
    return numbers if dtype is None else numbers.astype(dtype_of(dtype))


@op("_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range_for_size", "sym_constrain_range")
def nothing(*unused: Any, **options: Any) -> None:
    """Check nothing: the shapes are known here."""


@op("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def dropout(input: Any, p: float, train: bool) -> Any:  # PyTorch's name
    """Return the value as it is, or refuse where the model keeps dropping in inference."""
    if train and p > 0:
        raise _Random("dropout")
    return input


class _Random(ModelError):
    """The graph draws random numbers."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the model draws random numbers ({name}), as in training mode, though it was put into inference mode; "
            "take that operation out, or say call_kwargs={...} with the flag that means inference"
        )


def _drawing(name: str) -> Any:
    def refuse(*unused: Any, **options: Any) -> Any:
        raise _Random(name)

    return refuse


OPERATIONS |= {
    name: _drawing(name)
    for name in ("rand", "rand_like", "randn", "randn_like", "randint", "randperm", "bernoulli", "multinomial")
}
