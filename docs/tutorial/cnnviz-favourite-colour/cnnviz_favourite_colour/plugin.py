"""What this package offers. Light: imports no jax and no numpy."""

from __future__ import annotations

from collections.abc import Iterable

from cnnviz_jax.plugin import PanelSpec, hookimpl


@hookimpl
def cnnviz_panels() -> Iterable[PanelSpec]:
    """Yield the panel."""
    yield PanelSpec(
        name="favourite-colour",
        summary="Mean colour of what fires it most",
        build="cnnviz_favourite_colour.panel:build",
        surveys={"exemplars": {"k": 5}},
    )
