"""`cnnviz sweep [SPEC] --run DIR`: a whole data set, on any number of devices and hosts."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.values import Parser
from cnnviz_jax.errors import CnnvizError, UsageError
from cnnviz_jax.sweep.errors import EXIT_CODES, Interrupted, SweepStop, SweepUsageError

if TYPE_CHECKING:
    from cnnviz_jax.sweep.spec import SweepSpec


def run(words: list[str], settings: Settings) -> int:
    """Run, or only plan, a sweep; the exit code says how it ended."""
    try:
        return _run(words, settings)
    except SweepStop as stop:
        return _left(stop, stop.code, str(stop))
    except CnnvizError as error:
        return _left(error, 2, str(error))
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
    print(f"cnnviz: {sentence}", file=sys.stderr, flush=True)
    if "jax" in sys.modules and _is_one_of_several():
        os._exit(code)
    return code


def _is_one_of_several() -> bool:
    import jax

    return jax.distributed.is_initialized() and jax.process_count() > 1


def _run(words: list[str], settings: Settings) -> int:
    found = _parser().parse_args(words)
    if found.run is None:
        raise UsageError("say where the run lives: --run DIR; it is made, and gone on with, there")
    spec = _spec(found)
    registry = settings.plugins()

    from cnnviz_jax.cli.model import check_model, load
    from cnnviz_jax.compiling import use_compile_cache
    from cnnviz_jax.sweep.launch import Launch, simulate_devices, start_processes

    check_model(spec.model, spec.weights, registry)
    launch = Launch.resolved(
        coordinator=found.coordinator,
        processes=found.num_processes,
        process=found.process_id,
        heartbeat_s=found.heartbeat,
        init_timeout_s=found.init_timeout,
    )
    if found.devices is not None:
        simulate_devices(found.devices)
    use_compile_cache(found.compile_cache)
    start_processes(launch)

    import jax

    from cnnviz_jax.cli.progress import progress_on_stderr
    from cnnviz_jax.sweep.resolved import RunOptions
    from cnnviz_jax.sweep.run import run_sweep

    options = RunOptions(
        resume=found.resume,
        restart=found.restart,
        memory_budget=found.memory_budget,
        workers=found.workers,
        checkpoint_every=found.ckpt_every,
        keep=found.keep,
        shard=_shard(found.shard),
    )
    model = load(spec.model, spec.weights, quiet=settings.quiet or jax.process_index() != 0)
    if found.dry_run:
        from cnnviz_jax.cli.commands.sweep_plan import print_plan

        print_plan(spec, model, found.run, options, measured=found.measure)
        return 0
    quiet = settings.quiet or jax.process_index() != 0
    with progress_on_stderr(quiet=quiet) as progress:
        folder = run_sweep(spec, model, found.run, options, progress=progress)
    if not quiet:
        print(f"done: {folder.root}")
    return 0


def _spec(found: argparse.Namespace) -> SweepSpec:
    from cnnviz_jax.sweep.spec import SweepSpec, part_from_words

    names = ("model", "weights", "source", "labels", "seed", "limit", "max_bad", "crop_share")
    overrides: dict[str, Any] = {name: getattr(found, name) for name in names}
    for name in ("device_batch", "inner_chunk"):
        text = getattr(found, name)
        if text is not None and text != "auto" and not re.fullmatch(r"[1-9]\d*", text):
            raise SweepUsageError(f'{name} is "auto" or a whole number, 1 or more, got {text!r}')
        overrides[name] = int(text) if text not in (None, "auto") else text
    for name in ("explain", "survey"):
        texts = getattr(found, name)
        overrides[name] = [part_from_words(text) for text in texts] if texts else None
    return SweepSpec.read(found.spec, **overrides)


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
    add = parser.add_argument
    add("spec", nargs="?", metavar="SPEC", help="a TOML file; options below win over what it says")
    add("--run", metavar="DIR", help="the run folder: made if absent, gone on with if not")
    what = parser.add_argument_group("what is done")
    what.add_argument("--model", metavar="MODEL", help="a registered name or package.module:factory (default: shapes)")
    what.add_argument("--weights", metavar="FILE|URL", help="the model's weights")
    what.add_argument("--source", metavar="PATH", help="a folder, an .npz or .zarr, or package.module:factory")
    what.add_argument("--labels", metavar="folders|CSV", help="where the labels of a folder's images come from")
    what.add_argument("--crop-share", type=float, metavar="X", help="the crop's share of the resized short side")
    what.add_argument("--explain", action="append", metavar="'NAME option=value ...'", help="may be repeated")
    what.add_argument("--survey", action="append", metavar="'NAME option=value ...'", help="may be repeated")
    what.add_argument("--seed", type=int, metavar="INT", help="of everything random (default: 0)")
    what.add_argument("--limit", type=int, metavar="N", help="only the first N images")
    what.add_argument("--max-bad", metavar="N|SHARE", help="images that may be unreadable (default: 0.1%%)")
    what.add_argument("--device-batch", metavar="auto|N", help="images per device and step; frozen with the run")
    what.add_argument("--inner-chunk", metavar="auto|N", help="evaluations per image at once; frozen with the run")
    how = parser.add_argument_group("how it is run; changes no result")
    how.add_argument("--resume", choices=("auto", "must", "never"), default="auto", help="(default: auto)")
    how.add_argument("--restart", action="store_true", help="throw away what lies in the run folder")
    how.add_argument("--memory-budget", metavar="SHARE|SIZE", default="0.6", help="per device (default: 0.6)")
    how.add_argument("--workers", type=int, default=0, metavar="N", help="processes that decode; 0: threads")
    how.add_argument("--ckpt-every", default="120s", metavar="120s|50steps", help="(default: 120s)")
    how.add_argument("--keep", type=int, default=3, metavar="N", help="checkpoints kept (default: 3)")
    how.add_argument("--compile-cache", metavar="DIR|off", help="(default: a private folder for this jaxlib and CPU)")
    how.add_argument("--shard", default="0/1", metavar="i/n", help="only part i of n; `cnnviz merge` joins them")
    how.add_argument(
        "--dry-run", action="store_true", help="print device batch, memory, steps, sizes and time; write nothing"
    )
    how.add_argument("--measure", action="store_true", help="with --dry-run: time a few steps for the estimate")
    where = parser.add_argument_group("processes and devices; found unasked under SLURM, Open MPI and on TPU slices")
    where.add_argument("--devices", type=int, metavar="N", help="split this machine's CPU into N devices")
    where.add_argument("--coordinator", metavar="HOST:PORT", help="of process 0; with the next two")
    where.add_argument("--num-processes", type=int, metavar="P")
    where.add_argument("--process-id", type=int, metavar="I")
    where.add_argument("--heartbeat", type=int, default=100, metavar="S", help="silence that ends a run (default: 100)")
    where.add_argument("--init-timeout", type=int, default=300, metavar="S", help="wait for all (default: 300)")
    return parser
