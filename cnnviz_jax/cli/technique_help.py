"""The help of a verb whose technique is not named yet."""

from __future__ import annotations

from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.specs import Kind


def verb_help(kind: Kind, usage: str, description: str, registry: Plugins) -> str:
    """Return how a verb is written and which techniques it runs."""
    specs = [spec for spec in registry.techniques.values() if spec.kind == kind]
    width = max((len(spec.name) for spec in specs), default=0) + 2
    listed = "\n".join(f"  {spec.name:<{width}}{spec.summary}" for spec in specs) or "  none are loaded"
    return (
        f"usage: {usage}\n\n{description}\n\ntechniques:\n{listed}\n\n"
        f"`cnnviz {kind} TECHNIQUE --help` shows the options of one."
    )
