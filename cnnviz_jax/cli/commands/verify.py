"""`cnnviz verify DIR`: read everything in a run folder back and check it."""

import dataclasses
import sys
from pathlib import Path

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.tables import print_json
from cnnviz_jax.cli.values import Parser, add_json
from cnnviz_jax.errors import as_sentence


def run(words: list[str], settings: Settings) -> int:
    """Print what is wrong; 0 if nothing is, 1 otherwise."""
    parser = Parser(
        prog="cnnviz verify",
        description="Check checkpoints, every chunk of the per-example results, and the results of a sweep against"
        " their hashes. Safe while the sweep runs. Exit 1 if anything is damaged or missing.",
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="DIR", help="the run folder")
    add_json(parser)
    found = parser.parse_args(words)

    from cnnviz_jax.sweep.layout import RunFolder
    from cnnviz_jax.sweep.verify import verify

    with progress_on_stderr(quiet=settings.quiet) as progress:
        verified = verify(RunFolder(Path(found.run)), progress)
    for fault in verified.faults:
        print(f"cnnviz: {as_sentence(fault)}", file=sys.stderr)
    state = "finished" if verified.done else "not finished"
    if found.json:
        print_json({"command": "verify", "run": found.run, "state": state, **dataclasses.asdict(verified)})
        return 1 if verified.faults else 0
    print(
        f"{found.run}: {state}, {verified.written:,} of {verified.images:,} examples written, "
        f"{verified.chunks:,} chunks and {verified.checkpoints} checkpoints read, {len(verified.faults)} faults"
    )
    return 1 if verified.faults else 0
