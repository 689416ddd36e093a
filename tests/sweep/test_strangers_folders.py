"""A run folder from somebody else is data: no code of it runs, nothing is fetched for it, unless that is asked for."""

import os
import shutil
import sys
from pathlib import Path

import pytest

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins import references
from cnnviz_jax.sweep.launch import simulate_devices  # noqa: F401  # what `cnnviz sweep` imports is there
from tests.sweep import fixtures, small

EVIL = """
import pathlib
pathlib.Path({marker!r}).write_text("ran")
from tests.sweep.fixtures import images, net as build
"""


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    return small.sweep(tmp_path_factory.mktemp("finished") / "run").root


@pytest.fixture
def folder(tmp_path, finished_run, monkeypatch):
    """A finished run with a module of the writer's in it, which is the current folder."""
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (run / "evil.py").write_text(EVIL.format(marker=str(tmp_path / "marker")))
    monkeypatch.chdir(run)
    # As `python -m cnnviz_jax.cli` has it; and what the test needs of the checkout is imported already.
    monkeypatch.setattr(sys, "path", [str(run), *sys.path])
    yield run
    sys.modules.pop("evil", None)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "marker"


EDITS = {
    "a factory for the model": ({"model": "evil:build"}, "--model"),
    "a factory for the images": ({"model": "shapes", "source": "evil:images"}, "--source"),
    "weights at an address": ({"model": "shapes", "weights": "http://192.0.2.1/w.safetensors"}, "--model"),
    "weights that are a device": ({"model": "shapes", "weights": "/dev/zero"}, "is no file"),
    "a factory for a survey": (
        {"model": "shapes", "source": "images.npz", "survey": [{"technique": "evil:build", "name": "moments"}]},
        "--trust",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("verb", ["report", "merge"])
def test_finding_8_what_a_folder_names_is_not_run_or_fetched_unasked(folder, marker, edit, verb, capsys):
    changes, remedy = EDITS[edit]
    small.edit_run(folder, **changes)
    words = ["report", "--run", ".", "--out", "page.html"] if verb == "report" else ["merge", ".", "--out", "out"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert not marker.exists()
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1
    if not (verb == "report" and edit in ("a factory for the images", "a factory for a survey")):  # the model is first
        assert remedy in told


def test_finding_8_a_factory_is_never_looked_for_in_the_current_folder(folder, marker, capsys):
    small.edit_run(folder, model="evil:build")
    assert main(["report", "--run", ".", "--trust", "--out", "page.html"]) == 2
    assert "no module 'evil'" in capsys.readouterr().err
    assert not marker.exists()


def test_finding_8_trust_imports_what_is_installed(folder, tmp_path, monkeypatch):
    """By PYTHONPATH as by installation."""
    installed = tmp_path / "installed"
    installed.mkdir()
    os.rename(folder / "evil.py", installed / "evil.py")
    small.edit_run(folder, model="evil:build")
    monkeypatch.setattr(sys, "path", [str(installed), *sys.path])
    assert cv.open_run(folder, trust=True).model.name == "plain"


def test_finding_8_a_model_that_is_given_needs_no_trust(folder, marker):
    small.edit_run(folder, model="evil:build")
    run = cv.open_run(folder, fixtures.net(), source=fixtures.write_npz(folder / "images.npz", count=12).as_posix())
    assert run.model is fixtures.net()
    assert run.heatmaps("saliency").shape[0] == 12
    with pytest.raises(UsageError, match="are not those that were swept"):
        _ = run.source
    assert not marker.exists()


def test_finding_8_an_edited_specification_without_a_new_hash_is_told(folder, marker, capsys):
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace("tests.sweep.fixtures:net", "evil:build"))
    assert main(["report", "--run", ".", "--trust"]) == 2
    assert "run.json is damaged or was edited" in capsys.readouterr().err
    assert not marker.exists()


def test_finding_8_a_model_named_on_the_line_may_lie_in_the_current_folder(folder, marker, capsys):
    """The user's own word, and then the images have to be named as well."""
    assert main(["report", "--run", ".", "--model", "evil:build", "--out", "page.html"]) == 2
    assert "its images are made by 'tests.sweep.fixtures:images', whose code would run" in capsys.readouterr().err
    assert marker.exists()


def test_installed_only_restores_the_path_and_keeps_what_pythonpath_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = [str(tmp_path), "", *sys.path]
    monkeypatch.setattr(sys, "path", list(before))
    with references.installed_only():
        assert str(tmp_path) not in sys.path
        assert "" not in sys.path
        references.look_in_current_folder()
        assert str(tmp_path) not in sys.path
    assert sys.path == before
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with references.installed_only():
        assert str(tmp_path) in sys.path
