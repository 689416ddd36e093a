"""`cnnviz adapters`: the frameworks whose models are understood."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show_records
from cnnviz_jax.cli.values import listing_parser


def run(words: list[str], settings: Settings) -> int:
    """List the adapters; the fallback is asked when no other knows the object."""
    found = listing_parser("cnnviz adapters", "List the frameworks whose models are understood.").parse_args(words)
    registry = settings.plugins()
    specs = registry.adapters.values()
    return show_records(registry, "adapter", specs, lambda spec: {"fallback": spec.fallback}, as_json=found.json)
