"""Times that survive a shared machine: wall and CPU time side by side, the load beside them, and when a ratio is final.

CPU time is that of this process and all below it, living ones included. A ratio whose rounds lie further apart than a
fifth of their median is reported with `final: false`: it was measured, and says nothing yet.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FINAL_SPREAD = 0.2
"""(greatest - least) / median of the rounds, up to which a ratio is called final."""


@dataclass(frozen=True)
class Spent:
    """What some work took."""

    wall_s: float
    cpu_s: float
    """Of all threads and of all processes below this one."""


def spent(work: Callable[[], Any]) -> Spent:
    """Run something and return what it took."""
    wall, cpu = time.perf_counter(), tree_cpu_s()
    work()
    return Spent(time.perf_counter() - wall, tree_cpu_s() - cpu)


def tree_cpu_s() -> float:
    """Return the CPU seconds of this process, of its children that have ended, and of all that live below it."""
    ended = os.times()  # in hundredths of a second, unlike the clock of this process
    total = time.process_time() + ended.children_user + ended.children_system
    return total + sum(_cpu_s(number) for number in _below(os.getpid()))


def _below(number: int) -> Iterator[int]:
    """Processes that live below one; none where the system does not list them."""
    for task in Path(f"/proc/{number}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from _below(child)


def _cpu_s(number: int) -> float:
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile, and its parent counts it
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def judged(ratios: Sequence[float]) -> dict[str, Any]:
    """Return the median of some rounds' ratios, their spread, and whether it is final."""
    middle = statistics.median(ratios)
    width = (max(ratios) - min(ratios)) / middle
    return {
        "ratio": round(middle, 3),
        "spread": [round(min(ratios), 3), round(max(ratios), 3)],
        "final": len(ratios) > 2 and width <= FINAL_SPREAD,
    }


def in_turn(sides: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Spent]]:
    """Run some sides one after another, round after round on the same cores, and return what each took every time.

    Args:
        sides: What is compared, each run before or warm already.
        rounds: How often each runs.
    """
    found: dict[str, list[Spent]] = {name: [] for name in sides}
    with pinned():
        for _ in range(rounds):
            for name, work in sides.items():
                found[name].append(spent(work))
    return found


def compared(found: Mapping[str, Sequence[Spent]], slower: str, faster: str) -> dict[str, Any]:
    """Return the medians of two sides and both ratios, of CPU and of wall time, `slower` over `faster`."""
    pairs = list(zip(found[slower], found[faster], strict=True))
    return {
        **{f"{name}_cpu_s": round(statistics.median(each.cpu_s for each in found[name]), 4) for name in found},
        **{f"{name}_wall_s": round(statistics.median(each.wall_s for each in found[name]), 4) for name in found},
        f"{slower}_over_{faster}": {
            "cpu": judged([a.cpu_s / max(b.cpu_s, 1e-9) for a, b in pairs]),
            "wall": judged([a.wall_s / max(b.wall_s, 1e-9) for a, b in pairs]),
        },
        "load": load(),
    }


@contextmanager
def pinned(cores: int | None = None) -> Iterator[int]:
    """Let this process, and so both sides of a comparison in it, use the same cores while the block runs.

    Args:
        cores: How many of those that it may use; all of them when not given.

    Yields:
        How many there are. PyTorch's own threads are to be set to it; XLA's are made once, before the block.
    """
    if not hasattr(os, "sched_getaffinity"):
        yield os.cpu_count() or 1
        return
    before = os.sched_getaffinity(0)
    chosen = set(sorted(before)[:cores])
    os.sched_setaffinity(0, chosen)
    try:
        yield len(chosen)
    finally:
        os.sched_setaffinity(0, before)


def load() -> list[float]:
    """Return how many processes wanted to run lately, over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else []
