"""`cnnviz renderers`: the ways to write results."""

from __future__ import annotations

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.values import listing_parser


def run(words: list[str], settings: Settings) -> int:
    """List the renderers with the results they draw and the suffixes they write."""
    found = listing_parser("cnnviz renderers", "List the ways to write results.").parse_args(words)
    registry = settings.plugins()
    rows = [
        {
            "name": spec.name,
            "suffixes": list(spec.suffixes),
            "accepts": list(spec.accepts),
            "summary": spec.summary,
            "plugin": registry.owner("renderer", spec.name),
        }
        for spec in registry.renderers.values()
    ]
    show(rows, as_json=found.json, empty="No renderers are loaded; `cnnviz plugins` shows why.")
    return 0
