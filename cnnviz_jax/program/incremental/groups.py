"""Windows that need equally much, told apart: every group of a sweep is planned by its own worst place.

One plan gives every place the region of the worst one. At the border a region is cut off, and strides of the network
fall on windows in different ways, so that most places need less: of VGG19's sweep with 32 x 32 windows the true
regions are 1.32 times fewer operations.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.incremental.plan import NEARLY_ALL, WindowPlan, WindowStep
from cnnviz_jax.program.incremental.spans import changed, map_axes


@dataclass(frozen=True, eq=False)
class PlaceGroup:
    """Places of a sweep that one program serves: each of some rows with each of some columns."""

    rows: Int[np.ndarray, " rows"]
    """Which of the plan's rows."""
    cols: Int[np.ndarray, " cols"]
    """Which of its columns."""

    @property
    def count(self) -> int:
        """How many places."""
        return len(self.rows) * len(self.cols)


@dataclass(frozen=True, eq=False)
class TrueRegions:
    """How large the changed region of every value is at each place, and what a unit of the value costs."""

    unit_flops: Float[np.ndarray, " values"]
    """Operations of one place of the map."""
    areas: Float[np.ndarray, " values"]
    """Places of the map."""
    heights: Float[np.ndarray, "rows values"]
    """Length of the region, for each of the sweep's rows."""
    widths: Float[np.ndarray, "cols values"]
    """The same for its columns."""
    fixed_flops: float
    """Operations of values that are computed whole at every place: they have no map, or nobody knows its part."""

    @classmethod
    def of(cls, plan: WindowPlan) -> "TrueRegions":
        """Return those of a plan."""
        never: set[int] = set()
        costs, areas, heights, widths, fixed = [], [], [], [], 0.0
        for step in plan.steps:
            sizes = None if any(number in never for number in step.node.inputs) else _sizes(plan, step)
            if sizes is None:
                never.update(step.node.outputs)
                fixed += step.dense_flops
            elif step.dense_flops:
                area = float(sizes[2])
                costs.append(step.dense_flops / area)
                areas.append(area)
                heights.append(sizes[0])
                widths.append(sizes[1])
        rows, cols = (len(places) for places in plan.places)
        return cls(
            np.asarray(costs), np.asarray(areas),
            np.asarray(heights, float).reshape(-1, rows).T, np.asarray(widths, float).reshape(-1, cols).T, fixed,
        )  # fmt: skip

    @property
    def count(self) -> int:
        """Places of the sweep."""
        return len(self.heights) * len(self.widths)

    @property
    def flops(self) -> float:
        """Operations of the whole sweep, were no place to pay for another's region."""
        # A place costs the sum over values of height * width * unit, and the sweep has every row with every column.
        return float((self.heights.sum(0) * self.widths.sum(0)) @ self.unit_flops) + self.count * self.fixed_flops

    def each(
        self, height: Float[np.ndarray, "... values"], width: Float[np.ndarray, "... values"]
    ) -> Float[np.ndarray, "..."]:
        """Return the operations of one place whose regions are so large, what is fixed left out."""
        area = height * width
        return np.asarray(np.where(area >= NEARLY_ALL * self.areas, self.areas, area) @ self.unit_flops)

    def split(self, group: PlaceGroup) -> "_Split":
        """Return the cut of a group in two, by rows or by columns, that saves most."""
        height, width = self.heights[group.rows].max(0), self.widths[group.cols].max(0)
        before = float(self.each(height, width)) * group.count
        best = _Split(0.0, before, ())
        for by_rows in (True, False):
            sizes, numbers = (self.heights, group.rows) if by_rows else (self.widths, group.cols)
            other, others = (width, group.cols) if by_rows else (height, group.rows)
            if len(numbers) < 2:
                continue
            # Sorted by what they cost, so that both borders come together. The first k then pay for the largest of
            # them, value by value, and the others for the largest of all.
            order = numbers[np.argsort(sizes[numbers] @ (self.unit_flops * other), kind="stable")]
            small = np.maximum.accumulate(sizes[order])[:-1]
            large = np.maximum.accumulate(sizes[order][::-1])[::-1][1:]
            first = np.arange(1, len(order))
            costs = first * self.each(small, other) + (len(order) - first) * self.each(large, other)
            k = int(costs.argmin())
            saved = before - float(costs[k]) * len(others)
            if saved > best.saved:
                parts = np.sort(order[: k + 1]), np.sort(order[k + 1 :])
                best = _Split(
                    saved, before, tuple(PlaceGroup(*((p, others) if by_rows else (others, p))) for p in parts)
                )
        return best


@dataclass(frozen=True)
class _Split:
    saved: float
    before: float
    parts: tuple[PlaceGroup, ...]


def place_groups(regions: TrueRegions, pays: Callable[[float, float], bool], most: int) -> tuple[PlaceGroup, ...]:
    """Return groups of a sweep's places, each to be planned by itself: all of it where no split pays.

    The group whose split saves most is split, again and again.

    Args:
        regions: The sweep.
        pays: `pays(saved, done)`: whether a further program is worth so many operations, where the sweep does so many.
        most: Groups at most.
    """
    rows, cols = (np.arange(len(sizes)) for sizes in (regions.heights, regions.widths))
    whole = PlaceGroup(rows, cols)
    if not len(regions.unit_flops):
        return (whole,)
    first = regions.split(whole)
    done = first.before + regions.count * regions.fixed_flops
    heap, number = [(-first.saved, 0, whole, first)], 1
    while len(heap) < most and heap[0][3].parts and pays(heap[0][3].saved, done):
        _, _, _, split = heapq.heappop(heap)
        done -= split.saved
        for part in split.parts:
            found = regions.split(part)
            heapq.heappush(heap, (-found.saved, number, part, found))
            number += 1
    return tuple(group for _, _, group, _ in sorted(heap, key=lambda entry: entry[1]))


def _sizes(plan: WindowPlan, step: WindowStep) -> tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " cols"], int] | None:
    """Lengths of the changed region along rows and columns at each place, and the area of the map; `None` without."""
    node: Node = step.node
    number = node.outputs[0]
    abstract, shape = plan.analysis.values[number], plan.graph.values[number].shape
    axes = map_axes(abstract, shape)
    if axes is None or step.has_no_rule:
        return None
    reach = abstract.seen()
    if any(len(part.first) not in (1, shape[axis]) for part, axis in zip(reach, axes, strict=True)):
        return None
    ends = [changed(reach[k], shape[axes[k]], plan.places[k]) for k in (0, 1)]
    heights, widths = (stop - start for start, stop in ends)
    return heights, widths, shape[axes[0]] * shape[axes[1]]
