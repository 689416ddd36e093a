"""Progress lines: rare, and with the time that is left."""

import sys

import pytest

from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.progress.bars import duration, lines, silent


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (65.0, "1 min 05 s"), (3600.0, "1 h 00 min"), (7800.0, "2 h 10 min")],
)
def test_times_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_a_line_comes_at_most_every_few_seconds_and_tells_the_time_left(capsys):
    now = 0.0
    update = lines(clock=lambda: now, every_s=5.0)
    for step in range(101):
        now = 0.2 * step
        update(step, 200, "occlusion")
    printed = capsys.readouterr().err.splitlines()
    assert printed == [
        "cnnviz: occlusion: 12 %, 35 s left",
        "cnnviz: occlusion: 25 %, 30 s left",
        "cnnviz: occlusion: 37 %, 25 s left",
        "cnnviz: occlusion: 50 %, 20 s left",
    ]


def test_other_work_starts_its_own_estimate(capsys):
    now = 0.0
    update = lines(clock=lambda: now, every_s=5.0)
    update(0, 10, "slow")
    now = 100.0
    update(0, 1000, "fast")
    now = 106.0
    update(500, 1000, "fast")
    assert capsys.readouterr().err.splitlines()[-1] == "cnnviz: fast: 50 %, 6 s left"


def test_quiet_gives_no_progress_and_no_terminal_gives_lines(capsys):
    with progress_on_stderr(quiet=True) as progress:
        assert progress is silent
    with progress_on_stderr(quiet=False) as progress:
        progress(0, 10, "short work")
        progress(10, 10, "short work")
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_that_reads_no_markup(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with progress_on_stderr(quiet=False) as progress:
        progress(0, 10, "[red]layer[/red]")
        progress(5, 10, "[red]layer[/red]")
        progress(1, 20, "next")
    assert "[red]layer[/red]" in capsys.readouterr().err
