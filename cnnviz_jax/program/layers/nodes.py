"""A layer of a program: one value that has a name, and how it is turned to (h, w, c) and back."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from cnnviz_jax.program.analysis.abstract_values import Role, is_spatial
from cnnviz_jax.program.analysis.receptive_field import Field
from cnnviz_jax.program.layers.kernels import KernelRef
from cnnviz_jax.program.layers.operations import Operation
from cnnviz_jax.program.layers.tokens import TokenGrid

_LETTERS = {2: "HW", 3: "DHW"}
"""Of the spatial axes, by how many the input has."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerNode:
    """One layer: a value of the program that has a name."""

    name: str
    """Dotted path, such as `layer1.conv2`; the second use of a name is `relu#1`."""
    kind: str
    """What computes it: conv, dense, norm, scale, relu, max_pool, add, concat, flatten, ..., or module."""
    value: int
    """Its value in the graph."""
    shape: tuple[int, ...]
    """Native shape for a batch of one."""
    dtype: Any
    roles: tuple[Role, ...]
    """Per native axis: `"B"`, `"C"`, a spatial axis by its number (0 rows, 1 columns), or `None`."""
    is_module: bool
    """Whether the name is a module's path, and the value all that the module returns."""
    kernel: KernelRef | None
    """Where its kernel stands, for a convolution or a dense layer."""
    calls: int
    """How often the program uses this name; uses after the first are rows of their own."""
    receptive_field: Field
    """What each unit sees of the image."""
    operation: Operation | None = None
    """The operation that makes it, unless it is a module of several."""
    grid: TokenGrid | None = None
    """How its tokens are a map, where they are one."""
    is_series: bool = False
    """Whether it has columns and no rows, in a model of series: a map of one row."""
    volume: tuple[int, int, int] | None = None
    """Depth, height and width, in a model of volumes: a map of depth x height rows."""

    @property
    def axes(self) -> str:
        """The native layout, such as `NHWC` or `NCHW`; `?` for an axis that is neither."""
        letters: dict[Role, str] = {"B": "N", "C": "C"}
        letters |= dict(enumerate(_LETTERS[len(self.receptive_field.reaches)]))
        return "".join(letters.get(role, "?") for role in self.roles)

    @property
    def is_map(self) -> bool:
        """Whether the value has the input's spatial axes, or tokens that stand for them."""
        spatial = set(range(len(self.receptive_field.reaches)))
        return self.grid is not None or self.is_series or spatial <= set(self.roles)

    @property
    def order(self) -> tuple[int, ...]:
        """The native axes in canonical order: the spatial ones, others, channels; the batch left out."""
        others = len(self.receptive_field.reaches)

        def rank(axis: int) -> int:
            role = self.roles[axis]
            return role if is_spatial(role) else others + (role == "C")

        return tuple(sorted((k for k, role in enumerate(self.roles) if role != "B"), key=rank))

    @property
    def canonical_shape(self) -> tuple[int, ...]:
        """Shape of one image's value as (h, w, c) or (c,)."""
        if self.grid is not None:
            return self.grid.rows, self.grid.columns, self.shape[self.grid.channels]
        shape = tuple(self.shape[k] for k in self.order)
        if self.volume is not None:
            return (shape[0] * shape[1], *shape[2:])
        return (1, *shape) if self.is_series else shape

    def to_canonical(self, value: Array) -> Array:
        """Turn a native value, batch of one, into (h, w, c) or (c,); of tokens, those outside the grid are left out."""
        if self.grid is not None:
            return self.grid.to_map(value)
        batch = tuple(k for k, role in enumerate(self.roles) if role == "B")
        return jnp.transpose(value, (*batch, *self.order)).reshape(self.canonical_shape)

    def from_canonical(self, value: Array) -> Array:
        """Turn (h, w, c) or (c,) into the native value, batch of one; lengths may be 1 to spread.

        Tokens outside the grid become zero.
        """
        if self.grid is not None:
            return self.grid.from_map(jnp.asarray(value), self.shape)
        batch = [k for k, role in enumerate(self.roles) if role == "B"]
        value = jnp.asarray(value)
        if self.is_series:
            value = value[0]
        if self.volume is not None:
            lead = (1, 1) if value.shape[0] == 1 else self.volume[:2]
            value = value.reshape(*lead, *value.shape[1:])
        moved = jnp.expand_dims(value, tuple(range(len(batch))))
        places = [*batch, *self.order]
        return jnp.transpose(moved, [places.index(k) for k in range(len(places))])

    def with_canonical(self, value: Array, new: Array) -> Array:
        """Return a native value with (h, w, c) or (c,) put into it; tokens outside the grid keep theirs."""
        return self.from_canonical(new) if self.grid is None else self.grid.with_map(value, jnp.asarray(new))
