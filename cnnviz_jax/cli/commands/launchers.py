"""`cnnviz launchers`: what runs the shards of a sweep on other processes and machines."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show_records
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.plugins.specs import LauncherSpec


def run(words: list[str], settings: Settings) -> int:
    """List the launchers with the options of `cnnviz sweep` that take them."""
    about = "List what runs the shards of a sweep elsewhere: engines and scripts."
    found = listing_parser("cnnviz launchers", about).parse_args(words)
    registry = settings.plugins()
    return show_records(registry, "launcher", registry.launchers.values(), _columns, _details, as_json=found.json)


def _columns(spec: LauncherSpec) -> dict[str, object]:
    takes = {"--on": spec.connect, "--print-launcher": spec.script}
    return {"for": [flag for flag, reference in takes.items() if reference is not None]}


def _details(spec: LauncherSpec) -> dict[str, object]:
    from cnnviz_jax.options.docs import field_docs

    return {"options": field_docs(spec.config)}
