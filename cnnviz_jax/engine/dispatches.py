"""How the steps of an iteration are handed to the device: several in one program where a host is slow to hand over."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import jax

# A step of a small network takes an accelerator less time than the host needs to hand it over, so several go in one
# program. XLA:CPU hands over at once, and runs convolutions inside a loop on one thread.
_MOST = {"cpu": 1}
_MOST_ACCELERATOR = 16
# What handing over costs, in steps; it decides only between lengths that waste about equally much.
_HANDED_OVER = 0.25


def steps_at_once(steps: int, stops: Iterable[int], most: int | None = None) -> int:
    """Return how many steps one dispatch takes: as many as pay off, with few that are computed for nothing.

    All dispatches have one length, so that one program serves; where a stretch between two stops is no multiple of it,
    the last dispatch of the stretch discards what is past the end. 100 steps by 16 gives 10, 97 steps 14.

    Args:
        steps: All of them.
        stops: Before which steps the state is looked at.
        most: At most so many; `None` for what the backend wants.
    """
    wanted = (most or _MOST.get(jax.default_backend(), _MOST_ACCELERATOR), max(1, steps))
    lengths = [end - begin for begin, end in _stretches(steps, stops)]

    def cost(length: int) -> float:
        return sum(-(-each // length) for each in lengths) * (length + _HANDED_OVER)

    # 97 steps: 7 dispatches of 14 compute 98 and cost 7 * 14.25 = 99.75; of 16 they compute 112 and cost 113.75; one by
    # one, 97 * 1.25 = 121.25. From the longest down, as `min` takes the first of equal costs.
    return min(range(min(wanted), 0, -1), key=cost)


def dispatches(steps: int, stops: Iterable[int], length: int) -> Iterator[tuple[int, int]]:
    """Yield the first step of each dispatch and one past its last."""
    for begin, end in _stretches(steps, stops):
        for first in range(begin, end, length):
            yield first, min(first + length, end)


def _stretches(steps: int, stops: Iterable[int]) -> list[tuple[int, int]]:
    return list(pairwise(sorted({0, steps, *(stop for stop in stops if 0 < stop < steps)})))
