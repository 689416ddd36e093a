"""Binary trees over the parts of an image: boxes halved along their longer side, or a tree of the user's own."""

import ast
from collections import deque
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Int

from cnnviz_jax.plugin import UsageError

Box = tuple[tuple[int, int], ...]
"""First row, column and channel, and one past the last."""


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A binary tree whose leaves are parts. Nodes are numbered from the root, 0; a level comes whole before the next.

    Leaves have places, so that every node holds a run of them: those from `first` up to `end`.
    """

    parts: Int[np.ndarray, " leaves"]
    """The part at each place."""
    first: Int[np.ndarray, " nodes"]
    end: Int[np.ndarray, " nodes"]
    left: Int[np.ndarray, " nodes"]
    """A node's first half; the root where it is a leaf."""
    right: Int[np.ndarray, " nodes"]
    parent: Int[np.ndarray, " nodes"]
    """The root's is the root."""
    depth: Int[np.ndarray, " nodes"]

    @cached_property
    def is_leaf(self) -> Bool[np.ndarray, " nodes"]:
        """Whether each node is a single part."""
        return self.end - self.first == 1

    @cached_property
    def places(self) -> Int[np.ndarray, " leaves"]:
        """The place of each part."""
        places = np.empty(len(self.parts), np.int32)
        places[self.parts] = np.arange(len(self.parts))
        return places

    @cached_property
    def sibling(self) -> Int[np.ndarray, " nodes"]:
        """The other half of each node's parent; the root's is the root."""
        return np.where(
            self.depth == 0, 0, self.left[self.parent] + self.right[self.parent] - np.arange(len(self.depth))
        ).astype(np.int32)

    @property
    def levels(self) -> int:
        """Splits from the root to the deepest leaf."""
        return int(self.depth.max())

    def splits_at(self, depth: int) -> int:
        """Return how many nodes of a level are split."""
        return int((~self.is_leaf & (self.depth == depth)).sum())


def box_tree(numbering: Int[np.ndarray, "..."], axes: int = 2) -> Hierarchy:
    """Return the tree that halves the image until every part is alone.

    A box is halved along its longest side, the first where they are equal, channels only where it is one pixel; the
    first half is the smaller where they differ. A part is in the half that holds its middle, and a half without parts
    is no node. Parts whose middles are one pixel are halved by their numbers.

    Args:
        numbering: The part of each pixel, or of each value.
        axes: How many axes are those of places; one more is that of channels.

    Source: the image masker of shap, shap/maskers/_image.py.
    """
    count = int(numbering.max()) + 1
    sizes = np.maximum(np.bincount(numbering.reshape(-1), minlength=count), 1)
    middles = [
        np.bincount(numbering.reshape(-1), along.reshape(-1), count) / sizes for along in np.indices(numbering.shape)
    ]
    where = np.floor(np.stack(middles, 1) + 1e-6).astype(np.int32)
    return _grown(_Boxed(np.arange(count), tuple((0, extent) for extent in numbering.shape), where, axes))


def own_tree(text: str, count: int) -> Hierarchy:
    """Return the tree that a text such as `((0,1),(2,3))` spells, over parts 0 to `count` - 1.

    Raises:
        UsageError: It is no tree of pairs, or its leaves are not all parts, each once.
    """
    refused = f"tree is pairs of pairs of part numbers, such as ((0,1),(2,3)), each part once; got {text!r:.80}"
    try:
        root = _Paired(ast.literal_eval(text))
        leaves = sorted(root.held)
    except (ValueError, SyntaxError, TypeError, RecursionError) as error:
        raise UsageError(refused) from error
    if leaves != list(range(count)):
        raise UsageError(f"{refused}, and there are parts 0 to {count - 1}")
    return _grown(root)


class _Group(Protocol):
    """Parts that stand together, and how they are halved."""

    @property
    def held(self) -> Any: ...

    def halves(self) -> tuple["_Group", "_Group"]: ...


@dataclass(frozen=True, eq=False)
class _Boxed:
    held: Int[np.ndarray, " some"]
    box: Box
    where: Int[np.ndarray, "parts axes"]
    axes: int

    def halves(self) -> "tuple[_Boxed, _Boxed]":
        box = self.box
        while (axis := self._longer(box)) is not None:
            low, high = box[axis]
            middle = low + (high - low) // 2
            halves = tuple((*box[:axis], side, *box[axis + 1 :]) for side in ((low, middle), (middle, high)))
            is_first = self.where[self.held, axis] < middle
            if is_first.any() and not is_first.all():
                first, second = (
                    replace(self, held=self.held[own], box=half)
                    for own, half in zip((is_first, ~is_first), halves, strict=True)
                )
                return first, second
            box = halves[0] if is_first.all() else halves[1]
        half = len(self.held) // 2
        return replace(self, held=self.held[:half], box=box), replace(self, held=self.held[half:], box=box)

    def _longer(self, box: Box) -> int | None:
        extents = [high - low for low, high in box]
        longest = max(extents[: self.axes])
        if longest > 1:
            return extents.index(longest)
        return self.axes if len(extents) > self.axes and extents[-1] > 1 else None


@dataclass(frozen=True, eq=False)
class _Paired:
    tree: Any

    @cached_property
    def held(self) -> list[int]:
        if isinstance(self.tree, int) and not isinstance(self.tree, bool):
            return [self.tree]
        if not isinstance(self.tree, tuple) or len(self.tree) != 2:
            raise ValueError(f"{self.tree!r} is no pair")
        return [part for half in self.halves() for part in half.held]

    def halves(self) -> "tuple[_Paired, _Paired]":
        return _Paired(self.tree[0]), _Paired(self.tree[1])


def _grown(root: _Group) -> Hierarchy:
    todo: deque[tuple[_Group, int, int, int]] = deque([(root, 0, 0, 0)])
    rows: list[list[int]] = []
    parts = np.empty(len(root.held), np.int32)
    while todo:
        group, first, parent, depth = todo.popleft()
        number, held = len(rows), group.held
        rows.append([first, first + len(held), 0, 0, parent, depth])
        if number and not rows[parent][2]:
            rows[parent][2] = number
        elif number:
            rows[parent][3] = number
        if len(held) == 1:
            parts[first] = held[0]
            continue
        left, right = group.halves()
        todo += [(left, first, number, depth + 1), (right, first + len(left.held), number, depth + 1)]
    return Hierarchy(parts, *np.asarray(rows, np.int32).T)
