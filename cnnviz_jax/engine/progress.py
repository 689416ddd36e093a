"""Progress of long work: how much is done, and of which stage."""

from collections import deque
from typing import Any

import jax

from cnnviz_jax.progress.bars import Progress


def stage(progress: Progress, number: int, stages: int, name: str) -> Progress:
    """Return the progress of stage `number` of several, told on in thousandths of a stage and under its name."""

    def tick(done: int, total: int, what: str) -> None:
        progress(1000 * number + 1000 * done // max(total, 1), 1000 * stages, name)

    tick(0, 1, name)
    return tick


class InFlight:
    """Keeps few programs in flight, so that the device never waits and progress never runs ahead of it."""

    def __init__(self, most: int = 2) -> None:
        self._tokens: deque[Any] = deque()
        self._most = most

    def add(self, token: Any) -> None:
        """Note a program's output; waits for the one `most` programs back."""
        # Two: one computes while the host prepares the next. With more, Ctrl-C and progress would lag by more chunks.
        self._tokens.append(token)
        if len(self._tokens) > self._most:
            jax.block_until_ready(self._tokens.popleft())

    def drain(self) -> None:
        """Wait for all of them."""
        while self._tokens:
            jax.block_until_ready(self._tokens.popleft())
