"""What Orbax and TensorStore print beside the errors that they raise, kept from standing before our sentence."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

_UNAWAITED = r"coroutine '(_create_paths|\w*Handler\.\w+)' was never awaited"
"""Parts of a save that had not begun when another part failed."""


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Keep Orbax from logging, with a traceback, what it also raises, and TensorStore from telling a closed loop.

    The latter comes from threads that outlive the block, so from the first block on it is kept silent for good.
    """
    _silence_the_late()
    logger = logging.getLogger("absl")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _silence_the_late() -> None:
    warnings.filterwarnings("ignore", _UNAWAITED, RuntimeWarning)
    for name in ("excepthook", "unraisablehook"):
        hook = getattr(sys, name)
        if not isinstance(hook, _UnlessLate):
            setattr(sys, name, _UnlessLate(hook))


class _UnlessLate:
    """A hook for errors that nobody can catch, of which those for a loop that is closed say nothing new."""

    def __init__(self, before: Callable[..., Any]) -> None:
        self._before = before

    def __call__(self, *told: Any) -> None:
        # excepthook is given type, error and traceback; unraisablehook one record.
        error = told[1] if len(told) == 3 else told[0].exc_value
        if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
            self._before(*told)
