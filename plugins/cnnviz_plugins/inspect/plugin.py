"""What can be read off a network without pictures: filters, receptive fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cnnviz_jax.hookspecs import hookimpl
from cnnviz_jax.records import TechniqueSpec


@dataclass(frozen=True, kw_only=True)
class FiltersConfig:
    """Which layer."""

    layer: str | None = None
    """Layer whose kernel is shown; the first convolution when not given."""


@dataclass(frozen=True, kw_only=True)
class ReceptiveFieldConfig:
    """Which layer."""

    layer: str | None = None
    """The only layer to list; all of them when not given."""


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the inspect techniques."""
    yield TechniqueSpec(
        name="filters",
        kind="inspect",
        summary="the kernel of a layer as pictures",
        config=FiltersConfig,
        build="cnnviz_plugins.inspect.filters:build",
        references=("Krizhevsky et al. 2012, figure 3",),
    )
    yield TechniqueSpec(
        name="receptive-field",
        kind="inspect",
        summary="what each unit of each layer sees of the input",
        config=ReceptiveFieldConfig,
        build="cnnviz_plugins.inspect.receptive_field:build",
        references=("Araujo, Norris, Sim 2019, Distill, doi:10.23915/distill.00021",),
    )
