"""Progress with time left on stderr: a bar on a terminal, a line every few seconds otherwise."""

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
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        before = (0, 0)

        def update(done: int, total: int, what: str) -> None:
            nonlocal before
            if is_new_work(before, (done, total)):
                shown.reset(task, total=total)
            before = (done, total)
            shown.update(task, completed=done, total=total, description=escape(what))

        yield update


def lines(*, clock: Callable[[], float] = time.monotonic, every_s: float = LINE_EVERY_S) -> Progress:
    """Return progress that prints a line at most every `every_s` seconds, the first after that time.

    Args:
        clock: Seconds that only grow.
        every_s: Least time between two lines.
    """
    printed_s = clock()
    begun = (printed_s, 0)
    before = (0, 0)

    def update(done: int, total: int, what: str) -> None:
        nonlocal printed_s, begun, before
        now_s = clock()
        if is_new_work(before, (done, total)):
            begun = (now_s, done)
        before = (done, total)
        if now_s - printed_s < every_s:
            return
        printed_s = now_s
        spent_s, gained = now_s - begun[0], done - begun[1]
        left = f", {duration((total - done) * spent_s / gained)} left" if gained > 0 else ""
        print(f"cnnviz: {what}: {100 * done // max(total, 1)} %{left}", file=sys.stderr, flush=True)

    return update


def is_new_work(before: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether (done, total) belongs to other work than the pair before: another total, or less done."""
    return before[1] != now[1] or now[0] < before[0]


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
