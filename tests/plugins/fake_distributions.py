"""Installed distributions made on the spot: a folder with a module and a `.dist-info` beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

TECHNIQUE = """
from dataclasses import dataclass

from cnnviz_jax.plugins.hookspecs import hookimpl
from cnnviz_jax.plugins.specs import TechniqueSpec


@dataclass(frozen=True)
class Config:
    step: int = 1
    '''Pixels between rows.'''


@hookimpl
def cnnviz_techniques():
    yield TechniqueSpec(name={name!r}, kind="explain", summary="Rows", config=Config, build="builtins:len")
"""
"""A plugin that offers one technique; format it with its name."""

HEAVY = ("jax", "jaxlib", "flax", "optax", "matplotlib", "numpy", "orbax", "PIL")


def install(site: Path, distribution: str, *, module: str, source: str, entry_point: str | None = None) -> None:
    """Put a distribution with one plugin module into a folder that will be on `sys.path`."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(dedent(source))
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[cnnviz_jax]\n{entry_point or module} = {module}\n")


def python(*arguments: str, site: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter with the fakes on its path, and with only these plugin variables set."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("CNNVIZ_")}
    if site is not None:
        variables["PYTHONPATH"] = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *arguments],
        env=variables | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def cnnviz(*words: str, site: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one `cnnviz` command."""
    return python("-m", "cnnviz_jax.cli", *words, site=site, **environment)


def listing(site: Path, *words: str, **environment: str) -> dict[str, Any]:
    """Return what `cnnviz plugins --json` prints."""
    done = cnnviz("plugins", "--json", *words, site=site, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def names(rows: list[dict[str, str]]) -> list[str]:
    """Return the names in one part of that listing."""
    return [row["name"] for row in rows]


def strangers(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the rows that this project's own distribution did not bring, by name."""
    return {row["name"]: row for row in rows if row["distribution"] != "cnnviz-jax"}
