"""Progress with time left on stderr: a bar on a terminal, a line every few seconds otherwise."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Progress = Callable[[int, int, str], None]
"""`progress(done, total, what)`, called as work goes on; `what` names the stage."""

LINE_EVERY_S = 5.0
"""Least time between two lines where stderr is no terminal."""


@contextlib.contextmanager
def progress_on_stderr(*, quiet: bool) -> Iterator[Progress | None]:
    """Give a callable that shows progress while the block runs, or `None` if quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield bar
    else:
        yield lines()


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks: dict[str, TaskID] = {}

        def update(done: int, total: int, what: str) -> None:
            if what not in tasks:
                for earlier in tasks.values():
                    shown.update(earlier, visible=False)
                tasks[what] = shown.add_task(escape(what), total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield update


def lines(*, clock: Callable[[], float] = time.monotonic, every_s: float = LINE_EVERY_S) -> Progress:
    """Return progress that prints a line at most every `every_s` seconds, the first after that time.

    Args:
        clock: Seconds that only grow.
        every_s: Least time between two lines.
    """
    begun: dict[str, tuple[float, int]] = {}
    printed_s = clock()

    def update(done: int, total: int, what: str) -> None:
        nonlocal printed_s
        now_s = clock()
        start_s, start_done = begun.setdefault(what, (now_s, done))
        if now_s - printed_s < every_s:
            return
        printed_s = now_s
        gained, spent_s = done - start_done, now_s - start_s
        left = f", {duration((total - done) * spent_s / gained)} left" if gained > 0 and spent_s > 0 else ""
        print(f"cnnviz: {what}: {done}/{total}{left}", file=sys.stderr, flush=True)

    return update


def duration(seconds: float) -> str:
    """Return a time for people: `8 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
