"""`cnnviz plugins`: every plugin that was found, and what became of it."""

from __future__ import annotations

import json

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.values import listing_parser
from cnnviz_jax.plugins import Plugins


def run(words: list[str], settings: Settings) -> int:
    """List the plugins loaded, skipped and disabled, and the names that several claim."""
    parser = listing_parser("cnnviz plugins", "List every plugin found: loaded, skipped, disabled, in conflict.")
    found = parser.parse_args(words)
    registry = settings.plugins(quiet=True)
    listing = describe(registry)
    if found.json:
        print(json.dumps(listing, indent=2))
        return 0
    rows = [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "state": "loaded",
            "offers or cause": "; ".join(f"{sort}s {', '.join(names)}" for sort, names in plugin.offers.items()) or "-",
        }
        for plugin in registry.loaded
    ]
    for state, absent in (("skipped", registry.skipped), ("disabled", registry.disabled)):
        rows += [
            {
                "plugin": other.name,
                "distribution": other.distribution,
                "version": "",
                "state": state,
                "offers or cause": other.cause,
            }
            for other in absent
        ]
    show(rows, as_json=False, empty="No plugins are installed.")
    for note in (*(conflict.cause for conflict in registry.conflicts), *registry.remarks):
        print(note)
    return 0


def describe(registry: Plugins) -> dict[str, list[dict[str, object]]]:
    """Return what `cnnviz plugins --json` prints: loaded, skipped, disabled, conflicts, remarks."""
    return {
        "loaded": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "offers": {sort: list(names) for sort, names in plugin.offers.items()},
            }
            for plugin in registry.loaded
        ],
        "skipped": [
            {"name": each.name, "distribution": each.distribution, "cause": each.cause} for each in registry.skipped
        ],
        "disabled": [
            {"name": other.name, "distribution": other.distribution, "cause": other.cause}
            for other in registry.disabled
        ],
        "conflicts": [
            {"sort": clash.sort, "name": clash.name, "owners": list(clash.owners), "cause": clash.cause}
            for clash in registry.conflicts
        ],
        "remarks": [{"text": remark} for remark in registry.remarks],
    }
