"""What a case is, what may come of it, and which families there are."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import tests.hostile

VERDICTS = (
    "refused well",
    "accepted",
    "traced back",
    "hung",
    "over memory",
    "code run",
    "half file",
)
"""What may come of a case. The first two are well; more than one of the others may be true, and the worst is told."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One attack, whose files are written."""

    what: str
    """What is hostile about it, in a few words."""
    attempt: Callable[[], object]
    """What a user would do. It returns where the product accepts, and raises what the product raises."""
    may_stay: Callable[[Path], bool] = field(default=lambda path: False)
    """Which files in the folder `out` may stay there after a refusal."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Cases of one kind."""

    make: Callable[[np.random.Generator, Path], Case]
    """`make(rng, folder)` writes what is hostile into the folder. What the product writes goes to `folder / "out"`, and
    code that must not run makes `folder / "ran"`."""
    share: int = 1
    """How many turns it has in a round of the benchmark; quick cases may have more."""
    memory_mib: int = 512
    """How much more memory than before a case may take at its peak."""
    limit_s: float = 30.0
    """After how long a case counts as hung."""


class TracedBack(Exception):
    """Raised by an attempt that looks for itself at what came of it, such as that of a command line."""


def families() -> dict[str, Family]:
    """Return all families by the names of their modules."""
    names = (f"{tests.hostile.__name__}.{found.name}" for found in pkgutil.iter_modules(tests.hostile.__path__))
    modules = [importlib.import_module(name) for name in names if ".test_" not in name]
    return {each.__name__.rpartition(".")[2]: each.FAMILY for each in modules if hasattr(each, "FAMILY")}
