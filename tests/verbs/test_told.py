"""What every verb tells while and after it works: bars where somebody watches, Python warnings of our own."""

import sys
import warnings

import pytest

import cnnviz_jax as cv
from cnnviz_jax.progress import bars
from cnnviz_jax.verbs.outermost import verb
from tests.results.every_result import images, model
from tests.results.test_notebook import in_a_notebook


def told(work):
    """What a call warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    return caught


def test_what_a_result_warns_of_is_raised_as_our_own_warning_at_the_users_line():
    bright = images() * 5
    (warning,) = told(lambda: cv.explain("saliency", model(), bright, 1))
    assert issubclass(warning.category, cv.CnnvizWarning)
    assert "expected in [0, 1]" in str(warning.message)
    assert warning.filename == __file__


def test_a_verb_inside_another_keeps_still():
    found = told(lambda: cv.compare(model(), images() * 5, ["saliency"], ["sparseness"], 1))
    assert [str(each.message) for each in found] == []


def test_the_users_own_progress_is_called_and_nothing_is_drawn(capsys):
    seen = []
    cv.explain("occlusion", model(), images(), 1, window=4, stride=4, progress=lambda *each: seen.append(each))
    assert seen[-1][0] == seen[-1][1]
    assert capsys.readouterr().err == ""


@verb
def work(*, progress=None):
    """Stand in for a verb that takes a second."""
    for done in range(3):
        progress(done, 2, "<work>")


def at_once(monkeypatch):
    monkeypatch.setattr(bars, "SHOWN_AFTER_S", 0.0)
    monkeypatch.setattr(bars, "_UPDATE_EVERY_S", 0.0)
    monkeypatch.delenv(bars.VARIABLE, raising=False)


def test_a_terminal_gets_a_bar_and_a_pipe_does_not(monkeypatch, capsys):
    at_once(monkeypatch)
    work()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with bars.terminal_bar(after_s=0) as bar:
        bar(1, 2, "<work>")
    assert "<work>" in capsys.readouterr().err


def test_work_that_is_soon_done_draws_no_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    work()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("off", [{"progress": False}, {}])
def test_bars_are_turned_off_by_argument_and_by_variable(monkeypatch, capsys, off):
    at_once(monkeypatch)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    if not off:
        monkeypatch.setenv(bars.VARIABLE, "off")
    work(**off)
    assert capsys.readouterr().err == ""


def test_a_notebook_gets_a_bar_that_goes_when_the_work_is_done(monkeypatch):
    at_once(monkeypatch)
    shown = in_a_notebook(monkeypatch)
    handle = sys.modules["IPython"].display
    updates = []
    handle.display = lambda text, display_id=False: shown.append(text) or type("", (), {"update": updates.append})()
    work()
    assert shown == ['<progress max="100" value="0"></progress> 0 % &lt;work&gt;']
    assert updates[-2:] == ['<progress max="100" value="100"></progress> 100 % &lt;work&gt;', ""]


def test_asked_for_without_a_terminal_lines_are_printed(monkeypatch, capsys):
    now = iter([0.0, 6.0, 12.0, 18.0])
    lines = bars.lines
    monkeypatch.setattr(bars, "lines", lambda: lines(clock=lambda: next(now), every_s=5.0))
    work(progress=True)
    assert capsys.readouterr().err.splitlines()[-1] == "cnnviz: <work>: 100 %, 0 s left"
