"""Partition SHAP: Owen values over a hierarchy of boxes, the groups that matter most split first (Owen 1977)."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Heatmap, Model, UsageError
from cnnviz_plugins.explain.perturbation.game_options import PartitionShapConfig
from cnnviz_plugins.explain.perturbation.group_entries import CHILDREN, Entries, around, spread, within
from cnnviz_plugins.explain.perturbation.hierarchy import Hierarchy, box_tree, own_tree
from cnnviz_plugins.explain.perturbation.parts import Parts, PartsFold
from cnnviz_plugins.explain.perturbation.segments import Segments

_MOST = 2**20
"""Evaluations of a whole tree."""


@dataclass(frozen=True, kw_only=True)
class PartitionShap(PartsFold):
    """The Owen value of every part: its mean contribution over all orders that keep every group of a tree together.

    A group is an entry: what is present around it, and the score without and with it. Splitting it asks for the score
    with each half alone. A half's contribution is judged with the other half absent and with it present, each with half
    of the group's weight, and so becomes two entries. Entries with the largest weight * |difference| are split first.
    What an entry is worth when evaluations are spent is spread evenly over its pixels.

    The values sum to the score less that of the image with all parts occluded (`extras["base"]`) at every budget.
    `extras["depth"]` is how many times the smallest group was halved, of the tree's levels in the notes.

    Raises (when built):
        UsageError: Parts are made for each image, the tree does not fit them, or all of it takes over a million
            evaluations.

    Cost: `evaluations` forward passes per image and two; all of a balanced tree over d parts takes some 2 d^2 / 3, or
    2 d with one context.
    Source: Owen 1977; shap/explainers/_partition.py.
    """

    config: PartitionShapConfig
    splits: tuple[int, ...] = (1,)
    """How many entries are split in each round."""

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, its tree laid out and its rounds planned."""
        fold = super().build(config, model)
        if fold.segments.numbering(model.input_shape) is None:
            raise UsageError(
                f"partition-shap needs parts known beforehand, and segments={config.segments!r} makes others for each "
                "image; pixels, grid(8) or a mask of part numbers will do"
            )
        tree = tree_of(fold.segments, model.input_shape, config.tree)
        contexts = 2 if config.context == "both" else 1
        levels = tuple(contexts**depth * tree.splits_at(depth) for depth in range(tree.levels))
        whole, budget = 2 * sum(levels), config.evaluations
        if budget is None and whole > _MOST:
            raise UsageError(
                f"the whole tree over {fold.segments.count} parts takes {whole:,} evaluations; give "
                "evaluations=500, or fewer parts"
            )
        if budget is None or budget >= whole:
            splits = levels or (1,)  # a tree of one part has nothing to split, and its round finds that out
        else:
            splits = _rounds(budget // 2, CHILDREN[config.context], config.at_once)
        notes = (("levels", tree.levels), ("evaluations", 2 * sum(splits)), ("context", config.context))
        return replace(fold, splits=splits, notes=(*fold.notes, *notes))

    @property
    def rounds(self) -> tuple[int, ...]:
        """Two evaluations for each entry that is split."""
        return tuple(2 * int(done) for done in np.cumsum(self.splits))

    @property
    def evaluations(self) -> int:
        """Those of all rounds."""
        return 2 * sum(self.splits)

    def prepare(self, case: Case) -> "_Context":
        """Return the parts and the one entry that there is, the whole image."""
        parts = self.parts(case)
        tree = tree_of(self.segments, case.image.shape, self.config.tree)
        base = case.model.score(parts.keeping(case.image, jnp.zeros_like(parts.there)), case.target)[0]
        whole = case.model.score(case.image, case.target)[0]
        entries = Entries.of_all(tree, sum(self.splits), self.config.context, base, whole)
        credit = jnp.zeros(len(tree.depth), base.dtype)
        chosen = jnp.arange(max(self.splits), dtype=jnp.int32)
        return _Context(parts, entries, credit, chosen, jnp.int32(0), jnp.stack([base, whole]))

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score with one half of an entry's group and what is around it; an even index is the first half."""
        context: _Context = case.context
        tree = tree_of(self.segments, case.image.shape, self.config.tree)
        begin = 2 * jnp.asarray((0, *np.cumsum(self.splits)), jnp.int32)[context.round]
        row = context.chosen[jnp.clip((case.index - begin) // 2, 0, max(self.splits) - 1)]
        node = context.entries.node[row]
        half = jnp.where(case.index % 2 == 0, jnp.asarray(tree.left)[node], jnp.asarray(tree.right)[node])
        kept = around(tree, node, context.entries.around[row]) | within(tree, half)
        shown = context.parts.keeping(case.image, kept[jnp.asarray(tree.places)])
        return case.model.score(shown, case.target)[0]

    def refine(self, case: Case, gathered: Float[Array, " n"]) -> "_Context":
        """Return what is known after a round, the entries that matter most chosen for the next."""
        tree = tree_of(self.segments, case.image.shape, self.config.tree)
        context = self._absorbed(tree, case.context, gathered)
        _, chosen = jax.lax.top_k(context.entries.urgency(tree), max(self.splits))
        return context._replace(chosen=chosen.astype(jnp.int32))

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the values as a map: what is left on a group is spread over its pixels."""
        tree = tree_of(self.segments, case.image.shape, self.config.tree)
        context = self._absorbed(tree, case.context, gathered)
        entries, (base, whole) = context.entries, context.ends
        left = (entries.present - entries.without) * entries.weight
        credit = context.credit.at[entries.node].add(left)
        values = spread(tree, credit, context.parts.sizes())
        depth = jnp.where(entries.weight > 0, jnp.asarray(tree.depth)[entries.node], 0).max()
        gap = values.sum() - (whole - base)
        return self.shown(context.parts, values, base=base, completeness_gap=gap, depth=depth)

    def _absorbed(self, tree: Hierarchy, context: "_Context", gathered: Float[Array, " n"]) -> "_Context":
        """What is known after the round that `gathered` ends with."""
        begins = np.concatenate([[0], np.cumsum(self.splits)])
        size, begin = (jnp.asarray(of, jnp.int32)[context.round] for of in (self.splits, begins))
        slots = jnp.arange(max(self.splits), dtype=jnp.int32)
        at = jnp.minimum(2 * (begin + slots), len(gathered) - 2)
        entries, own = context.entries.halved(
            tree, self.config.context, context.chosen, slots < size, gathered[at], gathered[at + 1], begin
        )
        credit = context.credit.at[context.entries.node[context.chosen]].add(own)
        return context._replace(entries=entries, credit=credit, round=context.round + 1)


class _Context(NamedTuple):
    """What is known of one image between two rounds."""

    parts: Parts
    entries: Entries
    credit: Float[Array, " nodes"]
    """What stays with a group that was split."""
    chosen: Int[Array, " at_once"]
    """The rows of the entries that are split in this round."""
    round: Int[Array, ""]
    ends: Float[Array, " two"]
    """The score of nothing and of the image."""


def tree_of(segments: Segments, shape: tuple[int, ...], text: str | None) -> Hierarchy:
    """Return the tree over the parts of images of a shape; `text` spells the user's own.

    Raises:
        UsageError: It is no tree over these parts.
    """
    return _tree(segments, tuple(shape), text)


@lru_cache(maxsize=8)
def _tree(segments: Segments, shape: tuple[int, ...], text: str | None) -> Hierarchy:
    numbering = segments.numbering(shape)
    if text is not None:
        return own_tree(text, segments.count)
    if numbering is None:
        raise UsageError("a tree needs parts known beforehand")
    return box_tree(numbering.reshape(*segments.extents, *shape[2 : numbering.ndim]), len(segments.extents))


def _rounds(splits: int, children: int, at_once: int) -> tuple[int, ...]:
    """How many entries are split in each round: 1, as many as that gives, and so on up to `at_once`."""
    rounds, size = [], 1
    while splits > 0:
        rounds.append(min(size, at_once, splits))
        splits -= rounds[-1]
        size *= children
    return tuple(rounds)
