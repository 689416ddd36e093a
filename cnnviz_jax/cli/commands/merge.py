"""`cnnviz merge DIR...`: join the shards of a sweep."""

import contextlib
import dataclasses
import sys

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import print_json
from cnnviz_jax.cli.values import Parser, add_json
from cnnviz_jax.errors import UsageError, as_sentence
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
    parser.add_argument("--model", metavar="MODEL", help="the model that was swept, in place of what the folders say")
    parser.add_argument("--weights", metavar="FILE|URL", help="its weights")
    parser.add_argument("--source", metavar="SOURCE", help="the images, in place of what the folders say")
    parser.add_argument(
        "--trust", action="store_true", help="import the factories that the folders name, and fetch their weights"
    )
    add_json(parser)
    found = parser.parse_args(words)
    if found.weights and not found.model:
        raise UsageError("--weights are those of --model: name both")
    registry = settings.plugins()

    from cnnviz_jax.cli.model import check_model, load
    from cnnviz_jax.plugins.references import installed_only
    from cnnviz_jax.sweep.merge import merge, out_folder, shard_folders
    from cnnviz_jax.sweep.resolved import source_of
    from cnnviz_jax.sweep.run_file import read_run
    from cnnviz_jax.sweep.spec import SweepSpec
    from cnnviz_jax.sweep.trusting import refuse_model, refuse_source, refuse_surveys

    try:
        shards = shard_folders(found.runs)
        out = out_folder(found.runs, found.out)
        spec = SweepSpec.from_mapping(read_run(shards[0])["spec"])
        if not found.trust:
            if found.model is None:
                refuse_model(shards[0], spec)
            if found.source is None:
                refuse_source(shards[0], spec)
            refuse_surveys(shards[0], spec)
        with contextlib.nullcontext() if found.model else installed_only():
            name, weights = (found.model, found.weights) if found.model else (spec.model, spec.weights)
            check_model(name, weights, registry)
            model = load(name, weights)
        source = None
        if found.source is not None:
            source = source_of(dataclasses.replace(spec, source=found.source), model.input_shape, model.labels or ())
        with installed_only():
            merge(shards, out, model, source)
    except SweepStop as stop:
        print(f"cnnviz: {as_sentence(str(stop))}", file=sys.stderr)
        return stop.code
    if found.json:
        print_json({"command": "merge", "wrote": [str(out.root)]})
    elif not settings.quiet:
        print(f"done: {out.root}")
    return 0
