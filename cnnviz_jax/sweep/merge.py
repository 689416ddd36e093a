"""From shards to one result: the same merge as between devices, and the examples copied row by row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.data.source import Source
from cnnviz_jax.engine.reducers import Reducer
from cnnviz_jax.model.model import Model
from cnnviz_jax.sweep.checking import require_whole
from cnnviz_jax.sweep.errors import FingerprintError, SweepUsageError
from cnnviz_jax.sweep.identity import part_of_run
from cnnviz_jax.sweep.layout import Lock, RunFolder
from cnnviz_jax.sweep.resolved import source_of
from cnnviz_jax.sweep.result import facts_of, is_done, read_manifest, read_totals, write_results
from cnnviz_jax.sweep.run_file import arrays_of, is_run, read_run, write_run
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.sweep.step import COUNTS
from cnnviz_jax.sweep.store import ExampleStore, drop_unfinished, storing
from cnnviz_jax.sweep.work import Work

_ROWS_AT_ONCE = 4096


def shard_folders(words: Sequence[str | Path]) -> list[RunFolder]:
    """Return the run folders of shards: those named, or all that lie in the one folder named.

    Raises:
        SweepUsageError: There are none.
    """
    folders = []
    for word in words:
        root = RunFolder(Path(word))
        folders += root.shard_folders or [root]
    for folder in folders:
        if not is_run(folder):
            raise SweepUsageError(f"no run in {folder.root}; name the --run folder of the shards, or the shards' own")
    return folders


def merge(shards: Sequence[RunFolder], out: RunFolder, model: Model, source: Source | None = None) -> RunFolder:
    """Join the shards of one sweep into `out`, and return it.

    The result is the same to the last byte as that of a run that was never cut up.

    Args:
        shards: The run folders of all shards.
        out: Where the result goes.
        model: The model that was swept.
        source: The images that were swept; opened by the name the run knows when not given, which for a factory
            imports it.

    Raises:
        FingerprintError: They are not of one sweep, or `out` holds something else.
        SweepUsageError: One is missing, there twice, or not finished.
        StorageError: The disk is full or failing.
    """
    runs = [read_run(folder) for folder in shards]
    _check_complete(shards, runs)
    if is_run(out):
        merged = read_run(out)
        if merged["fingerprint"] != runs[0]["fingerprint"]:
            raise FingerprintError(f"{out.root} belongs to another sweep; merge into another folder with --out")
        if is_done(out, merged):
            return out  # merged before: the same shards give the same bytes
    lock = Lock(out.lock)
    try:
        identity, manifests = runs[0]["identity"], [read_manifest(folder) for folder in shards]
        reducers = _reducers(runs[0], model, source)
        # Totals, not results: a mean of means is rounded, totals are exact and merge in any order.
        parts = [read_totals(folder) for folder in shards]
        totals = {name: reducer.merge([part[name] for part in parts]) for name, reducer in reducers.items()}
        totals[COUNTS] = {"count": np.sum([part[COUNTS]["count"] for part in parts], 0)}
        for folder, run, part in zip(shards, runs, parts, strict=True):
            first, stop = part_of_run(run)
            require_whole(_store(folder, run), first, stop, counted=stop, counts=part[COUNTS]["count"])
        if not is_run(out):
            with storing("the run folder"):
                write_run(out, {**runs[0], "shard": [0, 1]})
        _copy_examples(shards, runs[0], out)
        same = all(each["environment"] == manifests[0]["environment"] for each in manifests)
        kept = all(each["bit_equality"] == "promised" for each in manifests)
        changed = "" if same and kept else "differ between shards"
        facts = facts_of(runs[0], identity["images"], (0, 1), totals, manifests[0]["environment"], changed)
        write_results(out, reducers, totals, facts)
    finally:
        lock.release()
    return out


def _check_complete(shards: Sequence[RunFolder], runs: Sequence[dict[str, Any]]) -> None:
    for folder, run in zip(shards, runs, strict=True):
        if run["fingerprint"] != runs[0]["fingerprint"] or run["shard"][1] != runs[0]["shard"][1]:
            raise FingerprintError(f"{folder.root} and {shards[0].root} are not shards of one sweep")
    count = runs[0]["shard"][1]
    found = [run["shard"][0] for run in runs]
    twice = sorted({index for index in found if found.count(index) > 1})
    if twice:
        raise SweepUsageError(f"shard {twice[0]}/{count} is given twice")
    missing = [str(index) for index in range(count) if index not in found]
    if missing:
        raise SweepUsageError(f"shards of {count} are missing: {', '.join(missing)}; run --shard {missing[0]}/{count}")
    for folder, run in zip(shards, runs, strict=True):
        if not is_done(folder, run):
            index = run["shard"][0]
            raise SweepUsageError(
                f"shard {index}/{count} in {folder.root} is not finished; run --shard {index}/{count} again"
            )


def _reducers(run: dict[str, Any], model: Model, source: Source | None) -> dict[str, Reducer]:
    spec = SweepSpec.from_mapping(run["spec"])
    return Work.plan(spec, model, source or source_of(spec, model.input_shape, model.labels or ())).reducers


def _copy_examples(shards: Sequence[RunFolder], run: dict[str, Any], out: RunFolder) -> None:
    identity, specs = run["identity"], arrays_of(run)
    # From the start again after a kill: a row that is written twice has the same bytes.
    drop_unfinished(out.examples)
    target = ExampleStore.create(out.examples, specs, identity["images"], identity["device_batch"])
    for folder in shards:
        own = read_run(folder)
        source = _store(folder, own)
        first, stop = part_of_run(own)
        step = max(identity["device_batch"], _ROWS_AT_ONCE // identity["device_batch"] * identity["device_batch"])
        for begin in range(first, stop, step):
            # Up to the end of the last device batch: a store's padding belongs to its bytes too.
            rows = slice(begin, min(begin + step, -(-stop // identity["device_batch"]) * identity["device_batch"]))
            target.put(begin, {name: source.read(name, rows) for name in specs})
            target.flush()


def _store(folder: RunFolder, run: dict[str, Any]) -> ExampleStore:
    identity = run["identity"]
    return ExampleStore.of_run(folder.examples, arrays_of(run), identity["images"], identity["device_batch"])


def out_folder(words: Sequence[str | Path], out: str | None) -> RunFolder:
    """Return where the merged run goes: `out`, or the one folder that holds the shards.

    Raises:
        SweepUsageError: Several folders and no `out`.
    """
    if out is not None:
        return RunFolder(Path(out))
    if len(words) == 1 and RunFolder(Path(words[0])).shard_folders:
        return RunFolder(Path(words[0]))
    raise SweepUsageError(
        f"say where the merged run goes: --out DIR (shards: {', '.join(str(word) for word in words)})"
    )
