"""The frozen pytrees that techniques return: raw arrays and where they came from.

Arrays are never normalised for display; that is the renderers' named policy. Words are static
fields, so a result passes through `jax.tree` and `jax.jit` like any pytree.
"""

import dataclasses
import functools
import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol, Self


class Named(Protocol):
    """What has a name: a `cv.Model`."""

    @property
    def name(self) -> str:
        """As the user calls it."""
        ...


class Described(Protocol):
    """What says in words what it scores: a target."""

    def describe(self, model: Any) -> tuple[str, ...]:
        """Return one text per image."""
        ...


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything that decided the numbers, in words; `as_dict` is ready for JSON."""

    technique: str
    model: str
    config: Any
    """The technique's frozen config dataclass, every option at the value used."""
    targets: tuple[str, ...] = ()
    """What was explained or maximised, one text per image."""
    layer: str | None = None
    seed: str = ""
    """The key's data in hexadecimal."""
    versions: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, Any], ...] = ()
    """Further facts, such as which ReLUs were rewritten; values are strings, numbers or tuples of them."""

    @classmethod
    def of(cls, technique: str, model: Named, config: Any, target: Described | None = None, **facts: Any) -> Self:
        """Return the provenance of what is computed now, by the versions installed.

        Args:
            technique: Its name.
            model: The model.
            config: The technique's config.
            target: What is explained or maximised, where there is something.
            **facts: Further fields: `layer`, `seed`, `notes`.
        """
        words = () if target is None else target.describe(model)
        return cls(technique=technique, model=model.name, config=config, targets=words, versions=versions(), **facts)

    def as_dict(self) -> dict[str, Any]:
        """Return nested plain dicts, lists, strings and numbers."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "config"}
        known = dataclasses.is_dataclass(self.config) and not isinstance(self.config, type)
        config = dataclasses.asdict(self.config) if known else self.config
        plain |= {"config": config, "versions": dict(self.versions), "notes": dict(self.notes)}
        return json.loads(json.dumps(plain, default=str))


@functools.cache
def versions() -> tuple[tuple[str, str], ...]:
    """Return the versions that decide numbers, by distribution."""
    found = []
    for name in ("cnnviz-jax", "jax", "jaxlib", "flax", "optax", "numpy"):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, "source tree" if name == "cnnviz-jax" else "absent"))
    return tuple(found)
