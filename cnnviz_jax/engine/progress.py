"""Progress of long work: how much is done, and how long the rest will take."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import jax

Progress = Callable[[int, int, str], None]
"""`progress(done, total, what)`: called from the host between chunks; must be quick."""


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""


def seconds_left(started: float, done: int, total: int) -> float | None:
    """Return how long the rest will take at the pace so far; `None` before anything is done.

    Args:
        started: `time.monotonic()` when the work began.
        done: Evaluations done since.
        total: Evaluations in all.
    """
    return None if done <= 0 else (time.monotonic() - started) / done * (total - done)


class InFlight:
    """Keeps few programs in flight, so that the device never waits and progress never runs ahead of it."""

    def __init__(self, most: int = 2) -> None:
        self._tokens: deque[Any] = deque()
        self._most = most

    def add(self, token: Any) -> None:
        """Note a program's output; waits for the one `most` programs back."""
        self._tokens.append(token)
        if len(self._tokens) > self._most:
            jax.block_until_ready(self._tokens.popleft())

    def drain(self) -> None:
        """Wait for all of them."""
        while self._tokens:
            jax.block_until_ready(self._tokens.popleft())
