"""Results about units as tables and labelled arrays of pandas and xarray, where those are installed."""

import dataclasses
import typing
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz_jax.extras import require

if TYPE_CHECKING:
    import pandas
    import xarray


class Tabular:
    """A result with one row per unit, or per unit and image."""

    def table(self) -> list[dict[str, float | int | str]]:
        """Return the rows, in words and numbers."""
        raise TypeError(f"{type(self).__name__} defines no table")

    def to_pandas(self) -> "pandas.DataFrame":
        """Return `table()` as a data frame.

        Raises:
            UsageError: pandas is not installed.
        """
        return require("pandas", extra="tables", what="a data frame").DataFrame(self.table())

    def to_xarray(self) -> "xarray.Dataset":
        """Return every array with its axes named as this class names them; what is no array stands in `attrs`.

        `c` counts the layer's units.

        Raises:
            UsageError: xarray is not installed.
        """
        xarray = require("xarray", extra="tables", what="a labelled array")
        hints = typing.get_type_hints(type(self))
        arrays, words = {}, {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                arrays[field.name] = (_axes(field.name, hints[field.name], value.ndim), value)
            elif isinstance(value, str | int | float):
                words[field.name] = value
        return xarray.Dataset(arrays, attrs=words)


_SPATIAL = {1: ("t",), 2: ("h", "w"), 3: ("d", "h", "w")}


def _axes(name: str, hint: Any, count: int) -> tuple[str, ...]:
    """Return the axes that a shape such as `c k 4` names; a fixed length gets the array's name.

    Spatial axes that the shape leaves open (`*axes`, with channels behind them `...`) are called by their number.
    """
    shaped = next(each for each in (hint, *typing.get_args(hint)) if hasattr(each, "dim_str"))
    words = shaped.dim_str.split()
    open_axes = count - len(words) + 1
    axes: list[str] = []
    for axis in words:
        if axis == "...":
            axes += [*_SPATIAL[open_axes - 1], "ch"]
        elif axis == "*axes":
            axes += _SPATIAL[open_axes]
        elif axis == "2*axes":
            axes.append("ends")
        else:
            # Of a table of units by units xarray wants two names.
            axes.append(f"{name}_{axis}" if axis.isdigit() else f"other_{axis}" if axis in axes else axis)
    return tuple(axes)
