"""Why a sweep stops, and the exit code that tells a launcher what to do about it.

A launcher starts the same command again after any code but 0, 2, 3, 4, 6 and 7. Only the file `DONE.json`
proves success: in a run of many processes the exit code of one says nothing about the others.
"""

from __future__ import annotations

from typing import Any

from cnnviz_jax.errors import CnnvizError, UsageError


def one_line(text: object, longest: int = 300) -> str:
    """Return the first line of what a library or a file says, without what would move a terminal's cursor."""
    lines = str(text).strip().splitlines() or [type(text).__name__ if isinstance(text, BaseException) else ""]
    return "".join(letter for letter in lines[0] if letter.isprintable())[:longest]


class SweepStop(CnnvizError):
    """A sweep that stopped before its end; `code` is the exit code, a keyword of each subclass."""

    code = 1

    def __init_subclass__(cls, *, code: int, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        cls.code = code


class SweepUsageError(SweepStop, UsageError, code=2):
    """A specification that cannot be run."""


class FingerprintError(SweepStop, ValueError, code=3):
    """The run folder belongs to another specification, model or data set."""


class CheckpointError(SweepStop, RuntimeError, code=4):
    """There are checkpoints and none of them can be trusted."""


class DamagedRunError(SweepStop, RuntimeError, code=4):
    """What lies in the run folder is damaged, missing or another's; starting again would not mend it."""


class StorageError(SweepStop, OSError, code=5):
    """The disk is full or failing; the last good checkpoint is intact."""


class BadImagesError(SweepStop, ValueError, code=6):
    """More images could not be read than `max_bad` allows."""


class LockedError(SweepStop, RuntimeError, code=7):
    """Another live process runs in this folder."""


class OutOfMemoryError(SweepStop, MemoryError, code=8):
    """The step does not fit the memory."""


class Interrupted(SweepStop, RuntimeError, code=75):
    """A signal asked for the end, or another process was lost: start the same command again."""


FINAL_CODES = (0, 2, 3, 4, 6, 7)
"""Exit codes after which starting the same command again changes nothing."""

EXIT_CODES = {
    0: "finished, DONE.json written (or it was there)",
    2: "a mistake in the specification",
    3: "the run folder belongs to another specification, model or data set; nothing was touched",
    4: "the run folder is damaged: no checkpoint verifies, or what was counted is gone; --restart begins anew",
    5: "disk full or failing; the last good checkpoint is intact",
    6: "more images could not be read than --max-bad allows",
    7: "another live process runs in this folder",
    8: "the step does not fit the memory",
    75: "stopped by a signal or a lost peer after saving what could be saved: run the same command again",
}
"""What each exit code of `cnnviz sweep` means. 134 and 137 come from JAX and the kernel: run again."""
