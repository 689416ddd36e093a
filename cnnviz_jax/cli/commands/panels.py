"""`cnnviz panels`: what the pages of units in a site show."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show_records
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.plugins.specs import PanelSpec


def run(words: list[str], settings: Settings) -> int:
    """List the panels in the order in which they stand on a page, with the surveys that they read."""
    about = "List what the pages of `cnnviz explore` show of a unit."
    found = listing_parser("cnnviz panels", about).parse_args(words)
    registry = settings.plugins()
    return show_records(registry, "panel", registry.panels.values(), _columns, as_json=found.json)


def _columns(spec: PanelSpec) -> dict[str, object]:
    return {"surveys": list(spec.surveys), "on request": spec.on_request}
