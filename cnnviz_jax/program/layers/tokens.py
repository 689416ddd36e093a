"""Token grids: where a sequence of tokens is a map, as in vision transformers.

A sequence is a map when its axis is rows and columns merged (patches laid out one after the other), or when such an
axis was joined with other tokens (a class token before the patches) and no other joining has that length. Else the
user says it: so many tokens before, rows, columns.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Axis, is_spatial, length
from cnnviz_jax.program.graph.graph import Graph
from cnnviz_jax.program.layers.operations import ProgramView

Tokens = tuple[int, int, int]
"""Tokens before the grid, rows, columns."""


@dataclass(frozen=True, slots=True)
class TokenGrid:
    """How a native value of tokens is a map."""

    tokens: int
    """The axis of tokens."""
    channels: int
    """The axis of channels; all others have length 1."""
    before: int
    """Tokens before the grid, such as the class token."""
    rows: int
    columns: int

    @property
    def count(self) -> int:
        """Tokens of the grid."""
        return self.rows * self.columns

    def to_map(self, value: Array) -> Array:
        """Return the grid's tokens as (h, w, c); others are left out."""
        pair = value.reshape([n for k, n in enumerate(value.shape) if k in (self.tokens, self.channels)])
        rows = pair if self.tokens < self.channels else pair.T
        return rows[self.before : self.before + self.count].reshape(self.rows, self.columns, -1)

    def from_map(self, value: Array, shape: Sequence[int]) -> Array:
        """Return a native value of `shape` with (h, w, c) in its grid and zeros elsewhere; lengths of 1 spread."""
        length, channels = shape[self.tokens], shape[self.channels]
        grid = jnp.broadcast_to(value, (self.rows, self.columns, channels)).reshape(self.count, channels)
        every = jnp.pad(grid, ((self.before, length - self.before - self.count), (0, 0)))
        return (every if self.tokens < self.channels else every.T).reshape(tuple(shape))

    def with_map(self, value: Array, new: Array) -> Array:
        """Return the native value with its grid replaced and the other tokens kept."""
        places = jnp.arange(value.shape[self.tokens])
        inside = (places >= self.before) & (places < self.before + self.count)
        wide = inside.reshape([-1 if k == self.tokens else 1 for k in range(value.ndim)])
        return jnp.where(wide, self.from_map(new, value.shape).astype(value.dtype), value)


def joined_grids(view: ProgramView) -> Mapping[int, Tokens]:
    """Return, by number of tokens, the grid of patches that was joined with other tokens, where there is one only."""
    # ViT at 224 px: patches (1, 14, 14, 768) become (1, 196, 768), whose axis is ((0, 14), (1, 14)), and a class token
    # in front makes 197. From then on 197 tokens mean "1 before, 14, 14", also behind blocks that lose the roles. With
    # two grids of one total (1 + 12 * 16 = 193 = 1 + 16 * 12) nothing can be told, and the user has to.
    found: dict[int, set[Tokens]] = {}
    for leaf in view.leaves:
        if leaf.name != "concatenate":
            continue
        position = leaf.params["dimension"]
        before = 0
        total = sum(view.graph.values[number].shape[position] for number in leaf.inputs)
        for number in leaf.inputs:
            grid = _merged(view.abstract(number).axes[position]) if view.depends(number) else None
            if grid is not None and grid[0] * grid[1] < total:
                found.setdefault(total, set()).add((before, *grid))
            before += view.graph.values[number].shape[position]
    return {total: next(iter(grids)) for total, grids in found.items() if len(grids) == 1}


def grid_of(abstract: AbstractValue, shape: Sequence[int], joined: Mapping[int, Tokens]) -> TokenGrid | None:
    """Return how a value is a map of tokens, or `None` where it is none, or may be in more than one way."""
    # A value of shape (1, 197, 768) has two wide axes; one of them is the grid, the other the channels. If both might
    # be the grid (196 tokens of 196 channels behind an opaque region) it is none.
    if any(map(is_spatial, abstract.roles)) or len(abstract.seen()) != 2:  # tokens of volumes are no map yet
        return None
    wide = [k for k, role in enumerate(abstract.roles) if role != "B" and shape[k] != 1]
    found: list[TokenGrid] = []
    for k in wide:
        merged = _merged(abstract.axes[k])
        grid = (0, *merged) if merged is not None else joined.get(shape[k]) if abstract.roles[k] != "C" else None
        rest = [other for other in wide if other != k]
        if grid is not None and len(rest) == 1:
            found.append(TokenGrid(k, rest[0], *grid))
    return found[0] if len(found) == 1 else None


def last_mixing(graph: Graph, depends: Callable[[int], bool], tokens: int, among: Set[int]) -> int | None:
    """Return the order of the last product that sums over so many tokens: attention's, which tells tokens of others.

    Only products `among` some values are looked at: those that the scores rest on.

    Behind it each token stands for itself; where only a class token is read off, the others no longer count.
    """
    # softmax(q k) v sums over tokens: a dot_general of two values from the image whose contracted axis is as long as
    # the tokens are many. q k contracts channels; where a head has as many as there are tokens it matches as well, but
    # the product that counts stands behind it.
    found = None
    for leaf in graph.leaves:
        if leaf.name != "dot_general" or leaf.outputs[0] not in among or not all(map(depends, leaf.inputs)):
            continue
        left, _ = leaf.params["dimension_numbers"][0]
        if any(graph.values[leaf.inputs[0]].shape[k] == tokens for k in left):
            found = leaf.order
    return found


def _merged(axis: Axis) -> tuple[int, int] | None:
    """The rows and columns of an axis that is nothing but these, rows first."""
    parts = [(role, size) for role, size in axis if size > 1]
    if [role for role, _ in parts] != [0, 1]:
        return None
    rows, columns = (size for _, size in parts)
    return (rows, columns) if rows * columns == length(axis) else None
