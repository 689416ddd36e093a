"""The options that every command takes, wherever on the line they stand."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import cnnviz_jax
from cnnviz_jax.cli.values import Parser
from cnnviz_jax.plugins import Plugins, plugins


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this run of `cnnviz` behaves, whatever the command."""

    plugin_files: tuple[str, ...] = ()
    """Unpackaged plugins to load."""
    builtins_only: bool = False
    """Whether other installed plugins are left out."""
    quiet: bool = False
    """Whether progress and notes are left out."""
    version: bool = False
    """Whether to print the version and stop."""

    @classmethod
    def split(cls, words: Sequence[str]) -> tuple[Settings, list[str]]:
        """Take these options out of the line; return them and what is left."""
        parser = Parser(prog="cnnviz", add_help=False, allow_abbrev=False)
        parser.add_argument("--plugin", action="append", default=[])
        for flag in ("--no-plugins", "--quiet", "--debug", "--version"):
            parser.add_argument(flag, action="store_true")
        end = list(words).index("--") if "--" in words else len(words)
        found, rest = parser.parse_known_args(words[:end])
        settings = cls(
            plugin_files=tuple(found.plugin),
            builtins_only=found.no_plugins,
            quiet=found.quiet,
            version=found.version,
        )
        return settings, [*rest, *words[end:]]

    def plugins(self, *, quiet: bool = False) -> Plugins:
        """Return the registry, with the plugin files of the command line loaded.

        Args:
            quiet: Leave out the notes on plugins skipped, because the command itself shows them.
        """
        registry = plugins(builtins_only=self.builtins_only, quiet=True)
        registry.load_files(self.plugin_files)
        if not (quiet or self.quiet):
            for note in registry.notes():
                print(f"cnnviz: {note}", file=sys.stderr)
        return registry


def version_line() -> str:
    """Return the versions of this project and of Python, for `--version` and bug reports."""
    return f"cnnviz {cnnviz_jax.__version__}, Python {platform.python_version()}"
