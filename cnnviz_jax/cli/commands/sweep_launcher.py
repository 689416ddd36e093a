"""A sweep whose shards another engine runs: `--on`, and `--print-launcher` for those that start by a script."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from cnnviz_jax.cli.dataclass_options import given_options
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.errors import as_sentence
from cnnviz_jax.plugins.foreign import code_of
from cnnviz_jax.plugins.references import load
from cnnviz_jax.sweep.errors import FINAL_CODES, Interrupted, SweepUsageError
from cnnviz_jax.sweep.launch import Launch
from cnnviz_jax.sweep.launchers import LauncherOptions, ScriptCase, launcher_and_config, merge_words, without_flags
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.spec import SweepSpec

_OWN = tuple(f"--{option.name}".replace("_", "-") for option in fields(LauncherOptions))


def launcher_of(found: argparse.Namespace) -> LauncherOptions | None:
    """Return who runs the shards, `None` where this process does.

    Raises:
        SweepUsageError: Options for this process were given beside it, or such options without it.
    """
    given = given_options(found, LauncherOptions)
    options = LauncherOptions(**given)
    if not (options.on or options.print_launcher):
        if given:
            names = " and ".join(f"--{name}" for name in given)
            raise SweepUsageError(f"{names} without --on or --print-launcher: name who runs the shards")
        return None
    flag = "--on" if options.on else "--print-launcher"
    beside = [f"--{name}" for name in ("shard", "devices") if getattr(found, name) is not None]
    if given_options(found, Launch) or beside:
        others = " and ".join(beside) or "what --coordinator and its like say of this process"
        raise SweepUsageError(f"{flag} cuts the sweep up by itself: leave out {others}; --shards says how many")
    launcher_and_config(options.on or options.print_launcher or "", "connect" if options.on else "script")
    return options


def run_on(
    spec: SweepSpec, found: argparse.Namespace, launcher: LauncherOptions, run: RunOptions, settings: Settings
) -> RunFolder:
    """Run the shards on an engine and merge them; returns the folder."""
    from cnnviz_jax.cli.model import load as load_model
    from cnnviz_jax.cli.progress import progress_on_stderr
    from cnnviz_jax.verbs.run_sweep import run_sweep_on
    from cnnviz_jax.verbs.shard_attempt import ShardAttempt

    cache = found.compile_cache if found.compile_cache is not None else os.environ.get("CNNVIZ_COMPILE_CACHE")
    attempt = ShardAttempt(
        spec=spec.as_dict(),
        run=found.run,
        started_in=str(Path.cwd()),
        compile_cache=cache,
        plugin_files=settings.plugin_files,
        builtins_only=settings.builtins_only,
    )

    def note(sentence: str) -> None:
        print(f"cnnviz: {as_sentence(sentence)}", file=sys.stderr, flush=True)

    with progress_on_stderr(quiet=settings.quiet) as progress:
        return run_sweep_on(
            spec,
            attempt,
            run,
            launcher,
            progress=progress,
            note=note,
            load_it=lambda: load_model(spec.model, spec.weights, quiet=settings.quiet),
        )


def print_script(spec: SweepSpec, words: Sequence[str], run: str, launcher: LauncherOptions, settings: Settings) -> int:
    """Print what a launcher makes of this very command line.

    Raises:
        SweepUsageError: The device batch is left open, or the script would begin anew at every start.
    """
    record, config = launcher_and_config(launcher.print_launcher or "", "script")
    if spec.device_batch == "auto":
        raise SweepUsageError(
            "machines that choose a device batch by their own free memory may not agree, and shards of different ones "
            "cannot be merged: say --device-batch N; `--dry-run` on one of them prints what fits"
        )
    if "--restart" in words:
        raise SweepUsageError("a script with --restart would begin anew at every start; remove the run folder instead")
    own = tuple(word for path in settings.plugin_files for word in ("--plugin", path))
    own += ("--no-plugins",) if settings.builtins_only else ()
    case = ScriptCase(
        words=("sweep", *without_flags(words, _OWN), *own, "--quiet"),
        merge=(*merge_words(spec, run), *own, "--quiet"),
        run=run,
        shards=launcher.shards,
        retries=launcher.retries,
        started_in=str(Path.cwd()),
        final=tuple(code for code in FINAL_CODES if code),
        again=Interrupted.code,
    )
    with code_of(settings.plugins(), "launcher", record):
        text = str(load(record.script or "")(config, case))
    print(text, end="" if text.endswith("\n") else "\n")
    return 0
