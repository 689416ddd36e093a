"""Why a sweep stops, and the exit code that tells a launcher what to do about it.

A launcher starts the same command again after any code but 0, 2, 3, 4, 6 and 7. Only the file `DONE.json`
proves success: in a run of many processes the exit code of one says nothing about the others.
"""

from __future__ import annotations

from cnnviz_jax.errors import CnnvizError, UsageError


class SweepStop(CnnvizError):
    """A sweep that stopped before its end; `code` is the exit code."""

    code = 1


class SweepUsageError(SweepStop, UsageError):
    """A specification that cannot be run."""

    code = 2


class FingerprintError(SweepStop, ValueError):
    """The run folder belongs to another specification, model or data set."""

    code = 3


class CheckpointError(SweepStop, RuntimeError):
    """There are checkpoints and none of them can be trusted."""

    code = 4


class StorageError(SweepStop, OSError):
    """The disk is full or failing; the last good checkpoint is intact."""

    code = 5


class BadImagesError(SweepStop, ValueError):
    """More images could not be read than `max_bad` allows."""

    code = 6


class LockedError(SweepStop, RuntimeError):
    """Another live process runs in this folder."""

    code = 7


class OutOfMemoryError(SweepStop, MemoryError):
    """The step does not fit the memory."""

    code = 8


class Interrupted(SweepStop, RuntimeError):
    """A signal asked for the end, or another process was lost: start the same command again."""

    code = 75


EXIT_CODES = {
    0: "finished, DONE.json written (or it was there)",
    2: "a mistake in the specification",
    3: "the run folder belongs to another specification, model or data set; nothing was touched",
    4: "there are checkpoints and none verifies; nothing was touched, --restart begins anew",
    5: "disk full or failing; the last good checkpoint is intact",
    6: "more images could not be read than --max-bad allows",
    7: "another live process runs in this folder",
    8: "the step does not fit the memory",
    75: "stopped by a signal or a lost peer after saving what could be saved: run the same command again",
}
"""What each exit code of `cnnviz sweep` means. 134 and 137 come from JAX and the kernel: run again."""
