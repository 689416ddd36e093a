"""Signals during long work: the first asks for the end of what is under way, so that what is done can be kept."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence


class Stop:
    """Whether somebody has asked for the end."""

    def __init__(self) -> None:
        self.asked = False


def _interrupt() -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def stoppable(
    *, listens: bool = True, signals: Sequence[int] = (signal.SIGINT,), second: Callable[[], None] = _interrupt
) -> Iterator[Stop]:
    """Listen for Ctrl-C while the block runs, and then restore what was there.

    Args:
        listens: Whether to; outside the main thread nobody can.
        signals: Further signals, or others. What listened before, such as JAX for SIGTERM where there are several
            processes, is silent meanwhile.
        second: What another signal does once the end was asked for.
    """
    stop = Stop()

    def caught(number: int, frame: object) -> None:
        # Only noted at first: an exception would fall into whatever line is being run, half a file written among them.
        if stop.asked:
            second()
        stop.asked = True

    if not listens or threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, caught) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
