"""What every result can do, whatever it holds: show itself in a notebook, and say in a line what it is."""

import dataclasses
from typing import Any

import numpy as np

from cnnviz_jax.plugins.rendering import fragment_of, is_drawn, png_bytes


class Result:
    """What a public function returns. In a notebook it shows its figure; its text is one line, without the numbers."""

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
