"""SIGTERM and SIGINT: the first asks for the end of the step, the second ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from cnnviz_jax.sweep.errors import Interrupted


class Signals:
    """Whether somebody has asked this process to stop."""

    def __init__(self) -> None:
        self.asked = False

    def _caught(self, number: int, frame: object) -> None:
        if self.asked:
            os._exit(Interrupted.code)
        self.asked = True


@contextlib.contextmanager
def listening() -> Iterator[Signals]:
    """Listen while the block runs, and then restore what was there.

    JAX listens for SIGTERM too when there are several processes; this comes after it and takes its place.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.signal(number, signals._caught) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
