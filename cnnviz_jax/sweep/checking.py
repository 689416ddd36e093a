"""Per-example results compared with their digests and with what the checkpoint counts: is all there, at its place?"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cnnviz_jax.sweep.errors import DamagedRunError, StorageError
from cnnviz_jax.sweep.store import STATUS, ExampleStore

_TOLD = 5
"""Faults of one array that are told one by one; more say nothing new."""


@dataclass
class Examined:
    """What was read of the per-example results, and what is wrong with it."""

    faults: list[str] = field(default_factory=list)
    chunks: int = 0
    """Chunks read and found as they were written."""
    counts: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    """Examples by status."""

    @property
    def written(self) -> int:
        """Examples that have a result."""
        return int(self.counts[1:].sum())


def examine(
    store: ExampleStore,
    first: int,
    stop: int,
    *,
    counted: int,
    brief: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Examined:
    """Return what is wrong with the examples of a run, or of one shard of it.

    Every example before `counted` must have its status, and every example with a status all its values, to the digests
    that were made before they were written. Memory is that of a few chunks, time that of what lies on the disk.

    Args:
        store: Opened by `ExampleStore.of_run`.
        first: The first example of the run or shard.
        stop: One past its last.
        counted: One past the last example that the newest checkpoint counts; `stop` for a finished run.
        brief: Read of the larger arrays only the chunk that will be written to next, and look whether the others are
            there: what a start can afford.
        progress: Called as `progress(done, total, "arrays")`.
    """
    found = Examined(faults=[f"{path} is missing or damaged" for path in store.damaged_groups()] if not brief else [])
    # The status first: a live run writes it last, so what it says of other arrays holds when those are read.
    names = [STATUS, *(name for name in store.names if name != STATUS)]
    for number, name in enumerate(names):
        faults = _Faults(name)
        rows, there = store.chunk_rows(name), store.chunks(name)
        needed = range(first // rows, -(-counted // rows)) if counted > first else range(0)
        missing = len(needed) - sum(chunk in needed for chunk in there)
        if missing:
            chunk = next(chunk for chunk in needed if chunk not in there)
            lacks = "was counted and has no status" if name == STATUS else "has a status and no value"
            of = f"{missing} of {len(needed)} chunks missing"
            faults.add(f"example {max(chunk * rows, first)} {lacks}: {of}")
        for chunk in sorted(there):
            begin, end = max(chunk * rows, first), min((chunk + 1) * rows, stop)
            holds_the_next = begin < counted < end
            if begin >= end or (brief and store.specs[name].shape and not holds_the_next):
                continue
            if brief and begin >= counted:
                continue
            fault = _fault(store, name, begin, end, counted, found)
            if fault is None:
                found.chunks += 1
            else:
                faults.add(fault)
        found.faults += faults.told()
        if progress is not None:
            progress(number + 1, len(names), "arrays")
    return found


def require_whole(
    store: ExampleStore, first: int, stop: int, *, counted: int, counts: np.ndarray, brief: bool = False
) -> None:
    """Refuse a run whose per-example results are not what its totals count; see `examine`.

    Args:
        store: Opened by `ExampleStore.of_run`.
        first: The first example of the run or shard.
        stop: One past its last.
        counted: One past the last example that is counted.
        counts: How many of those have each status.
        brief: See `examine`.

    Raises:
        DamagedRunError: Something is missing, damaged or another's.
    """
    found = examine(store, first, stop, counted=counted, brief=brief)
    faults = list(found.faults)
    if not faults and not np.array_equal(_until(store, first, counted), counts):
        faults = ["the statuses are not those that the checkpoint counts"]
    if faults:
        more = f" (and {len(faults) - 3} faults more)" if len(faults) > 3 else ""
        raise DamagedRunError(
            f"results that were counted are missing or damaged in {store.folder}: {'; '.join(faults[:3])}{more}. Bring "
            f"them back from a copy, or begin anew with --restart"
        )


def _fault(store: ExampleStore, name: str, begin: int, end: int, counted: int, found: Examined) -> str | None:
    """Return what is wrong with a chunk; statuses are counted on the way."""
    size = store.device_batch
    try:
        # Whole device batches, which is what digests are of: a run's last one is padded.
        rows = slice(begin // size * size, -(-end // size) * size)
        status = store.read(STATUS, rows)
        written, values = store.digests(rows.start, rows.stop), store.read(name, rows)
    except StorageError as error:
        return f"examples {begin} to {end - 1}: {error}"
    own = slice(begin - rows.start, end - rows.start)
    if name == STATUS:
        found.counts += np.bincount(status[own], minlength=256)
        unwritten = np.flatnonzero(status[own][: max(counted - begin, 0)] == 0)
        if len(unwritten):
            return f"example {begin + unwritten[0]} was counted and has no status"
    expected = store.digests_of(rows.start, {name: values})
    column = store.names.index(name)
    has_status = (status.reshape(-1, size) != 0).any(1)
    wrong = np.flatnonzero(has_status & (expected[:, column] != written[:, column]))
    if not len(wrong):
        return None
    start = rows.start + int(wrong[0]) * size
    if written[wrong[0], column] == 0:
        return f"examples {start} to {min(start + size, end) - 1} have a status and no digest"
    return f"examples {start} to {min(start + size, end) - 1} are not what was computed for them"


def _until(store: ExampleStore, first: int, counted: int) -> np.ndarray:
    counts = np.zeros(4, np.int64)
    for begin in range(first, counted, rows := store.chunk_rows(STATUS)):
        status = store.read(STATUS, slice(begin, min(begin + rows, counted)))
        counts += np.bincount(status, minlength=4)[:4]
    return counts


class _Faults:
    """The faults of one array, the first few in words."""

    def __init__(self, name: str) -> None:
        self._name, self._faults, self._count = name, list[str](), 0

    def add(self, fault: str) -> None:
        self._count += 1
        if self._count <= _TOLD:
            self._faults.append(f"{self._name}: {fault}")

    def told(self) -> list[str]:
        more = self._count - _TOLD
        return [*self._faults, *([f"{self._name}: {more} faults more"] if more > 0 else [])]
