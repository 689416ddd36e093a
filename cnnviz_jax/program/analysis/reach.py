"""What each unit along one spatial axis sees of the image: exact intervals, and the affine index map they follow.

A `Reach` holds two tables, the first and the last image row (or column) that each unit depends on, clipped to the
image and exact for any graph; a unit that sees nothing but padding has `first > last`. Beside them stands the nominal
`IndexMap`, that of an unbounded image; it is `None` where no such map holds, as behind a global average.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from cnnviz_jax.errors import ModelError

Table = Int[np.ndarray, " units"]


class IndexMap(NamedTuple):
    """Unit `i` sees pixels `jump * i + low` to `jump * i + high`, fractions behind upsampling."""

    jump: Fraction
    low: Fraction
    high: Fraction

    def behind(self, step: Fraction, start: Fraction, stop: Fraction) -> "IndexMap":
        """The map of units that see these units `step * i + start` to `step * i + stop`."""
        # Unit i sees units u from step i + start to step i + stop, and unit u pixels from jump u + low to jump u +
        # high: together from jump (step i + start) + low to jump (step i + stop) + high. Affine maps compose to affine
        # maps, so a chain of windows is three numbers: a 7 x 7 convolution of stride 2 and padding 3 is (2, -3, 3), a 3
        # x 3 pool of stride 2 and padding 1 behind it (2, -1, 1) in units, (4, -3 - 2, 3 + 2) = (4, -5, 5) in pixels. A
        # reversed axis has a negative jump, hence the minimum and the maximum.
        ends = (self.jump * start, self.jump * stop)
        return IndexMap(self.jump * step, self.low + min(ends), self.high + max(ends))


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Dependence of a value's units on the image along one spatial axis."""

    extent: int
    """Length of the image along the axis."""
    first: Table
    last: Table
    """One entry per unit, or a single entry where the value does not extend along the axis."""
    index_map: IndexMap | None
    aligned: bool = True
    """Whether all paths from the image agree in stride and centre."""
    local_map: IndexMap | None = None
    """The index map of the paths that have one, where others lead round them from the whole image; else `None`."""

    @property
    def nominal(self) -> IndexMap | None:
        """The index map along convolutions and pools: `index_map`, or that beside which something sees more."""
        return self.local_map if self.index_map is None else self.index_map

    @staticmethod
    def of_image(extent: int) -> "Reach":
        """Each unit is one row or column of the image."""
        units = np.arange(extent)
        return Reach(extent, units, units, IndexMap(Fraction(1), Fraction(0), Fraction(0)))

    @staticmethod
    def everything(extent: int, aligned: bool = True) -> "Reach":
        """One unit, or each of any number, sees the whole image."""
        return Reach(extent, np.zeros(1, int), np.full(1, extent - 1), None, aligned)

    def __eq__(self, other: object) -> bool:
        """Whether extent, tables, affine index map and alignment are the same."""
        if not isinstance(other, Reach):
            return NotImplemented
        own, others = ((each.extent, each.index_map, each.aligned, each.local_map) for each in (self, other))
        same = own == others
        return same and np.array_equal(self.first, other.first) and np.array_equal(self.last, other.last)

    def __hash__(self) -> int:
        """A number that equal ones share."""
        return hash((self.extent, self.index_map, self.aligned, len(self.first)))

    @property
    def is_whole(self) -> bool:
        """Whether every unit sees the whole extent."""
        return bool((self.first == 0).all() and (self.last == self.extent - 1).all())

    def hull(self) -> "Reach":
        """One unit that sees all that any unit sees."""
        if len(self.first) == 1 and self.nominal is None:
            return self
        if not len(self.first):
            raise ModelError(f"a map inside the model has no unit left: a side of {self.extent} pixels is too small")
        first, last = self.first.min(keepdims=True), self.last.max(keepdims=True)
        return Reach(self.extent, first, last, None, self.aligned)

    def spread(self, units: int) -> "Reach":
        """The same single interval for each of `units` units."""
        if len(self.first) == units:
            return self
        return Reach(self.extent, np.repeat(self.first, units), np.repeat(self.last, units), None, self.aligned)

    def windows(self, units: int, size: int, stride: int, pad: int, dilation: int = 1, base: int = 1) -> "Reach":
        """Units that see windows of these units, as convolution and pooling have them.

        Args:
            units: How many windows.
            size: Taps of a window.
            stride: Step between windows.
            pad: Padding before the first unit; negative crops.
            dilation: Step between the taps of a window.
            base: Dilation of the units themselves, as a transposed convolution has it.
        """
        # Tap t of window i stands at stride i - pad + dilation t among the units, which `base` - 1 zeros hold apart: it
        # meets unit tap / base if that is whole and inside, else padding. With stride 2, pad 1, size 3 over 4 units the
        # taps of window 0 are -1, 0, 1 and it sees units 0 to 1; those of window 1 are 1, 2, 3. The tables take the
        # least `first` and the greatest `last` over the taps inside; a window of padding alone keeps `first > last`.
        taps = stride * np.arange(units)[None, :] - pad + dilation * np.arange(size)[:, None]
        inside = (taps >= 0) & (taps <= (len(self.first) - 1) * base) & (taps % base == 0)
        picked = np.clip(taps // base, 0, len(self.first) - 1)
        first = np.where(inside, self.first[picked], self.extent).min(0)
        last = np.where(inside, self.last[picked], -1).max(0)
        start = Fraction(-pad, base)
        stop = start + Fraction(dilation * (size - 1), base)
        return self._mapped(first, last, (Fraction(stride, base), start, stop))

    def _mapped(self, first: Table, last: Table, steps: tuple[Fraction, Fraction, Fraction] | None) -> "Reach":
        """Units of such tables with these units' index maps behind `steps`; without steps they have none."""
        own = (self.index_map, self.local_map)
        exact, local = (None if steps is None or found is None else found.behind(*steps) for found in own)
        return Reach(self.extent, first, last, exact, self.aligned, local)

    def select(self, picked: Sequence[int] | Table) -> "Reach":
        """Unit `i` is unit `picked[i]` of these; a negative number stands for a unit that sees nothing."""
        index = np.asarray(picked, int)
        inside = index >= 0
        safe = np.clip(index, 0, len(self.first) - 1)
        first, last = np.where(inside, self.first[safe], self.extent), np.where(inside, self.last[safe], -1)
        # Evenly picked units 1, 3, 5 are 2 i + 1. Nearest resizing of 4 units to 6 picks 0, 1, 1, 2, 3, 3, no even
        # steps: the nominal step is 4 / 6, and the map is as wide as the picks stray from it, here by -1/3 to 1/3.
        steps_of = None
        if inside.any() and len(index) > 1:
            places, steps = np.flatnonzero(inside), np.diff(index[inside])
            even = len(steps) > 0 and bool((steps == steps[0]).all())
            step = Fraction(int(steps[0])) if even else Fraction(len(self.first), len(index))
            offsets = [int(index[place]) - step * int(place) for place in places]
            steps_of = (step, min(offsets), max(offsets))
        elif len(index) == 1 and len(self.first) == 1:
            steps_of = (Fraction(1), Fraction(0), Fraction(0))
        return self._mapped(first, last, steps_of)

    def blocks(self, size: int) -> "Reach":
        """Unit `i` sees what `size` neighbouring units see, from unit `size * i` on."""
        return self.windows(len(self.first) // size, size, size, 0)

    def repeat(self, times: int) -> "Reach":
        """Each unit `times` times, side by side."""
        if times == 1:
            return self
        # Unit i is unit floor(i / times), which lies between (i - (times - 1)) / times and i / times.
        step = Fraction(1, times)
        steps = (step, step - 1, Fraction(0))
        return self._mapped(np.repeat(self.first, times), np.repeat(self.last, times), steps)

    def tile(self, times: int) -> "Reach":
        """All units, `times` times over."""
        if times == 1:
            return self
        return Reach(self.extent, np.tile(self.first, times), np.tile(self.last, times), None, False)

    def matrix(self, uses: np.ndarray) -> "Reach":
        """Unit `i` sees the units `j` where `uses[i, j]`: a resize written as a matrix product."""
        first = np.where(uses, self.first[None, :], self.extent).min(1)
        last = np.where(uses, self.last[None, :], -1).max(1)
        steps = None
        if uses.any(1).all() and len(uses) > 1:
            step = Fraction(uses.shape[1], uses.shape[0])
            starts = [int(row.argmax()) - step * i for i, row in enumerate(uses)]
            stops = [uses.shape[1] - 1 - int(row[::-1].argmax()) - step * i for i, row in enumerate(uses)]
            steps = (step, min(starts), max(stops))
        return self._mapped(first, last, steps)


def union(parts: Sequence[Reach]) -> Reach:
    """What units see by several paths at once; lengths are equal or 1."""
    # Intervals unite to their hull, so a residual sum sees min and max of both tables. Two affine maps unite to one
    # only if they jump alike; they are aligned if their middles fall together too: (2, -3, 3) and (2, -1, 1) are, with
    # middle 2 i; (2, -3, 3) and a shortcut (2, 0, 0) also; padded on one side only, (2, 0, 2), they are not.
    total = parts[0]
    for part in parts[1:]:
        if part is total:
            continue
        units = max(len(total.first), len(part.first))
        first, last = np.minimum(total.first, part.first), np.maximum(total.last, part.last)
        index_map, aligned = None, total.aligned and part.aligned
        if total.index_map is not None and part.index_map is not None:
            (jump, low, high), (other, start, stop) = total.index_map, part.index_map
            aligned = aligned and jump == other and low + high == start + stop
            index_map = IndexMap(jump, min(low, start), max(high, stop)) if jump == other else None
        local = None if index_map is not None else _local_union(total, part)
        first, last = np.broadcast_to(first, units), np.broadcast_to(last, units)
        total = Reach(total.extent, first, last, index_map, aligned, local)
    return total


def _local_union(one: Reach, other: Reach) -> IndexMap | None:
    """The index map of two paths, of which one may see the whole image: then it is the other's."""
    # A squeeze-and-excitation gate is (whole image) and multiplies a map of (jump 2, -3, 3): nominally the product sees
    # (2, -3, 3). Two maps of unlike jumps have no common one, whole or not.
    if one.nominal is None or other.nominal is None:
        return one.nominal or other.nominal if one.is_whole or other.is_whole else None
    (jump, low, high), (step, start, stop) = one.nominal, other.nominal
    return IndexMap(jump, min(low, start), max(high, stop)) if jump == step else None


def joined(parts: Sequence[tuple[Reach | None, int]], extent: int) -> Reach:
    """Units of several values laid end to end; `None` for a part that sees nothing, each with its length."""
    first, last, index_maps, local_maps, start, aligned = [], [], [], [], 0, True

    def part_map(found: IndexMap | None, start: int) -> IndexMap | None:
        return None if found is None else found.behind(Fraction(1), Fraction(-start), Fraction(-start))

    for part, units in parts:
        if part is None:
            first.append(np.full(units, extent))
            last.append(np.full(units, -1))
        else:
            spread = part.spread(units)
            first.append(spread.first)
            last.append(spread.last)
            index_maps.append(part_map(spread.index_map, start))
            local_maps.append(part_map(spread.nominal, start))
            aligned = aligned and part.aligned
        start += units
    # Part p's unit i is unit i + start of the whole, so in the whole's count its map is shifted by -start. Two halves
    # of one map, cut and joined again, agree; a map joined with a class token does not.
    agree = all(index_map == index_maps[0] for index_map in index_maps)
    index_map = index_maps[0] if agree else None
    local = local_maps[0] if index_map is None and all(each == local_maps[0] for each in local_maps) else None
    return Reach(extent, np.concatenate(first), np.concatenate(last), index_map, aligned and agree, local)
