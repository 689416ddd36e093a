"""Receptive fields: which pixels a unit of a layer sees, by an affine index map and as exact boxes.

Rows come first, columns second. Boxes are inclusive: `(top, left, bottom, right)` with `bottom` and `right` the last
row and column seen, as in Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019: output `o` sees `o * stride - padding` to `o * stride - padding + size - 1`.
`interpreter.py` walks the graph to find what is stated here, `reach.py` holds it for each axis.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np
from jaxtyping import Int

from cnnviz_jax.errors import LayerKindError
from cnnviz_jax.program.analysis.reach import IndexMap, Reach

Number = int | float
"""Pixels: whole where they are whole, else a fraction such as 0.5 behind upsampling."""
Pair = tuple[Number, Number]


@dataclass(frozen=True, slots=True)
class Field:
    """What each unit of a layer sees of the image."""

    rows: Reach
    columns: Reach
    """Exact tables and affine index map per axis."""
    is_map: bool
    """Whether the layer has units along both axes; if not, one field serves all its units."""
    widened_by: str = ""
    """Where in the model units begin to see more than convolutions and pools show them, such as a GroupNorm's name."""

    @property
    def is_global(self) -> bool:
        """Whether every unit sees the whole image, and by no index map that a larger image would outgrow."""
        return all(reach.is_whole and reach.index_map is None for reach in (self.rows, self.columns))

    @property
    def aligned(self) -> bool:
        """Whether all paths from the image agree in stride and centre; if not, only boxes are exact."""
        return self.rows.aligned and self.columns.aligned

    @property
    def size(self) -> Pair:
        """Pixels that a unit sees, were the image unbounded: height and width.

        Where no index map holds (global layers, paths of several strides) it is the largest exact box.
        """
        rows, columns = (
            Fraction(max(0, int((reach.last - reach.first + 1).max())))
            if reach.index_map is None
            else reach.index_map.high - reach.index_map.low + 1
            for reach in (self.rows, self.columns)
        )
        return _number(rows), _number(columns)

    @property
    def stride(self) -> Pair | None:
        """Pixels from one unit's field to its neighbour's; `None` where no index map holds."""
        return self._from_maps(lambda index_map: index_map.jump)

    @property
    def nominal_size(self) -> Pair | None:
        """Pixels that a unit sees along convolutions and pools, whatever else reaches it; `None` for a global layer.

        It is `size` where an index map holds. Behind a GroupNorm or a squeeze-and-excitation gate, by which each unit
        depends on the whole image, it is the size of what it depends on directly.
        """
        return self._from_maps(lambda index_map: index_map.high - index_map.low + 1, is_nominal=True)

    @property
    def nominal_stride(self) -> Pair | None:
        """Pixels from one unit's nominal field to its neighbour's; `None` for a global layer."""
        return self._from_maps(lambda index_map: index_map.jump, is_nominal=True)

    @property
    def is_widened(self) -> bool:
        """Whether units see more than convolutions and pools show them."""
        return self.nominal_size is not None and any(reach.index_map is None for reach in (self.rows, self.columns))

    @property
    def padding(self) -> Pair | None:
        """Pixels by which the field of unit (0, 0) begins above and left of the image; `None` without an index map."""
        return self._from_maps(lambda index_map: -index_map.low)

    @property
    def start(self) -> Pair | None:
        """Row and column where the field of unit (0, 0) begins, `-padding`."""
        return self._from_maps(lambda index_map: index_map.low)

    @property
    def shape(self) -> tuple[int, int]:
        """Units along rows and columns; 1 where the layer does not extend."""
        return len(self.rows.first), len(self.columns.first)

    def centre(self, row: int = 0, column: int = 0) -> Pair:
        """Pixel coordinates of the middle of a unit's nominal field; of its exact box where no index map holds."""
        # The middle of [jump i + low, jump i + high]: behind a 3 x 3 pool of stride 2 without padding, (2, 0, 2), unit
        # 3 has 2 * 3 + 1 = 7. At a border the exact box is cut off and its middle is another: hence the nominal one
        # first.
        found = []
        for reach, unit in ((self.rows, row), (self.columns, column)):
            if reach.index_map is not None:
                jump, low, high = reach.index_map
                found.append(jump * unit + (low + high) / 2)
            else:
                place = self._place(reach, unit)
                found.append(Fraction(int(reach.first[place]) + int(reach.last[place]), 2))
        return _number(found[0]), _number(found[1])

    def box(self, row: int = 0, column: int = 0, clip: bool = True) -> tuple[int, int, int, int]:
        """Inclusive box `(top, left, bottom, right)` of the pixels that a unit sees.

        A unit that sees only padding, as at the border of a layer that pads, has an empty box: `top > bottom` or
        `left > right`.

        Args:
            row: Row of the unit.
            column: Column of the unit.
            clip: The exact box inside the image. If not, the nominal one, which may reach outside and needs a map.

        Raises:
            LayerKindError: The unit does not exist, or `clip=False` where no index map holds.
        """
        ends = [self._ends(reach, unit, clip) for reach, unit in ((self.rows, row), (self.columns, column))]
        (top, bottom), (left, right) = ends
        return top, left, bottom, right

    def hits(self, row: int, column: int) -> tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " columns"]]:
        """Rows and columns of the units that see a pixel: the unit (r, c) does for each r and c of the two."""
        found = []
        for reach, pixel in ((self.rows, row), (self.columns, column)):
            found.append(np.flatnonzero((reach.first <= pixel) & (reach.last >= pixel)))
        return found[0], found[1]

    def __str__(self) -> str:
        if self.is_global:
            nominal, stride = self.nominal_size, self.nominal_stride
            if nominal is None or stride is None:
                return "whole image"
            by = f" (widened by {self.widened_by})" if self.widened_by else ""
            return f"whole image{by}; nominally {_times(nominal)} px, stride {_times(stride)}"
        stride = self.stride
        text = f"{_times(self.size)} px"
        text += f", stride {_times(stride)}" if stride is not None else ", no one stride"
        return text if self.aligned else text + ", misaligned"

    def _ends(self, reach: Reach, unit: int, clip: bool) -> tuple[int, int]:
        if clip:
            place = self._place(reach, unit)
            return int(reach.first[place]), int(reach.last[place])
        if reach.index_map is None:
            raise LayerKindError(
                "this layer's receptive field follows no one affine index map; ask for the clipped box"
            )
        jump, low, high = reach.index_map
        return floor(jump * unit + low), ceil(jump * unit + high)

    @staticmethod
    def _place(reach: Reach, unit: int) -> int:
        count = len(reach.first)
        if count == 1:
            return 0
        if not -count <= unit < count:
            raise LayerKindError(f"unit {unit} of {count} does not exist; units run from 0 to {count - 1}")
        return unit

    def _from_maps(self, of: Callable[[IndexMap], Fraction], *, is_nominal: bool = False) -> Pair | None:
        rows, columns = (reach.nominal if is_nominal else reach.index_map for reach in (self.rows, self.columns))
        return None if rows is None or columns is None else (_number(of(rows)), _number(of(columns)))


def _number(value: Fraction) -> Number:
    return int(value) if value.denominator == 1 else float(value)


def _times(pair: Pair) -> str:
    return f"{pair[0]}" if pair[0] == pair[1] else f"{pair[0]} x {pair[1]}"
