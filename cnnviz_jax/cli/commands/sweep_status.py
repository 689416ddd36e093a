"""`cnnviz sweep-status DIR`: how far a run is."""

import dataclasses
from pathlib import Path

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import print_json
from cnnviz_jax.cli.values import Parser, add_json
from cnnviz_jax.progress.bars import duration


def run(words: list[str], settings: Settings) -> int:
    """Print the state of a run and of its shards."""
    description = "Show how far a sweep is, also while it runs."
    parser = Parser(prog="cnnviz sweep-status", description=description, allow_abbrev=False)
    parser.add_argument("run", metavar="DIR", help="the run folder")
    add_json(parser)
    found = parser.parse_args(words)

    from cnnviz_jax.sweep.layout import RunFolder
    from cnnviz_jax.sweep.status import run_status

    statuses = run_status(RunFolder(Path(found.run)))
    if found.json:
        print_json([{**dataclasses.asdict(each), "state": each.state} for each in statuses], indent=1)
        return 0
    for each in statuses:
        share = 100 * each.counted // max(each.images, 1)
        line = f"{each.root}: {each.state}, {each.counted:,} of {each.images:,} images counted ({share} %)"
        if each.images_per_s and not each.done:
            line += f", {each.images_per_s:.1f} images/s"
        if each.seconds_left is not None and each.holder:
            line += f", {duration(each.seconds_left)} left"
        if each.unreadable:
            line += f", {each.unreadable} unreadable"
        if each.holder:
            line += f", by {each.holder}"
        print(line)
    return 0
