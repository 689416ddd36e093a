"""State that survives a kill: Orbax writes it, our own SHA-256 says whether it can be believed.

Orbax does not notice a flipped bit and lists half-deleted steps as valid, so a step counts only if its hash
over every array and the position is right. Only process 0 reads and writes checkpoints: the totals are merged
there, and the others need no more than the position.

Orbax only writes and reads one step at a time here. Its own background saves wait by the wall clock, so that a clock
set forward ends them, and print tracebacks when the disk is full; its own deletions leave half a step when killed. So
the thread is ours, and an old step is renamed before it is deleted.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from cnnviz_jax.engine.chunk_planning import free_device_bytes
from cnnviz_jax.engine.reducers import Total
from cnnviz_jax.files import append_json, read_lines
from cnnviz_jax.model.digests import named_digest
from cnnviz_jax.sweep.chatter import without_chatter
from cnnviz_jax.sweep.errors import CheckpointError, one_line
from cnnviz_jax.sweep.layout import FORMAT, RunFolder, irregular, remove
from cnnviz_jax.sweep.run_file import read_object
from cnnviz_jax.sweep.store import storing

_REJECTED_KEPT = 10
_STEP = re.compile(r"[0-9]{1,10}")
_OLD = ".old-"
"""What the names of steps begin with that are being deleted."""


@dataclass(frozen=True)
class State:
    """Everything that is checkpointed."""

    next_index: int
    """The first example that is not in the totals."""
    totals: dict[str, Total]
    """By reducer; the images counted by status stand among them."""


class Checkpoints:
    """The checkpoints of a run, on process 0."""

    def __init__(self, folder: RunFolder, fingerprint: str, keep: int = 3) -> None:
        self._folder, self._fingerprint, self._keep = folder, fingerprint, keep
        self._manager: Any = None
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._saving: tuple[int, Future[None]] | None = None

    def restore(self, empty: dict[str, Total]) -> State | None:
        """Return the newest state that verifies, or `None` where no checkpoint was ever finished.

        All other steps that fail are moved aside, older ones too. The manager for saving is opened after this.

        Raises:
            CheckpointError: There are or were checkpoints and none verifies; nothing is touched.
        """
        # Newest first, and never "begin anew" by itself: the totals of a long run are worth more than an automatism.
        steps = step_folders(self._folder.checkpoints)
        failed: list[tuple[Path, str]] = []
        found = None
        for path in steps:
            try:
                state = read_state(path, self._fingerprint, expected=empty)
                found = found or state
            except Exception as error:  # whatever a damaged file makes a library raise
                failed.append((path, f"{type(error).__name__}: {one_line(error, 120)}"))
        if steps and found is None:
            reasons = "; ".join(f"{path.name}: {why}" for path, why in failed[:3])
            raise CheckpointError(
                f"none of the {len(steps)} checkpoints in {self._folder.checkpoints} can be trusted ({reasons}); "
                f"restore them from a copy, or begin anew with --restart"
            )
        if found is None and (gone := self._newest_ever()) is not None:
            raise CheckpointError(
                f"{self._folder.root} has counted its images up to {gone}, and its checkpoints in "
                f"{self._folder.checkpoints} are gone; restore them from a copy, or begin anew with --restart"
            )
        # Moved, as Orbax refuses to save a step that exists, and the run will come past it again; not deleted, as they
        # may say what is wrong with the disk.
        with storing("the checkpoints"):
            for path, _ in failed:
                _reject(path, self._folder.rejected)
            _discard_old(self._folder.checkpoints)
        return found

    def _newest_ever(self) -> int | None:
        """Return the newest step that was ever durable, `None` if none was."""
        told = [line.get("next_index") for line in read_lines(self._folder.root)]
        return max((step for step in told if isinstance(step, int)), default=None)

    def open(self) -> None:
        """Make ready to save."""
        import orbax.checkpoint as ocp

        with storing("the checkpoints"), without_chatter():
            self._folder.checkpoints.mkdir(parents=True, exist_ok=True)
            options = ocp.CheckpointManagerOptions(
                create=False,
                cleanup_tmp_directories=True,
                enable_async_checkpointing=False,
                multiprocessing_options=_alone(),
            )
            self._manager = ocp.CheckpointManager(self._folder.checkpoints.absolute(), options=options)

    def save(self, state: State) -> None:
        """Begin to save; an error shows at the next call of any of these.

        Raises:
            StorageError: The disk is full or failing.
        """
        # One in the background at a time: the totals are a few megabytes, and order is what makes them count.
        self._settle()
        meta = {
            "format": FORMAT,
            "fingerprint": self._fingerprint,
            "next_index": state.next_index,
            "sha256": state_digest(state),
            "arrays": {
                f"{r}\0{n}": [list(a.shape), str(a.dtype)] for r, t in state.totals.items() for n, a in t.items()
            },
            "processes": jax.process_count(),
            "devices": jax.device_count(),
        }
        # Numbers for names: a layer's name may hold anything, and Orbax makes files of names. Names go into the JSON.
        tree = {f"{i:04d}": leaf for i, (_, _, leaf) in enumerate(_leaves(state))}
        self._saving = state.next_index, self._thread.submit(self._save, state.next_index, tree, meta)

    def _save(self, step: int, tree: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        import orbax.checkpoint as ocp

        args = ocp.args.Composite(state=ocp.args.StandardSave(tree), meta=ocp.args.JsonSave(meta))
        with without_chatter():
            if not self._manager.save(step, args=args, force=True):
                raise OSError(f"Orbax did not save step {step}")

    def check(self) -> None:
        """Raise what went wrong in the background, if anything did."""
        if self._saving is not None and self._saving[1].done():
            self._settle()

    def _settle(self) -> None:
        """Wait until what is being saved is durable, note that it is, and discard what is older than is kept."""
        with storing("a checkpoint"):
            self._manager.wait_until_finished()
            self._manager.check_for_errors()
            if self._saving is None:
                return
            step, saving = self._saving
            self._saving = None
            saving.result()
            append_json(self._folder.finished_checkpoints, {"time": time.time(), "next_index": step})
            for path in step_folders(self._folder.checkpoints)[self._keep :]:
                path.rename(path.with_name(f"{_OLD}{path.name}"))
            _discard_old(self._folder.checkpoints)

    def finish(self) -> None:
        """Wait until everything saved is durable, and close."""
        try:
            self._settle()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the thread and of Orbax, whatever became of what was being saved."""
        self._thread.shutdown(wait=True)
        if self._manager is not None:
            with contextlib.suppress(Exception):  # what was saved is durable, or was told of
                self._manager.close()


def step_folders(folder: Path) -> list[Path]:
    """Return the folders of all steps, newest first; unfinished ones have another name."""
    found = [path for path in folder.iterdir() if _STEP.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def read_state(path: Path, fingerprint: str | None = None, *, expected: dict[str, Total] | None = None) -> State:
    """Return the state of one step.

    Args:
        path: The step's folder.
        fingerprint: That of the run it must belong to.
        expected: Totals of the shapes that it must have.

    Raises:
        CheckpointError: It does not verify. Orbax may raise anything else for damaged files.
    """
    import orbax.checkpoint as ocp

    if (strange := irregular(path)) is not None:
        raise CheckpointError(f"{strange} is neither file nor folder")
    meta = read_object(path / "meta" / "metadata")
    if meta["format"] != FORMAT or (fingerprint is not None and meta["fingerprint"] != fingerprint):
        raise CheckpointError(f"{path} belongs to another run")
    # Arrays of the right shapes to be filled: without them Orbax restores by its own metadata, which may be damaged.
    names = [key.split("\0") for key in sorted(meta["arrays"])]
    kinds = [meta["arrays"][key] for key in sorted(meta["arrays"])]
    if expected is not None and _shapes_told(names, kinds) != _shapes(expected):
        raise CheckpointError("its arrays are not those of this sweep")
    need = sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in kinds)
    if need > free_device_bytes():
        raise CheckpointError(f"{path} says that its arrays have {need:,} bytes, more than there is memory")
    template = {f"{i:04d}": np.zeros(shape, kind) for i, (shape, kind) in enumerate(kinds)}
    options = _alone()
    with (
        without_chatter(),
        ocp.Checkpointer(
            ocp.StandardCheckpointHandler(multiprocessing_options=options), multiprocessing_options=options
        ) as reader,
    ):
        tree = reader.restore((path / "state").absolute(), args=ocp.args.StandardRestore(template))
    totals: dict[str, Total] = {}
    for i, (reducer, name) in enumerate(names):
        totals.setdefault(reducer, {})[name] = np.asarray(tree[f"{i:04d}"])
    state = State(int(meta["next_index"]), totals)
    if state_digest(state) != meta["sha256"] or path.name != str(state.next_index):
        raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one written with it")
    return state


def state_digest(state: State) -> str:
    """Return the SHA-256 over the position and every array."""
    named = ((f"\0{reducer}\0{name}", leaf) for reducer, name, leaf in _leaves(state))
    return named_digest(named, str(state.next_index))


def _leaves(state: State) -> list[tuple[str, str, np.ndarray]]:
    # Sorted by what `read_state` sorts by: number i is the same array when it is read.
    every = [(r, n, np.asarray(leaf)) for r, total in state.totals.items() for n, leaf in total.items()]
    return sorted(every, key=lambda item: f"{item[0]}\0{item[1]}")


def _shapes(totals: dict[str, Total]) -> dict[tuple[str, str], tuple[list[int], str]]:
    return {(r, n): (list(a.shape), str(a.dtype)) for r, t in totals.items() for n, a in t.items()}


def _shapes_told(names: list[list[str]], kinds: list[Any]) -> dict[tuple[str, ...], tuple[list[int], str]]:
    return {tuple(name): (list(shape), kind) for name, (shape, kind) in zip(names, kinds, strict=True)}


def _reject(path: Path, rejected: Path) -> None:
    rejected.mkdir(parents=True, exist_ok=True)
    number = 0  # a step may be rejected again, after the run has come past it once more
    while (target := rejected / f"{path.name}.{number}").exists():
        number += 1
    path.rename(target)
    for old in sorted(rejected.iterdir(), key=lambda each: each.lstat().st_mtime)[:-_REJECTED_KEPT]:
        remove(old)


def _discard_old(folder: Path) -> None:
    for path in folder.glob(f"{_OLD}*") if folder.is_dir() else ():
        remove(path)


def _alone() -> Any:
    """Return the options that keep Orbax on process 0: the others take no part and wait at no barrier."""
    import orbax.checkpoint as ocp

    # By default all processes save and wait for one another at barriers. Here the totals are on process 0 alone, and
    # the others must not stand still while it writes.
    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    return ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0}, barrier_sync_key_prefix="cnnviz")
