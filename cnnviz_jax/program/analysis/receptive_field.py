"""Receptive fields: which pixels a unit of a layer sees, by an affine index map and as exact boxes.

Axes come in the input's order: rows and columns of an image; depth, rows and columns of a volume. Boxes are inclusive,
the first of each axis before the last of each, `(top, left, bottom, right)` of an image with `bottom` and `right` the
last row and column seen, as in Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019: output `o` sees `o * stride - padding` to `o * stride - padding + size - 1`.
`interpreter.py` walks the graph to find what is stated here, `reach.py` holds it for each axis.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np
from jaxtyping import Int

from cnnviz_jax.errors import LayerKindError
from cnnviz_jax.program.analysis.reach import IndexMap, Reach

Number = int | float
"""Pixels: whole where they are whole, else a fraction such as 0.5 behind upsampling."""
Sides = tuple[Number, ...]
"""One number per axis."""


@dataclass(frozen=True, slots=True)
class Field:
    """What each unit of a layer sees of the image."""

    reaches: tuple[Reach, ...]
    """Exact tables and affine index map of each axis."""
    is_map: bool
    """Whether the layer has units along all axes; if not, one field serves all its units."""
    widened_by: str = ""
    """Where in the model units begin to see more than convolutions and pools show them, such as a GroupNorm's name."""

    @property
    def rows(self) -> Reach:
        """That of rows; a volume's depth stands before them."""
        return self.reaches[-2]

    @property
    def columns(self) -> Reach:
        """That of columns."""
        return self.reaches[-1]

    @property
    def is_global(self) -> bool:
        """Whether every unit sees the whole image, and by no index map that a larger image would outgrow."""
        return all(reach.is_whole and reach.index_map is None for reach in self.reaches)

    @property
    def aligned(self) -> bool:
        """Whether all paths from the image agree in stride and centre; if not, only boxes are exact."""
        return all(reach.aligned for reach in self.reaches)

    @property
    def size(self) -> Sides:
        """Pixels that a unit sees along each axis, were the image unbounded: height and width.

        Where no index map holds (global layers, paths of several strides) it is the largest exact box.
        """
        sides = (
            Fraction(max(0, int((reach.last - reach.first + 1).max())))
            if reach.index_map is None
            else reach.index_map.high - reach.index_map.low + 1
            for reach in self.reaches
        )
        return tuple(map(_number, sides))

    @property
    def stride(self) -> Sides | None:
        """Pixels from one unit's field to its neighbour's; `None` where no index map holds."""
        return self._from_maps(lambda index_map: index_map.jump)

    @property
    def nominal_size(self) -> Sides | None:
        """Pixels that a unit sees along convolutions and pools, whatever else reaches it; `None` for a global layer.

        It is `size` where an index map holds. Behind a GroupNorm or a squeeze-and-excitation gate, by which each unit
        depends on the whole image, it is the size of what it depends on directly.
        """
        return self._from_maps(lambda index_map: index_map.high - index_map.low + 1, is_nominal=True)

    @property
    def nominal_stride(self) -> Sides | None:
        """Pixels from one unit's nominal field to its neighbour's; `None` for a global layer."""
        return self._from_maps(lambda index_map: index_map.jump, is_nominal=True)

    @property
    def is_widened(self) -> bool:
        """Whether units see more than convolutions and pools show them."""
        return self.nominal_size is not None and any(reach.index_map is None for reach in self.reaches)

    @property
    def padding(self) -> Sides | None:
        """Pixels by which the field of unit 0 begins before the image along each axis; `None` without an index map."""
        return self._from_maps(lambda index_map: -index_map.low)

    @property
    def start(self) -> Sides | None:
        """Where the field of unit 0 begins along each axis, `-padding`."""
        return self._from_maps(lambda index_map: index_map.low)

    @property
    def shape(self) -> tuple[int, ...]:
        """Units along each axis; 1 where the layer does not extend."""
        return tuple(len(reach.first) for reach in self.reaches)

    def centre(self, *unit: int) -> Sides:
        """Pixel coordinates of the middle of a unit's nominal field; of its exact box where no index map holds.

        Args:
            *unit: Its number along each axis, row and column of an image; 0 where it is left out.
        """
        # The middle of [jump i + low, jump i + high]: behind a 3 x 3 pool of stride 2 without padding, (2, 0, 2), unit
        # 3 has 2 * 3 + 1 = 7. At a border the exact box is cut off and its middle is another: hence the nominal one
        # first.
        found = []
        for reach, at in self._along(unit):
            if reach.index_map is not None:
                jump, low, high = reach.index_map
                found.append(jump * at + (low + high) / 2)
            else:
                place = self._place(reach, at)
                found.append(Fraction(int(reach.first[place]) + int(reach.last[place]), 2))
        return tuple(map(_number, found))

    def box(self, *unit: int, clip: bool = True) -> tuple[int, ...]:
        """Inclusive box of the pixels that a unit sees: `(top, left, bottom, right)`.

        Of a volume it is `(front, top, left, back, bottom, right)`.

        A unit that sees only padding, as at the border of a layer that pads, has an empty box: `top > bottom` or
        `left > right`.

        Args:
            *unit: Its number along each axis, row and column of an image; 0 where it is left out.
            clip: The exact box inside the image. If not, the nominal one, which may reach outside and needs a map.

        Raises:
            LayerKindError: The unit does not exist, or `clip=False` where no index map holds.
        """
        ends = [self._ends(reach, at, clip) for reach, at in self._along(unit)]
        return tuple(first for first, _ in ends) + tuple(last for _, last in ends)

    def hits(self, *pixel: int) -> tuple[Int[np.ndarray, " units"], ...]:
        """Units that see a pixel, along each axis: rows and columns of an image, and each row with each column does."""
        return tuple(np.flatnonzero((reach.first <= at) & (reach.last >= at)) for reach, at in self._along(pixel))

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

    def _along(self, unit: tuple[int, ...]) -> Iterable[tuple[Reach, int]]:
        if len(unit) > len(self.reaches):
            raise LayerKindError(f"a unit of this layer has {len(self.reaches)} numbers, one for each axis; got {unit}")
        return zip(self.reaches, unit + (0,) * (len(self.reaches) - len(unit)), strict=True)

    @staticmethod
    def _place(reach: Reach, unit: int) -> int:
        count = len(reach.first)
        if count == 1:
            return 0
        if not -count <= unit < count:
            raise LayerKindError(f"unit {unit} of {count} does not exist; units run from 0 to {count - 1}")
        return unit

    def _from_maps(self, of: Callable[[IndexMap], Fraction], *, is_nominal: bool = False) -> Sides | None:
        maps = [reach.nominal if is_nominal else reach.index_map for reach in self.reaches]
        known = [each for each in maps if each is not None]
        return tuple(_number(of(each)) for each in known) if len(known) == len(maps) else None


def _number(value: Fraction) -> Number:
    return int(value) if value.denominator == 1 else float(value)


def _times(sides: Sides) -> str:
    return f"{sides[0]}" if len(set(sides)) == 1 else " x ".join(map(str, sides))
