"""The frozen pytrees that techniques return: raw arrays and where they came from.

Arrays are never normalised for display; that is the renderers' named policy. Words are static
fields, so a result passes through `jax.tree` and `jax.jit` like any pytree.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol, Self

import jax
import numpy as np


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


@jax.tree_util.register_static
@dataclass(frozen=True, kw_only=True)
class Unstored:
    """Stands in a stored result for what only the process could hold that made it, such as a function."""

    what: str
    """In words."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """What a verb was called with beside its technique's options, so that `cv.rerun` can do so again.

    Calls are equal, and one hash, if everything in them is: words, numbers and arrays bit by bit.
    """

    arguments: Mapping[str, Any]
    """By name: numbers, words, arrays, targets, and the provenance of an explanation that was measured."""
    data: tuple[str, ...] = ()
    """Arguments that are the user's data and not kept, such as `images`: they are handed in again."""

    @classmethod
    def of(cls, arguments: Mapping[str, Any], data: Mapping[str, Any]) -> Self:
        """Return the call with these arguments, arrays on the host, and the names of the data that was given."""
        kept = jax.tree.map(_on_host, dict(arguments))
        return cls(arguments=kept, data=tuple(name for name, value in data.items() if value is not None))

    def rows(self, keep: slice) -> Self:
        """Return the call for some of its images: what has one row per image, its target, `ids` and names, is cut."""
        per_image = {name: self.arguments[name] for name in ("target", "ids") if self.arguments.get(name) is not None}
        cut = {name: jax.tree.map(lambda leaf: leaf[keep], value) for name, value in per_image.items()}
        if self.arguments.get("names") is not None:
            cut["names"] = self.arguments["names"][keep]
        return dataclasses.replace(self, arguments={**self.arguments, **cut})

    @functools.cached_property
    def _digest(self) -> bytes:
        leaves, structure = jax.tree.flatten(dict(self.arguments))
        found = hashlib.sha256(repr((structure, self.data)).encode())
        for leaf in leaves:
            if isinstance(leaf, np.ndarray):
                found.update(repr((leaf.dtype, leaf.shape)).encode() + np.ascontiguousarray(leaf).tobytes())
            elif isinstance(leaf, Provenance) and leaf.call is not None:
                found.update(repr(dataclasses.replace(leaf, call=None)).encode() + leaf.call._digest)
            else:
                found.update(repr(leaf).encode())
        return found.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)


def _on_host(leaf: Any) -> Any:
    return np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf


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
    call: Call | None = None
    """What the verb was called with beside `config`, for `cv.rerun`; `None` where that was not recorded."""

    @classmethod
    def of(cls, technique: str, model: Named, config: Any, target: Described | None = None, **facts: Any) -> Self:
        """Return the provenance of what is computed now, by the versions installed.

        Args:
            technique: Its name.
            model: The model.
            config: The technique's config.
            target: What is explained or maximised, where there is something.
            **facts: Further fields: `layer`, `seed`, `notes`, `call`.
        """
        words = () if target is None else target.describe(model)
        return cls(technique=technique, model=model.name, config=config, targets=words, versions=versions(), **facts)

    def as_dict(self) -> dict[str, Any]:
        """Return nested plain dicts, lists, strings and numbers; without `call`, which holds arrays."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("config", "call")}
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
