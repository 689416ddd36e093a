"""`cnnviz techniques`: what can be run, by kind."""

import dataclasses

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show_records
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.plugins.specs import KINDS, TechniqueSpec


def run(words: list[str], settings: Settings) -> int:
    """List the techniques, sorted by kind and name."""
    parser = listing_parser("cnnviz techniques", "List the techniques; each is run by the verb of its kind.")
    parser.add_argument("--kind", choices=KINDS, help="only those of one kind")
    found = parser.parse_args(words)
    registry = settings.plugins()
    chosen = sorted(
        (spec for spec in registry.techniques.values() if found.kind in (None, spec.kind)),
        key=lambda spec: (KINDS.index(spec.kind), spec.name),
    )
    return show_records(registry, "technique", chosen, lambda spec: {"kind": spec.kind}, _details, as_json=found.json)


def _details(spec: TechniqueSpec) -> dict[str, object]:
    return {"options": [field.name for field in dataclasses.fields(spec.config)], "references": spec.references}
