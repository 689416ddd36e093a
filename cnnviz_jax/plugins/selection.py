"""Which plugins the user wants: the allow and deny lists, checked before anything is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

OWN = "cnnviz-jax"
"""The distribution that brings the built-in plugins."""


def normalized(distribution: str) -> str:
    """Return a distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The user's choice of plugins.

    A list entry is a plugin's name, its distribution's name, or `distribution:name`.
    """

    allow: tuple[str, ...] = ()
    """Only these are loaded (`CNNVIZ_PLUGINS`); empty allows all."""
    deny: tuple[str, ...] = ()
    """These are not loaded (`CNNVIZ_DISABLE_PLUGINS`)."""
    builtins_only: bool = False
    """Only this project's own plugins are loaded (`--no-plugins`)."""
    strict: bool = False
    """A plugin that cannot be loaded is an error (`CNNVIZ_PLUGINS_STRICT=1`)."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, builtins_only: bool = False) -> Selection:
        """Read the choice from environment variables; an empty variable counts as unset."""
        return cls(
            allow=_entries(environment.get("CNNVIZ_PLUGINS", "")),
            deny=_entries(environment.get("CNNVIZ_DISABLE_PLUGINS", "")),
            builtins_only=builtins_only,
            strict=environment.get("CNNVIZ_PLUGINS_STRICT", "") not in ("", "0"),
        )

    def refusal(self, name: str, distribution: str) -> str | None:
        """Return the switch that keeps this plugin out, or `None` if it may load."""
        if self.builtins_only and normalized(distribution) != OWN:
            return "--no-plugins"
        if self.allow and not any(_matches(entry, name, distribution) for entry in self.allow):
            return f"CNNVIZ_PLUGINS={','.join(self.allow)}"
        if any(_matches(entry, name, distribution) for entry in self.deny):
            return f"CNNVIZ_DISABLE_PLUGINS={','.join(self.deny)}"
        return None

    def unmatched(self, found: list[tuple[str, str]]) -> list[str]:
        """Return a note for each list entry that fits none of the found (name, distribution) pairs."""
        return [
            f"{variable} names {entry!r}, which no installed plugin is called; `cnnviz plugins` lists them."
            for variable, entries in (("CNNVIZ_PLUGINS", self.allow), ("CNNVIZ_DISABLE_PLUGINS", self.deny))
            for entry in entries
            if not any(_matches(entry, name, distribution) for name, distribution in found)
        ]


def _entries(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())


def _matches(entry: str, name: str, distribution: str) -> bool:
    owner, colon, plugin = entry.rpartition(":")
    if colon:
        return plugin == name and normalized(owner) == normalized(distribution)
    return entry == name or normalized(entry) == normalized(distribution)
