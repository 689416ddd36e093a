"""Progress where the user sees it: a bar on a terminal or in a notebook, a line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import html
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from cnnviz_jax.progress.notebook import display_html, in_notebook, replace_html

Progress = Callable[[int, int, str], None]
"""`progress(done, total, what)`: called from the host between chunks; must be quick."""

VARIABLE = "CNNVIZ_PROGRESS"
"""`off` leaves out the bars that nobody asked for."""
SHOWN_AFTER_S = 0.5
"""Work that is done sooner shows no bar."""
LINE_EVERY_S = 5.0
"""Least time between two lines where stderr is no terminal."""
_UPDATE_EVERY_S = 0.2  # a notebook's front end would fall behind more messages


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""


def as_callable(progress: Progress | bool | None) -> Progress:
    """Return what a verb was given, once `shown` has had its say: a callable, or `silent` in place of anything else."""
    return progress if callable(progress) else silent


@contextlib.contextmanager
def shown(progress: Progress | bool | None) -> Iterator[Progress]:
    """Give a callable that shows progress while the block runs.

    Args:
        progress: The user's own, which is given as it is; `None` for a bar where stderr is a terminal or code runs in a
            notebook, unless `CNNVIZ_PROGRESS=off`; `True` for one in any case, `False` for none.
    """
    is_off = os.environ.get(VARIABLE, "").lower() in ("off", "0", "no", "false")
    if callable(progress):
        yield progress
    elif progress is False or (progress is None and is_off):
        yield silent
    elif in_notebook():
        with _notebook_bar() as bar:
            yield bar
    elif sys.stderr is not None and sys.stderr.isatty():
        with terminal_bar() as bar:
            yield bar
    else:
        yield lines() if progress else silent


@contextlib.contextmanager
def terminal_bar(*, after_s: float = SHOWN_AFTER_S, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Give progress that draws a bar on stderr, which goes when the block ends.

    Args:
        after_s: How long work runs before the bar appears.
        clock: Seconds that only grow.
    """
    begun_s = clock()
    with contextlib.ExitStack() as stack:
        bar: Progress | None = None

        def update(done: int, total: int, what: str) -> None:
            nonlocal bar
            if bar is None and clock() - begun_s >= after_s:
                bar = stack.enter_context(_rich_bar())
            if bar is not None:
                bar(done, total, what)

        yield update


@contextlib.contextmanager
def _rich_bar() -> Iterator[Progress]:
    from rich.console import Console  # costs a tenth of a second, and most work is done sooner
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
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task("", total=None)
        before = (0, 0)

        def update(done: int, total: int, what: str) -> None:
            nonlocal before
            if is_new_work(before, (done, total)):
                drawn.reset(task, total=total)
            before = (done, total)
            drawn.update(task, completed=done, total=total, description=escape(what))

        yield update


@contextlib.contextmanager
def _notebook_bar() -> Iterator[Progress]:
    begun_s = time.monotonic()
    handle: Any = None
    drawn_s = begun_s

    def update(done: int, total: int, what: str) -> None:
        nonlocal handle, drawn_s
        now_s = time.monotonic()
        if now_s - begun_s < SHOWN_AFTER_S or (handle is not None and now_s - drawn_s < _UPDATE_EVERY_S):
            return
        drawn_s = now_s
        percent = 100 * done // max(total, 1)
        bar = f'<progress max="100" value="{percent}"></progress> {percent} % {html.escape(what)}'
        if handle is None:
            handle = display_html(bar)
        else:
            replace_html(handle, bar)

    try:
        yield update
    finally:
        if handle is not None:
            replace_html(handle, "")


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
