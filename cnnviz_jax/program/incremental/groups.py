"""Windows that need equally much, told apart: every group of a sweep is planned by its own worst place.

One plan gives every place the region of the worst one. At the border a region is cut off, and strides of the network
fall on windows in different ways, so that most places need less: of VGG19's sweep with 32 x 32 windows the true
regions are 1.32 times fewer operations.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.incremental.plan import NEARLY_ALL, WindowPlan, WindowStep
from cnnviz_jax.program.incremental.spans import changed, map_axes


@dataclass(frozen=True, eq=False)
class PlaceGroup:
    """Places of a sweep that one program serves: each of some rows with each of some columns."""

    along: tuple[Int[np.ndarray, " some"], ...]
    """Which of the plan's intervals, along each axis."""

    @property
    def count(self) -> int:
        """How many places."""
        return prod(map(len, self.along))


@dataclass(frozen=True, eq=False)
class TrueRegions:
    """How large the changed region of every value is at each place, and what a unit of the value costs."""

    unit_flops: Float[np.ndarray, " values"]
    """Operations of one place of the map."""
    areas: Float[np.ndarray, " values"]
    """Places of the map."""
    sides: tuple[Float[np.ndarray, "intervals values"], ...]
    """Length of the region along each axis, for each of the sweep's intervals there."""
    fixed_flops: float
    """Operations of values that are computed whole at every place: they have no map, or nobody knows its part."""

    @classmethod
    def of(cls, plan: WindowPlan) -> "TrueRegions":
        """Return those of a plan."""
        never: set[int] = set()
        costs, areas, fixed = [], [], 0.0
        sides: list[list[Int[np.ndarray, " intervals"]]] = [[] for _ in plan.places]
        for step in plan.steps:
            sizes = None if any(number in never for number in step.node.inputs) else _sizes(plan, step)
            if sizes is None:
                never.update(step.node.outputs)
                fixed += step.dense_flops
            elif step.dense_flops:
                lengths, area = sizes
                costs.append(step.dense_flops / area)
                areas.append(float(area))
                for found, length in zip(sides, lengths, strict=True):
                    found.append(length)
        tables = (
            np.asarray(found, float).reshape(-1, len(places)).T
            for found, places in zip(sides, plan.places, strict=True)
        )
        return cls(np.asarray(costs), np.asarray(areas), tuple(tables), fixed)

    @property
    def count(self) -> int:
        """Places of the sweep."""
        return prod(map(len, self.sides))

    @property
    def flops(self) -> float:
        """Operations of the whole sweep, were no place to pay for another's region."""
        # A place costs the sum over values of height * width * unit, and the sweep has every row with every column.
        total = np.prod([side.sum(0) for side in self.sides], axis=0)
        return float(total @ self.unit_flops) + self.count * self.fixed_flops

    def each(self, area: Float[np.ndarray, "... values"]) -> Float[np.ndarray, "..."]:
        """Return the operations of one place whose regions have so many places of the map, what is fixed left out."""
        return np.asarray(np.where(area >= NEARLY_ALL * self.areas, self.areas, area) @ self.unit_flops)

    def largest(self, group: PlaceGroup) -> tuple[Float[np.ndarray, " values"], ...]:
        """Return the sides of the region that serves all places of a group."""
        return tuple(side[numbers].max(0) for side, numbers in zip(self.sides, group.along, strict=True))

    def split(self, group: PlaceGroup) -> "_Split":
        """Return the cut of a group in two, by rows or by columns, that saves most."""
        largest = self.largest(group)
        before = float(self.each(np.prod(largest, axis=0))) * group.count
        best = _Split(0.0, before, ())
        for axis, (sizes, numbers) in enumerate(zip(self.sides, group.along, strict=True)):
            if len(numbers) < 2:
                continue
            other = np.prod([side for k, side in enumerate(largest) if k != axis], axis=0)
            # Sorted by what they cost, so that both borders come together. The first k then pay for the largest of
            # them, value by value, and the others for the largest of all.
            order = numbers[np.argsort(sizes[numbers] @ (self.unit_flops * other), kind="stable")]
            small = np.maximum.accumulate(sizes[order])[:-1]
            large = np.maximum.accumulate(sizes[order][::-1])[::-1][1:]
            first = np.arange(1, len(order))
            costs = first * self.each(small * other) + (len(order) - first) * self.each(large * other)
            k = int(costs.argmin())
            saved = before - float(costs[k]) * (group.count // len(numbers))
            if saved > best.saved:
                halves = np.sort(order[: k + 1]), np.sort(order[k + 1 :])
                parts = (PlaceGroup((*group.along[:axis], half, *group.along[axis + 1 :])) for half in halves)
                best = _Split(saved, before, tuple(parts))
        return best


@dataclass(frozen=True)
class _Split:
    saved: float
    before: float
    parts: tuple[PlaceGroup, ...]


def place_groups(regions: TrueRegions, is_worth: Callable[[float, float], bool], most: int) -> tuple[PlaceGroup, ...]:
    """Return groups of a sweep's places, each to be planned by itself: all of it where no split is worth it.

    The group whose split saves most is split, again and again.

    Args:
        regions: The sweep.
        is_worth: `is_worth(saved, done)`: whether another program is worth so many operations, of so many in all.
        most: Groups at most.
    """
    whole = PlaceGroup(tuple(np.arange(len(sizes)) for sizes in regions.sides))
    if not len(regions.unit_flops):
        return (whole,)
    first = regions.split(whole)
    done = first.before + regions.count * regions.fixed_flops
    heap, number = [(-first.saved, 0, whole, first)], 1
    while len(heap) < most and heap[0][3].parts and is_worth(heap[0][3].saved, done):
        _, _, _, split = heapq.heappop(heap)
        done -= split.saved
        for part in split.parts:
            found = regions.split(part)
            heapq.heappush(heap, (-found.saved, number, part, found))
            number += 1
    return tuple(group for _, _, group, _ in sorted(heap, key=lambda entry: entry[1]))


def _sizes(plan: WindowPlan, step: WindowStep) -> tuple[list[Int[np.ndarray, " intervals"]], int] | None:
    """Lengths of the changed region along each axis at each place, and the area of the map; `None` without."""
    node: Node = step.node
    number = node.outputs[0]
    abstract, shape = plan.analysis.values[number], plan.graph.values[number].shape
    axes = map_axes(abstract, shape)
    if axes is None or step.has_no_rule:
        return None
    reach = abstract.seen()
    if any(len(part.first) not in (1, shape[axis]) for part, axis in zip(reach, axes, strict=True)):
        return None
    ends = [changed(reach[k], shape[axis], plan.places[k]) for k, axis in enumerate(axes)]
    return [stop - start for start, stop in ends], prod(shape[axis] for axis in axes)
