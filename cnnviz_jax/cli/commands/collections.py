"""`cnnviz collections`: the pages that a site may have beside those of units."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show_records
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.plugins.specs import CollectionSpec


def run(words: list[str], settings: Settings) -> int:
    """List the collections with their options and the surveys that they read."""
    about = "List the collections of pages that `cnnviz explore --collections` adds to a site."
    found = listing_parser("cnnviz collections", about).parse_args(words)
    registry = settings.plugins()
    records = registry.collections.values()
    return show_records(registry, "collection", records, _columns, _details, as_json=found.json)


def _columns(spec: CollectionSpec) -> dict[str, object]:
    return {"surveys": list(spec.surveys), "needs masks": spec.needs_masks}


def _details(spec: CollectionSpec) -> dict[str, object]:
    from cnnviz_jax.options.docs import field_docs

    return {"options": field_docs(spec.config)}
