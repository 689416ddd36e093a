"""What Orbax and TensorStore print beside the errors that they raise, kept from standing before our sentence."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any

_UNAWAITED = r"coroutine '(_create_paths|\w*Handler\.\w+)' was never awaited"
"""Parts of a save that had not begun when another part failed."""


@contextlib.contextmanager
def without_log() -> Iterator[None]:
    """Keep Orbax from logging, with a traceback, what it also raises."""
    logger = logging.getLogger("absl")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


class Quiet:
    """Keeps silent what comes from a save that has failed already; from when it is made until `end`.

    TensorStore's threads tell an event loop that is closed by then, and Python says which coroutines nobody awaited.
    """

    def __init__(self) -> None:
        warnings.filterwarnings("ignore", _UNAWAITED, RuntimeWarning)
        self._raised, self._unraisable = sys.excepthook, sys.unraisablehook
        self._own = self._tell_raised, self._tell_unraisable
        sys.excepthook, sys.unraisablehook = self._own

    def end(self) -> None:
        """Let everything be heard again."""
        if (sys.excepthook, sys.unraisablehook) == self._own:
            sys.excepthook, sys.unraisablehook = self._raised, self._unraisable

    def _tell_raised(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not _is_late(error):
            self._raised(kind, error, trace)

    def _tell_unraisable(self, unraisable: Any) -> None:
        if not _is_late(unraisable.exc_value):
            self._unraisable(unraisable)


def _is_late(error: BaseException | None) -> bool:
    return isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
