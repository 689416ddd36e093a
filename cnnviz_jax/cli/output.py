"""The form of the output: refused before the work starts if no renderer writes it."""

from __future__ import annotations

from pathlib import Path

from cnnviz_jax.errors import RenderError
from cnnviz_jax.plugins import Plugins


def check_form(path: Path, registry: Plugins, result: str | None, renderer: str | None) -> None:
    """Refuse a suffix that no renderer writes for this class of result (any, if `None`).

    Raises:
        RenderError: No renderer fits.
        UnknownNameError: The renderer that was asked for does not exist.
    """
    if renderer is not None:
        registry.renderer(renderer)
        return
    fitting = [
        spec for spec in registry.renderers.values() if result is None or result in spec.accepts or "*" in spec.accepts
    ]
    suffixes = sorted({suffix for spec in fitting for suffix in spec.suffixes})
    if path.suffix.lower() not in suffixes:
        asked = f"suffix {path.suffix!r}" if path.suffix else "file name without a suffix"
        known = f"{', '.join(suffixes)} can be written" if suffixes else "none is loaded"
        raise RenderError(f"no renderer for the {asked} of {str(path)!r}; {known}, as `cnnviz renderers` lists")
