"""`cnnviz renderers`: the ways to write results."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show_records
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.plugins.specs import RendererSpec


def run(words: list[str], settings: Settings) -> int:
    """List the renderers with the results they draw and the suffixes they write."""
    found = listing_parser("cnnviz renderers", "List the ways to write results.").parse_args(words)
    registry = settings.plugins()
    return show_records(registry, "renderer", registry.renderers.values(), _columns, as_json=found.json)


def _columns(spec: RendererSpec) -> dict[str, object]:
    return {"suffixes": spec.suffixes, "accepts": spec.accepts}
