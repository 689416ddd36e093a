"""Shapes, joins, slices, indices and padding; arrays made inside a model; what only checks or would draw numbers."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from cnnviz_jax.plugin import ModelError
from cnnviz_plugins.adapters.torch.operations import OPERATIONS, axes_of, dtype_of, op

OPERATIONS |= {
    "t": lambda self: self.T,
    "numpy_T": lambda self: self.T,
    "mT": lambda self: jnp.swapaxes(self, -1, -2),
    "tril": lambda self, diagonal=0: jnp.tril(self, diagonal),
    "triu": lambda self, diagonal=0: jnp.triu(self, diagonal),
    "expand_as": lambda self, other: jnp.broadcast_to(self, other.shape),
    "view_as": lambda self, other: self.reshape(other.shape),
    "index_select": lambda self, dim, index: jnp.take(self, index, axis=dim),
    "gather": lambda self, dim, index, **unused: jnp.take_along_axis(self, index, axis=dim),
    "embedding": lambda weight, indices, *unused, **options: weight[indices],
    **dict.fromkeys(
        ("view", "reshape", "_unsafe_view", "view_copy", "_reshape_copy"), lambda self, size: self.reshape(tuple(size))
    ),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), lambda self, dim0, dim1: jnp.swapaxes(self, dim0, dim1)),
    **dict.fromkeys(("permute", "permute_copy"), lambda self, dims: jnp.transpose(self, dims)),
    "movedim": lambda self, source, destination: jnp.moveaxis(self, source, destination),
    **dict.fromkeys(("unsqueeze", "unsqueeze_copy"), lambda self, dim: jnp.expand_dims(self, dim)),
    **dict.fromkeys(
        ("squeeze", "squeeze_copy"),
        lambda self, dim=None: jnp.squeeze(self, tuple(d for d in axes_of(dim, self.ndim) if self.shape[d] == 1)),
    ),
    **dict.fromkeys(("repeat", "tile"), lambda self, repeats: jnp.tile(self, tuple(repeats))),
    "repeat_interleave": lambda self, repeats, dim=None, **unused: jnp.repeat(self, repeats, axis=dim),
    **dict.fromkeys(
        ("cat", "concat", "concatenate"),
        lambda tensors, dim=0: jnp.concatenate([t for t in tensors if t.shape != (0,)], axis=dim),
    ),
    "stack": lambda tensors, dim=0: jnp.stack(tensors, axis=dim),
    "chunk": lambda self, chunks, dim=0: split(self, -(-self.shape[dim] // chunks), dim),
    **dict.fromkeys(
        ("unbind", "unbind_copy"), lambda self, dim=0: [jnp.take(self, i, axis=dim) for i in range(self.shape[dim])]
    ),
    "copy": lambda self, src, non_blocking=False: jnp.broadcast_to(src, self.shape).astype(self.dtype),
    "flip": lambda self, dims: jnp.flip(self, tuple(dims)),
    "constant_pad_nd": lambda self, pad_, value=0: pad(self, pad_, "constant", value),
    **dict.fromkeys(("reflection_pad1d", "reflection_pad2d"), lambda self, padding: pad(self, padding, "reflect")),
    **dict.fromkeys(("replication_pad1d", "replication_pad2d"), lambda self, padding: pad(self, padding, "replicate")),
}


@op("flatten")
def flatten(self: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Return the values with a run of axes made one."""
    first, last = start_dim % max(self.ndim, 1), end_dim % max(self.ndim, 1)
    return self.reshape((*self.shape[:first], -1, *self.shape[last + 1 :]))


@op("unflatten")
def unflatten(self: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Return the values with one axis made several."""
    axis = dim % self.ndim
    return self.reshape((*self.shape[:axis], *sizes, *self.shape[axis + 1 :]))


@op("expand", "expand_copy", "broadcast_to")
def expand(self: Any, size: Sequence[int], **unused: Any) -> Any:
    """Return the values repeated along axes of length one; -1 keeps a length."""
    new = len(size) - self.ndim
    return jnp.broadcast_to(self, tuple(self.shape[i - new] if n == -1 else n for i, n in enumerate(size)))


@op("split", "split_with_sizes", "split_copy", "split_with_sizes_copy")
def split(self: Any, split_size: Any, dim: int = 0) -> list[Any]:
    """Return parts of a size, or of given sizes."""
    length = self.shape[dim]
    if isinstance(split_size, Sequence):
        ends = np.cumsum(split_size)[:-1]
    else:
        ends = np.arange(split_size, length, split_size)
    return jnp.split(self, ends.tolist(), axis=dim)


def _along(self: Any, dim: int, place: Any) -> tuple[Any, ...]:
    """Return the index that takes one place, or a range of them, along an axis and all along the others."""
    return (*[slice(None)] * (dim % self.ndim), place)


def _range(self: Any, dim: int, start: Any, end: Any, step: int) -> tuple[Any, ...]:
    return _along(self, dim, slice(start, None if end is None else min(end, self.shape[dim]), step))


OPERATIONS |= {
    **dict.fromkeys(("select", "select_copy"), lambda self, dim, index: self[_along(self, dim, index)]),
    "select_scatter": lambda self, src, dim, index: self.at[_along(self, dim, index)].set(src),
    **dict.fromkeys(
        ("slice", "slice_copy"),
        lambda self, dim=0, start=None, end=None, step=1: self[_range(self, dim, start, end, step)],
    ),
    "slice_scatter": lambda self, src, dim=0, start=None, end=None, step=1: self.at[
        _range(self, dim, start, end, step)
    ].set(src),
    "narrow": lambda self, dim, start, length: self[_range(self, dim, start, start + length, 1)],
    **dict.fromkeys(
        ("index", "_unsafe_index"), lambda self, indices: self[tuple(slice(None) if i is None else i for i in indices)]
    ),
    # Without axes the values are moved round as one row.
    "roll": lambda self, shifts, dims=(): jnp.roll(self, tuple(shifts) if dims else shifts[0], tuple(dims) or None),
}


@op("pad")
def pad(self: Any, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Any:
    """Return the values with a border: of one value, mirrored, repeated or wrapped. Last axis first."""
    widths = [(0, 0)] * self.ndim
    for i in range(len(pad) // 2):
        widths[-1 - i] = (pad[2 * i], pad[2 * i + 1])
    cut = tuple(slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(self.shape, widths, strict=True))
    widths = [(max(low, 0), max(high, 0)) for low, high in widths]
    kind = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    filled = {"constant_values": value or 0} if kind == "constant" else {}
    return jnp.pad(self[cut], widths, kind, **filled)


@op("unfold")
def unfold(self: Any, dimension: int, size: int, step: int) -> Any:
    """Return windows along an axis as a new last axis."""
    axis = dimension % self.ndim
    starts = range(0, self.shape[axis] - size + 1, step)
    return jnp.stack([jnp.moveaxis(self[_range(self, axis, s, s + size, 1)], axis, -1) for s in starts], axis=axis)


@op("pixel_shuffle")
def pixel_shuffle(self: Any, upscale_factor: int) -> Any:
    """Return channels spread over blocks of pixels."""
    *front, c, h, w = self.shape
    r = upscale_factor
    blocks = jnp.moveaxis(self.reshape((*front, c // r**2, r, r, h, w)), (-4, -3), (-3, -1))
    return blocks.reshape((*front, c // r**2, h * r, w * r))


@op("pixel_unshuffle")
def pixel_unshuffle(self: Any, downscale_factor: int) -> Any:
    """Return blocks of pixels as channels."""
    *front, c, h, w = self.shape
    r = downscale_factor
    blocks = jnp.moveaxis(self.reshape((*front, c, h // r, r, w // r, r)), (-3, -1), (-4, -3))
    return blocks.reshape((*front, c * r**2, h // r, w // r))


@op("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(self: Any, groups: int) -> Any:
    """Return the channels with groups interleaved."""
    n, c, *rest = self.shape
    return self.reshape((n, groups, c // groups, *rest)).swapaxes(1, 2).reshape(self.shape)


def _full(fill: Any) -> Any:
    return lambda size, *, dtype=None, **unused: jnp.full(tuple(size), fill, dtype_of(dtype or "float32"))


def _like(self: Any, fill: Any, size: Any = None, *, dtype: Any = None, **unused: Any) -> Any:
    return jnp.full(self.shape if size is None else tuple(size), fill, self.dtype if dtype is None else dtype_of(dtype))


OPERATIONS |= {
    "zeros": _full(0),
    "ones": _full(1),
    **dict.fromkeys(("zeros_like", "new_zeros"), lambda self, *size, **options: _like(self, 0, *size, **options)),
    **dict.fromkeys(("ones_like", "new_ones"), lambda self, *size, **options: _like(self, 1, *size, **options)),
    **dict.fromkeys(("full_like", "fill"), lambda self, fill_value, **options: _like(self, fill_value, **options)),
    "full": lambda size, fill_value, *, dtype=None, **unused: jnp.full(
        tuple(size), fill_value, None if dtype is None else dtype_of(dtype)
    ),
    "sym_size": lambda self, dim: self.shape[dim],
    "sym_numel": lambda self: self.size,
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


def _drawing(name: str) -> Any:
    def refuse(*unused: Any, **options: Any) -> Any:
        raise ModelError(
            f"the model draws random numbers ({name}), as in training mode, though it was put into inference mode; "
            "take that operation out, or say call_kwargs={...} with the flag that means inference"
        )

    return refuse


@op("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def dropout(input: Any, p: float, train: bool) -> Any:
    """Return the value as it is, or refuse where the model keeps dropping in inference."""
    return _drawing("dropout")() if train and p > 0 else input


OPERATIONS |= {
    name: _drawing(name)
    for name in ("rand", "rand_like", "randn", "randn_like", "randint", "randperm", "bernoulli", "multinomial")
}
