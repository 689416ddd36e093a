"""`cnnviz models`: the networks known by name."""

from __future__ import annotations

from cnnviz_jax.cli.parsing import listing_parser
from cnnviz_jax.cli.settings import Settings
from cnnviz_jax.cli.tables import show


def run(words: list[str], settings: Settings) -> int:
    """List the models with where their weights come from."""
    found = listing_parser("cnnviz models", "List the networks known by name.").parse_args(words)
    registry = settings.plugins()
    rows = [
        {
            "name": spec.name,
            "weights": "bundled" if spec.weights.bundled else "--weights FILE",
            "summary": spec.summary,
            "plugin": registry.owner("model", spec.name),
        }
        for spec in registry.models.values()
    ]
    if found.json:
        for row, spec in zip(rows, registry.models.values(), strict=True):
            row |= {"url": spec.weights.url, "sha256": spec.weights.sha256, "references": list(spec.references)}  # type: ignore[dict-item]
    show(rows, as_json=found.json, empty="No models are loaded; `cnnviz plugins` shows why.")
    return 0
