"""Where the rules of windows are kept, and what a rule answers: which regions to read, and what to make of them.

A rule is asked for one node and the window of its result that changes. It answers a `WindowRecipe`, or `None` where it
cannot: the value is then computed whole, which is always exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import Rulebook
from cnnviz_jax.program.incremental.spans import Span, Window


@dataclass(frozen=True, eq=False)
class Region:
    """Read so much of a changed value; beyond its border stands `padding`."""

    spans: tuple[Span, ...]
    padding: float | int = 0
    padding_value: int | None = None
    """A value of the program that stands beyond the border, in place of `padding`."""


@dataclass(frozen=True)
class Beside:
    """Read, of a value that the image does not feed, the part beside the window of the result."""


@dataclass(frozen=True)
class Whole:
    """Read all of a value that the image does not feed."""


Reading = Region | Beside | Whole


@dataclass(frozen=True, eq=False)
class WindowRecipe:
    """How one node gives the window of its results."""

    readings: tuple[Reading, ...]
    """One per input."""
    compute: Callable[[list[Any]], list[Any]]
    """From what was read to the windows of the results."""


@runtime_checkable
class WindowContext(Protocol):
    """What a rule may ask of the plan."""

    def shape(self, number: int) -> tuple[int, ...]:
        """Shape of a value."""

    def depends(self, number: int) -> bool:
        """Whether the image feeds a value."""

    def window(self, number: int) -> Window | None:
        """The changed part of a value; `None` where all of it may change, or counts as changed."""


WindowRule = Callable[[WindowContext, Node, Window], WindowRecipe | None]

RULES: Rulebook[WindowRule] = Rulebook()
rule = RULES.rule
