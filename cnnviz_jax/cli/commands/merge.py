"""`cnnviz merge DIR...`: join the shards of a sweep."""

import sys

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.values import Parser
from cnnviz_jax.sweep.errors import SweepStop


def run(words: list[str], settings: Settings) -> int:
    """Join the shards and say where the result is."""
    parser = Parser(
        prog="cnnviz merge",
        description="Join the shards of one sweep; the result is that of a run never cut up, to the last byte.",
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="+", metavar="DIR", help="the folder of all shards, or every shard's")
    parser.add_argument("--out", metavar="DIR", help="where the result goes (default: the one folder named)")
    found = parser.parse_args(words)
    registry = settings.plugins()

    from cnnviz_jax.cli.model import check_model, load
    from cnnviz_jax.files import read_json
    from cnnviz_jax.sweep.merge import merge, out_folder, shard_folders

    try:
        shards = shard_folders(found.runs)
        out = out_folder(found.runs, found.out)
        spec = read_json(shards[0].run)["spec"]
        check_model(spec["model"], spec.get("weights"), registry)
        merge(shards, out, load(spec["model"], spec.get("weights")))
    except SweepStop as stop:
        print(f"cnnviz: {stop}", file=sys.stderr)
        return stop.code
    if not settings.quiet:
        print(f"done: {out.root}")
    return 0
