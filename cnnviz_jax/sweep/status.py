"""How far a run is, read from its folder without disturbing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnviz_jax.files import read_lines
from cnnviz_jax.sweep.checkpoint import step_folders
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.identity import part_of_run
from cnnviz_jax.sweep.layout import RunFolder, holder_of
from cnnviz_jax.sweep.result import is_done
from cnnviz_jax.sweep.run_file import is_run, read_run


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """How far one run, or one shard, is."""

    root: str
    shard: tuple[int, int]
    images: int
    """Images of this shard."""
    counted: int
    """Images in the newest checkpoint."""
    done: bool
    holder: str | None
    """Who runs it now."""
    images_per_s: float | None
    """As last reported."""
    seconds_left: float | None
    unreadable: int
    """Images listed as unreadable so far."""
    last_report_s: float | None
    """When a process last wrote to its log, seconds since 1970."""

    @property
    def state(self) -> str:
        """`done`, `running` or `stopped`."""
        return "done" if self.done else "running" if self.holder else "stopped"


def run_status(folder: RunFolder) -> list[RunStatus]:
    """Return the status of a run, one entry for each of its shards if it has any.

    Raises:
        SweepUsageError: There is no run in the folder.
        DamagedRunError: Its run.json or DONE.json is not what was written.
    """
    found = [_status(each) for each in (folder, *folder.shard_folders) if is_run(each)]
    if not found:
        raise SweepUsageError(f"no run in {folder.root}")
    return found


def _status(folder: RunFolder) -> RunStatus:
    run = read_run(folder)
    first, stop = part_of_run(run)
    steps = step_folders(folder.checkpoints)
    # By names alone: opening a checkpoint of a live run could find it half deleted.
    done = is_done(folder, run)
    counted = stop - first if done else min(max(0, int(steps[0].name) - first), stop - first) if steps else 0
    # The log and the lists of errors are only ever appended to: they can be read while they are written.
    lines = [line for line in read_lines(folder.root / "log") if is_report(line)]
    newest = max(lines, key=lambda line: line["time"], default=None)
    # All processes log the same rate, that of the whole run: any newest line will do.
    rate = float(newest["images_per_s"]) if newest else None
    unreadable = {line.get("id") for line in read_lines(folder.root / "errors") if isinstance(line.get("id"), int)}
    return RunStatus(
        root=str(folder.root),
        shard=tuple(run["shard"]),
        images=stop - first,
        counted=counted,
        done=done,
        holder=holder_of(folder.lock),
        images_per_s=rate,
        seconds_left=(stop - first - counted) / rate if rate and not done else None,
        unreadable=len(unreadable),
        last_report_s=float(newest["time"]) if newest else None,
    )


def is_report(line: dict[str, Any]) -> bool:
    """Return whether a line of the log reports progress; a file is whatever somebody has made of it."""
    values = [line.get(name) for name in ("time", "images_per_s", "devices")]
    return all(isinstance(value, int | float) and 0 < value < 1e15 for value in values)
