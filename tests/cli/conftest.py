"""The command line run inside this process, each test with a registry of its own."""

import pytest

from cnnviz_jax.cli import main
from cnnviz_jax.plugins import reset_plugins


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """An empty current folder, no plugin variables, nothing loaded yet."""
    for name in ("CNNVIZ_PLUGINS", "CNNVIZ_DISABLE_PLUGINS", "CNNVIZ_PLUGINS_STRICT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    reset_plugins()
    yield
    reset_plugins()


@pytest.fixture
def cnnviz(capsys):
    """Run a command; returns exit code, stdout, stderr."""

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def refusal(cnnviz):
    """Run a command that must be refused; returns the one sentence it prints."""

    def run(*words):
        code, out, err = cnnviz(*words)
        assert (code, out) == (2, "")
        assert err.startswith("cnnviz: ")
        assert err.count("\n") == 1, err
        return err.removeprefix("cnnviz: ").rstrip("\n")

    return run
