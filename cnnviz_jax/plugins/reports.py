"""What became of each plugin: loaded, skipped or disabled."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PluginInfo:
    """A plugin that was loaded."""

    name: str
    """Its entry-point name, or the path of an unpackaged file."""
    distribution: str
    """The installed distribution it came with, or `file`."""
    version: str
    """The version of that distribution; empty for a file."""
    offers: Mapping[str, tuple[str, ...]]
    """Names of what it brings, by sort: `{"technique": ("occlusion",)}`."""

    @property
    def reference(self) -> str:
        """`distribution:name`, as the allow and deny lists accept it; the path for a file."""
        return self.name if self.distribution == "file" else f"{self.distribution}:{self.name}"


@dataclass(frozen=True)
class Absent:
    """A plugin that was found and is not in use."""

    name: str
    """Its entry-point name."""
    distribution: str
    """The installed distribution it came with."""
    cause: str
    """Why, in one sentence, or the switch that kept it out, such as `CNNVIZ_DISABLE_PLUGINS`."""


@dataclass(frozen=True)
class Skipped(Absent):
    """A plugin that was found but could not be loaded; nothing of it is registered."""


@dataclass(frozen=True)
class Disabled(Absent):
    """A plugin that was found and, as the user wished, not imported; `cause` names the switch."""
