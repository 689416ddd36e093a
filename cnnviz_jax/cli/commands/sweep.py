"""`cnnviz sweep [SPEC] --run DIR`: a whole data set, on any number of devices and hosts."""

import argparse
import errno
import os
import re
import sys
import traceback
from pathlib import Path

from cnnviz_jax.cli.commands.sweep_launcher import launcher_of, print_script, run_on
from cnnviz_jax.cli.dataclass_options import add_options, given_options
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.tables import print_json
from cnnviz_jax.cli.values import Parser, add_json
from cnnviz_jax.errors import CnnvizError, UsageError, as_sentence
from cnnviz_jax.files import check_writable
from cnnviz_jax.sweep.errors import EXIT_CODES, Interrupted, SweepStop, SweepUsageError
from cnnviz_jax.sweep.launch import Launch
from cnnviz_jax.sweep.launchers import LauncherOptions
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.spec import SweepSpec, part_from_words


def run(words: list[str], settings: Settings) -> int:
    """Run, or only plan, a sweep; the exit code says how it ended."""
    try:
        return _run(words, settings)
    except CnnvizError as error:
        return _left(error, error.code if isinstance(error, SweepStop) else 2, str(error))
    except Exception as error:
        from cnnviz_jax.sweep.processes import lost_peer

        if "jax" in sys.modules and lost_peer(error):
            return _left(error, Interrupted.code, f"another process of this run was lost: {str(error).splitlines()[0]}")
        if "jax" in sys.modules and _is_one_of_several():
            traceback.print_exc()
            return _left(error, 1, "an internal error")
        raise


def _left(error: BaseException, code: int, sentence: str) -> int:
    """Say why, and leave; at once where JAX would wait for the other processes."""
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    print(f"cnnviz: {as_sentence(sentence)}", file=sys.stderr, flush=True)
    if "jax" in sys.modules and _is_one_of_several():
        os._exit(code)
    return code


def _is_one_of_several() -> bool:
    import jax

    return jax.distributed.is_initialized() and jax.process_count() > 1


def _run(words: list[str], settings: Settings) -> int:
    found = _parser().parse_args(words)
    if found.run is None:
        raise UsageError("say where the run lives: --run DIR; it is made, and resumed, there")
    spec = _spec(found)
    registry = settings.plugins()
    launcher = launcher_of(found)
    if launcher is not None and launcher.print_launcher:
        return print_script(spec, words, found.run, launcher, settings)
    try:
        check_writable(Path(found.run))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # a full disk has an exit code of its own
            raise UsageError(f"no run can be kept in {found.run}: {error.filename}: {error.strerror}") from error

    from cnnviz_jax.cli.model import check_model, load
    from cnnviz_jax.sweep.launch import simulate_devices, start_processes

    check_model(spec.model, spec.weights, registry)
    options = RunOptions(**given_options(found, RunOptions) | ({"shard": _shard(found.shard)} if found.shard else {}))
    if launcher is not None and not found.dry_run:
        _keep_programs(found)
        return _done(run_on(spec, found, launcher, options, settings), found, settings)
    launch = Launch.resolved(**given_options(found, Launch))
    if found.devices is not None:
        simulate_devices(found.devices)
    _keep_programs(found)
    start_processes(launch)

    import jax

    from cnnviz_jax.cli.progress import progress_on_stderr
    from cnnviz_jax.sweep.run import run_sweep

    quiet = settings.quiet or jax.process_index() != 0
    model = load(spec.model, spec.weights, quiet=quiet)
    if found.dry_run:
        from cnnviz_jax.cli.commands.sweep_plan import plan_rows, print_plan

        rows, growth = plan_rows(spec, model, found.run, options, measured=found.measure)
        if found.json:
            print_json({"command": "sweep", "run": found.run, "plan": rows, "growth": growth})
        else:
            print_plan(rows, growth)
        return 0
    with progress_on_stderr(quiet=quiet) as progress:
        folder = run_sweep(spec, model, found.run, options, progress=progress)
    return 0 if jax.process_index() else _done(folder, found, settings)


def _done(folder: RunFolder, found: argparse.Namespace, settings: Settings) -> int:
    """Say where the results lie."""
    if found.json:
        print_json({"command": "sweep", "run": found.run, "wrote": [str(folder.root)]})
    elif not settings.quiet:
        print(f"done: {folder.root}")
    return 0


def _keep_programs(found: argparse.Namespace) -> None:
    """Keep compiled programs where the command line says, else where commands keep them."""
    from cnnviz_jax.compiling import use_compile_cache, use_compile_cache_of_commands

    if found.compile_cache is None:
        use_compile_cache_of_commands()
    else:
        use_compile_cache(found.compile_cache)


def _spec(found: argparse.Namespace) -> SweepSpec:
    given = given_options(found, SweepSpec)
    for name in given.keys() & {"device_batch", "inner_chunk"}:
        given[name] = int(given[name]) if given[name].isdigit() else given[name]
    for name in given.keys() & {"explain", "survey"}:
        given[name] = [part_from_words(text) for text in given[name]]
    return SweepSpec.read(found.spec, **given)


def _shard(text: str) -> tuple[int, int]:
    parts = re.fullmatch(r"(\d+)/(\d+)", text)
    if not parts:
        raise SweepUsageError(f"shard is i/n such as 0/3, got {text!r}")
    return int(parts[1]), int(parts[2])


def _parser() -> Parser:
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
    parser = Parser(
        prog="cnnviz sweep",
        description="Run explain techniques and surveys over a whole data set, resumable to the last bit. The same\n"
        "command runs on a laptop, on a host with eight devices, and under srun, mpirun or a pod's launcher.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("spec", nargs="?", metavar="SPEC", help="a TOML file; options below win over what it says")
    parser.add_argument("--run", metavar="DIR", help="the run folder: made if absent, resumed if not")
    add_options(parser, "what is done", SweepSpec)
    how = add_options(parser, "how it is run; changes no result", RunOptions, checkpoint_every="ckpt-every")
    how.add_argument("--compile-cache", metavar="DIR|off", help="(default: a private folder for this jaxlib and CPU)")
    how.add_argument(
        "--dry-run", action="store_true", help="print device batch, memory, steps, sizes and time; write nothing"
    )
    how.add_argument("--measure", action="store_true", help="with --dry-run: time a few steps for the estimate")
    add_options(parser, "who runs it, where this process does not; changes no result", LauncherOptions)
    where = add_options(
        parser,
        "processes and devices; found unasked under SLURM, Open MPI and on TPU slices",
        Launch,
        processes="num-processes",
        process="process-id",
        heartbeat_s="heartbeat",
        init_timeout_s="init-timeout",
    )
    add_json(parser)
    where.add_argument("--devices", type=int, metavar="N", help="split this machine's CPU into N devices")
    return parser
