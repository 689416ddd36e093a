"""What is known of each value without running anything: layout, dependence, and reach.

Axes have roles: `"B"` batch, `"C"` channel, `0`, `1`, ... the spatial axes in the input's order (rows and columns of an
image; depth, rows and columns of a volume), `None` anything else. A reshape may put several roles into one axis, so an
axis is a row of factors, major first, each a role with a length: flattening
`n h w c` gives the axis `((0, h), (1, w), ("C", c))`, and reshaping back restores what was there. The role `"c"` is
a part of a split channel axis; it becomes `"C"` again when all parts meet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal, TypeGuard

from cnnviz_jax.program.analysis.reach import Reach

Role = Literal["B", "C", "c"] | int | None
Axis = tuple[tuple[Role, int], ...]

Reaches = tuple[Reach, ...]
"""One per spatial axis of the input."""


@dataclass(frozen=True, slots=True)
class AbstractValue:
    """What is known of one value."""

    depends: bool = False
    """Whether it depends on the image."""
    params: frozenset[int] = frozenset()
    """For a value that does not: positions of the parameter leaves, then the closed-over constants, that feed it."""
    uniform: float | None = None
    """The number that all its elements are, where that is known."""
    axes: tuple[Axis, ...] = ()
    """For a value that depends on the image: the factors of each axis."""
    reach: Reaches | None = None
    """For a value that depends on the image: what its units see along each spatial axis."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """The role of each axis; an axis that holds the channels among others counts as channels."""
        return tuple(_role(axis) for axis in self.axes)

    def carrier(self, spatial: int) -> int | None:
        """The axis that holds a spatial axis, alone or among others."""
        holders = (k for k, axis in enumerate(self.axes) if any(role == spatial for role, _ in axis))
        return next(holders, None)

    def seen(self) -> Reaches:
        """`reach`, for a value that depends on the image."""
        if self.reach is None:
            raise TypeError("this value does not depend on the image")
        return self.reach

    def changed(self, axes: Sequence[Axis], change: Callable[[int, Reach], Reach]) -> "AbstractValue":
        """The same with other axes; `change(spatial, reach)` gives the reach."""
        reach = tuple(change(k, each) for k, each in enumerate(self.seen()))
        return replace(self, axes=tuple(axes), reach=reach, uniform=None)

    def along(self, position: int, size: int, change: Callable[[Reach], Reach]) -> "AbstractValue":
        """The same with `size` units along axis `position`; a spatial axis sees what `change` makes of its reach.

        An axis of several factors keeps only that it holds the channels; its spatial units are united.
        """
        # Of (("C", 4), (0, 8)), channels and rows in one axis of 32, no table says which unit is which row any more
        # once 16 of the 32 are picked: the channels keep the axis, and every unit may see what any row saw.
        axis = self.axes[position]
        role = single(axis)
        if len(axis) > 1 and any(factor[0] == "C" for factor in axis):
            role = "C"
        lost = {factor[0] for factor in axis} - {role}
        axes = [*self.axes[:position], ((role, size),), *self.axes[position + 1 :]]
        return self.changed(axes, lambda k, reach: change(reach) if k == role else reach.hull() if k in lost else reach)


def _role(axis: Axis) -> Role:
    # Channels among rows, as a flattened map has them, are still features to whoever reads the layer; rows merged with
    # columns are neither. One part "c" is not the channels; merged with other parts it counts, with rows it does not.
    if len(axis) == 1:
        return None if axis[0][0] == "c" else axis[0][0]
    roles = [role for role, _ in axis]
    return "C" if "C" in roles or ("c" in roles and not any(map(is_spatial, roles))) else None


def is_spatial(role: Role) -> TypeGuard[int]:
    """Whether a role is that of a spatial axis."""
    return isinstance(role, int)


def length(axis: Axis) -> int:
    """The number of units along an axis."""
    return prod(size for _, size in axis)


def single(axis: Axis) -> Role:
    """The role of an axis of one factor; `None` for an axis of several."""
    return axis[0][0] if len(axis) == 1 else None
