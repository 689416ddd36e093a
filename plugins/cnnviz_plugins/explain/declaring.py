"""How the techniques that explain, and the figures of their own results, are declared; imports nothing heavy."""

from collections.abc import Callable
from dataclasses import field
from typing import Any, TypeVar, dataclass_transform

from cnnviz_jax.plugin import RendererSpec, hookimpl, technique

Config = TypeVar("Config", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def explains(
    name: str, build: str, *references: str, in_report: bool = False, **others: Any
) -> Callable[[Config], Config]:
    """Make a class the config of a technique of kind explain, as `technique` does.

    Args:
        name: As for `technique`, as are `build` and `references`.
        in_report: Whether `cv.report` runs it unasked; most techniques are close variants of one that it runs.
        others: Further fields of `TechniqueSpec`, such as `evidence`.
    """
    return technique(name, "explain", build, *references, in_report=in_report, **others)


def figure_hook(name: str, summary: str, *accepts: str, module: str) -> Callable[[], list[RendererSpec]]:
    """Return the hook `cnnviz_renderers` of a family that draws a figure of results of its own.

    Args:
        name: As in `RendererSpec`, as are `summary` and `accepts`.
        module: The module whose `render` writes the figure, and whose `figure` returns it.
    """
    hook: Callable[[], list[RendererSpec]] = hookimpl(
        lambda: [
            RendererSpec(
                name=name,
                summary=summary,
                accepts=accepts,
                suffixes=(".png", ".svg", ".pdf"),
                render=f"{module}:render",
                figure=f"{module}:figure",
            )
        ]
    )
    return hook
