"""Ctrl-C during long work: the first asks for the end of the chunk under way, so that what is done can be kept."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Stop:
    """Whether somebody has asked for the end."""

    def __init__(self) -> None:
        self.asked = False

    def _caught(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextlib.contextmanager
def stoppable(listens: bool = True) -> Iterator[Stop]:
    """Listen for Ctrl-C while the block runs, where this is the main thread; the second one interrupts at once."""
    stop = Stop()
    if not listens or threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, stop._caught)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
