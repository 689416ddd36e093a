"""0 done, 1 internal error, 2 the user's mistake, 130 interrupted; and nothing escapes `main`."""

import errno
import io
import os

import pytest

from cnnviz_jax.cli import main
from cnnviz_jax.cli.commands import models
from cnnviz_jax.errors import ModelError


@pytest.fixture
def failing(monkeypatch):
    def arrange(error):
        def run(words, settings):
            raise error

        monkeypatch.setattr(models, "run", run)

    return arrange


def test_help_and_version_are_done(cnnviz):
    assert cnnviz()[0] == 0
    code, out, _ = cnnviz("--help")
    assert code == 0
    assert "exit codes: 0 done, 1 internal error, 2 a mistake" in out
    code, out, _ = cnnviz("--version")
    assert code == 0
    assert out.startswith("cnnviz ")


def test_an_unknown_command_offers_the_nearest(refusal):
    assert refusal("exlpain") == "no command 'exlpain'. Did you mean 'explain'? `cnnviz --help` lists them."


def test_an_unknown_option_is_a_usage_error(refusal):
    assert refusal("models", "--josn").startswith("unrecognized arguments: --josn; `cnnviz models --help`")
    assert refusal("--nope", "models") == "no option '--nope' before the command; `cnnviz --help` shows what there is."


def test_our_own_errors_are_one_sentence_without_traceback(failing, refusal):
    failing(ModelError("the model is in training mode"))
    assert refusal("models") == "the model is in training mode"


def test_debug_shows_the_traceback_too(failing, cnnviz):
    failing(ModelError("the model is in training mode"))
    code, _, err = cnnviz("models", "--debug")
    assert code == 2
    assert "Traceback (most recent call last)" in err
    assert err.endswith("\ncnnviz: the model is in training mode\n")


def test_any_other_error_is_internal_and_says_how_to_report_it(failing, cnnviz):
    failing(ZeroDivisionError("division by zero"))
    code, _, err = cnnviz("models")
    assert code == 1
    assert "ZeroDivisionError: division by zero" in err
    assert "please report it with the lines above, the command and `cnnviz doctor --json`" in err


def test_a_full_disk_is_told_in_a_sentence(failing, refusal):
    failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "page.html"))
    assert refusal("models") == "No space left on device: page.html"


def test_an_interrupt_is_130(failing, cnnviz):
    failing(KeyboardInterrupt())
    assert cnnviz("models") == (130, "", "cnnviz: interrupted\n")


def test_a_reader_that_goes_away_is_no_traceback(failing, monkeypatch, tmp_path):
    failing(BrokenPipeError())
    with (tmp_path / "out").open("w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        monkeypatch.setattr("sys.stderr", io.StringIO())
        assert main(["models"]) == 1
        import sys

        assert sys.stderr.getvalue() == ""
