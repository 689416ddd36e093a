"""`cnnviz plugins`: every plugin that was found, and what became of it."""

from dataclasses import asdict

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import print_json, show
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.plugins.reports import Absent, PluginInfo


def run(words: list[str], settings: Settings) -> int:
    """List the plugins loaded, skipped and disabled, and the names that several claim."""
    parser = listing_parser("cnnviz plugins", "List every plugin found: loaded, skipped, disabled, in conflict.")
    found = parser.parse_args(words)
    registry = settings.plugins(quiet=True)
    listed: dict[str, tuple[PluginInfo | Absent, ...]]
    listed = {"loaded": registry.loaded, "skipped": registry.skipped, "disabled": registry.disabled}
    if found.json:
        listing = {state: [asdict(each) for each in plugins] for state, plugins in listed.items()}
        listing["conflicts"] = [{**asdict(conflict), "cause": conflict.cause} for conflict in registry.conflicts]
        listing["remarks"] = [{"text": remark} for remark in registry.remarks]
        print_json(listing)
        return 0
    rows = [
        {
            "plugin": each.name,
            "distribution": each.distribution,
            "version": each.version if isinstance(each, PluginInfo) else "",
            "state": state,
            "offers or cause": _offers(each) if isinstance(each, PluginInfo) else each.cause,
        }
        for state, plugins in listed.items()
        for each in plugins
    ]
    show(rows, as_json=False, empty="No plugins are installed.")
    for note in (*(conflict.cause for conflict in registry.conflicts), *registry.remarks):
        print(note)
    return 0


def _offers(plugin: PluginInfo) -> str:
    return "; ".join(f"{sort}s {', '.join(names)}" for sort, names in plugin.offers.items()) or "-"
