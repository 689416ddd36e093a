"""What every result can do, whatever it holds: show itself in a notebook, and say in a line what it is."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnviz_jax.plugins.rendering import fragment_of, is_drawn, png_bytes


class Result:
    """What a public function returns. In a notebook it shows its figure; its text is one line, without the numbers.

    Two are equal where all their fields are, arrays number by number; NaN equals NaN.
    """

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        # Each subclass is a dataclass, whose own __eq__ compares tuples of arrays: that has no one truth and raises.
        if "__eq__" not in vars(cls):
            cls.__eq__ = Result._equal  # type: ignore[assignment]

    def _equal(self, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]  # see __init_subclass__
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    def _repr_html_(self) -> str | None:
        """Return the figure with what was done, as HTML for notebooks; `None` where no renderer draws it.

        Raises:
            RenderError: The result holds values that are not finite.
        """
        return fragment_of(self)

    def _repr_png_(self) -> bytes | None:
        """Return the figure as PNG, for notebooks that show no HTML; `None` where no renderer draws it.

        Raises:
            RenderError: The result holds values that are not finite.
        """
        return png_bytes(self) if is_drawn(self) else None

    def __repr__(self) -> str:
        """The class with its fields: shapes in the place of arrays, and who made it in the place of the provenance."""
        fields = [
            f"{field.name}={_short(getattr(self, field.name))}"
            for field in dataclasses.fields(self)  # type: ignore[arg-type]  # every subclass is a dataclass
            if field.name != "provenance" and _says_something(getattr(self, field.name))
        ]
        provenance = getattr(self, "provenance", None)
        made = [] if provenance is None else [f"{provenance.technique} of {provenance.model}"]
        return f"{type(self).__name__}({', '.join([*made, *fields])})"


def _same(one: Any, other: Any) -> bool:
    """Whether two fields are equal, arrays in any containers number by number."""
    if hasattr(one, "dtype") or hasattr(other, "dtype"):
        return _same_arrays(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if dataclasses.is_dataclass(one) and not isinstance(one, type) and not isinstance(one, Result):
        names = [field.name for field in dataclasses.fields(one) if field.compare]
        return all(_same(getattr(one, name), getattr(other, name)) for name in names)
    return bool(one == other)


def _same_arrays(one: Any, other: Any) -> bool:
    if not (hasattr(one, "dtype") and hasattr(other, "dtype")) or one.dtype != other.dtype or one.shape != other.shape:
        return False
    first, second = np.asarray(one), np.asarray(other)
    equal = first == second
    return bool(np.all(equal | ((first != first) & (second != second))))


def _says_something(value: Any) -> bool:
    return value is not None and not (isinstance(value, tuple | dict | str) and not value)


def _short(value: Any) -> str:
    """Return a value in at most 60 characters or so."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{np.dtype(value.dtype)}{list(value.shape)}"
    if isinstance(value, tuple | list | dict) and len(repr(value)) > 60:
        return f"{len(value)} of {type(next(iter(value))).__name__}"
    text = repr(value)
    if "array(" in text:  # a record of arrays
        return f"{type(value).__name__}(...)"
    return text if len(text) <= 60 else f"{text[:57]}..."
