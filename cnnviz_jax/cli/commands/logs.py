"""`cnnviz logs`: the logs of trainings that `cv.Monitor` writes to."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show_records
from cnnviz_jax.cli.values import listing_parser


def run(words: list[str], settings: Settings) -> int:
    """List the logs."""
    about = "List the logs of trainings that `cv.Monitor` writes to."
    found = listing_parser("cnnviz logs", about).parse_args(words)
    registry = settings.plugins()
    return show_records(registry, "log", registry.logs.values(), lambda spec: {}, as_json=found.json)
