"""Groups of a tree of parts with what is present around them: how their halves' scores make new ones, and shares."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_plugins.explain.perturbation.hierarchy import Hierarchy

CHILDREN = {"both": 4, "off": 2, "on": 2}
"""How many entries one becomes when it is split, by which contexts its halves are judged in."""


class Entries(NamedTuple):
    """Groups, each in one context; a row of weight 0 is none."""

    node: Int[Array, " rows"]
    around: Bool[Array, "rows levels"]
    """Whether the sibling of the group, of its parent, of the parent of that and so on is present."""
    without: Float[Array, " rows"]
    """The score without the group."""
    present: Float[Array, " rows"]
    """The score with it."""
    weight: Float[Array, " rows"]

    @classmethod
    def of_all(
        cls, tree: Hierarchy, splits: int, context: str, base: Float[Array, ""], whole: Float[Array, ""]
    ) -> "Entries":
        """Return the one entry of all parts, with room for those that so many splits make."""
        # An entry that is split leaves its row to the first of its children; the others get rows of their own. There
        # are at least as many rows as may be chosen at once.
        rows = 1 + max(1, CHILDREN[context] - 1) * splits
        zeros = jnp.zeros(rows, base.dtype)
        return cls(
            node=jnp.zeros(rows, jnp.int32),
            around=jnp.zeros((rows, max(1, tree.levels)), bool),
            without=zeros.at[0].set(base),
            present=zeros.at[0].set(whole),
            weight=zeros.at[0].set(1),
        )

    def urgency(self, tree: Hierarchy) -> Float[Array, " rows"]:
        """Return how much each row would tell if it were split; -1 where there is nothing to split."""
        is_open = (self.weight > 0) & ~jnp.asarray(tree.is_leaf)[self.node]
        return jnp.where(is_open, jnp.abs(self.present - self.without) * self.weight, -1)

    def halved(
        self,
        tree: Hierarchy,
        context: str,
        rows: Int[Array, " slots"],
        asked: Bool[Array, " slots"],
        first: Float[Array, " slots"],
        second: Float[Array, " slots"],
        done: Int[Array, ""],
    ) -> "tuple[Entries, Float[Array, ' slots']]":
        """Return the entries with those of some rows split, and what of each stays with its group.

        Args:
            tree: The tree.
            context: What a half is judged next to: the other half absent (`off`), present (`on`), or `both`.
            rows: Which are split, all different.
            asked: Which of them were asked for; entries that cannot be split are passed over.
            first: The score with the first half of each alone.
            second: The same of the second.
            done: How many were split before.
        """
        node, around, low, high, weight = (leaf[rows] for leaf in self)
        is_split = asked & (weight > 0) & ~jnp.asarray(tree.is_leaf)[node]
        left, right = jnp.asarray(tree.left)[node], jnp.asarray(tree.right)[node]
        off, on = (jnp.concatenate([jnp.full_like(around[:, :1], is_on), around[:, :-1]], 1) for is_on in (False, True))
        alone = [(left, off, low, first), (right, off, low, second)]
        beside = [(left, on, second, high), (right, on, first, high)]
        together = weight * (high - first - second + low)
        if context == "both":  # half of what the halves do together goes to each, so nothing stays
            children, weight, own = alone + beside, weight / 2, jnp.zeros_like(together)
        else:
            children, own = (alone, together) if context == "off" else (beside, -together)
        fresh = 1 + (len(children) - 1) * (done + jnp.arange(len(rows), dtype=jnp.int32))
        places = [rows, *(fresh + number for number in range(len(children) - 1))]
        # What is not split writes behind the last row, that is nowhere.
        place = jnp.concatenate([jnp.where(is_split, each, len(self.node)) for each in places])
        made = [jnp.concatenate(leaves) for leaves in zip(*((*child, weight) for child in children), strict=True)]
        entries = Entries(*(old.at[place].set(new, mode="drop") for old, new in zip(self, made, strict=True)))
        return entries, jnp.where(is_split, own, 0)


def within(tree: Hierarchy, node: Int[Array, ""]) -> Bool[Array, " leaves"]:
    """Return which places a node holds."""
    place = jnp.arange(len(tree.parts))
    return (place >= jnp.asarray(tree.first)[node]) & (place < jnp.asarray(tree.end)[node])


def around(tree: Hierarchy, node: Int[Array, ""], present: Bool[Array, " levels"]) -> Bool[Array, " leaves"]:
    """Return which places are present around a node, whose siblings from its own up to the root's are or are not."""
    # So no mask over all parts is kept for an entry: of 224 x 224 pixels, 16 bits in place of 50,176.
    kept = jnp.zeros(len(tree.parts), bool)
    for level in range(tree.levels):
        kept = kept | (present[level] & within(tree, jnp.asarray(tree.sibling)[node]))
        node = jnp.asarray(tree.parent)[node]
    return kept


def spread(tree: Hierarchy, credit: Float[Array, " nodes"], sizes: Int[Array, " count"]) -> Float[Array, " count"]:
    """Return the credit of every node handed down to its parts in proportion to their sizes, from the root on."""
    below = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(sizes[jnp.asarray(tree.parts)])])
    held = (below[jnp.asarray(tree.end)] - below[jnp.asarray(tree.first)]).astype(credit.dtype)
    total = credit
    for depth in range(1, tree.levels + 1):
        own = np.flatnonzero(tree.depth == depth)
        above = tree.parent[own]
        # A group of parts without pixels has no share to go by: its halves take half each.
        share = jnp.where(held[above] > 0, held[own] / jnp.maximum(held[above], 1), 0.5)
        total = total.at[own].add(total[above] * share)
    leaves = np.flatnonzero(tree.is_leaf)
    at = np.empty(len(tree.parts), np.int32)
    at[tree.parts[tree.first[leaves]]] = leaves
    return total[jnp.asarray(at)]
