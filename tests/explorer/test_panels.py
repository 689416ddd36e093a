"""A stranger's plugin adds a panel to the page of every unit, and what is wrong with one is one sentence."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from cnnviz_jax.errors import PluginError
from cnnviz_jax.plugins import plugins, reset_plugins
from tests.docs.pages import DOCS
from tests.explorer.sites import explore

PROJECT = DOCS / "tutorial" / "cnnviz-favourite-colour"
BROKEN = """
from cnnviz_jax.plugin import PanelSpec, hookimpl

def build(case):
    return lambda unit: {answer}

@hookimpl
def cnnviz_panels():
    yield PanelSpec(name="broken", summary="Broken", build=build)
"""


@pytest.fixture
def registry():
    """The registry, read anew after the test."""
    reset_plugins()
    yield plugins()
    reset_plugins()


def test_the_example_is_a_distribution_of_thirty_lines_of_logic_and_listed(tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(tmp_path), str(PROJECT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    listed = subprocess.run(
        [sys.executable, "-m", "cnnviz_jax.cli", "panels", "--json"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    row = next(row for row in json.loads(listed.stdout) if row["name"] == "favourite-colour")
    assert row["plugin"] == "cnnviz-favourite-colour:favourite-colour"
    code = (PROJECT / "cnnviz_favourite_colour" / "panel.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in code if line.strip()]) <= 30


def test_its_panel_stands_on_the_page_of_every_unit(registry, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT))
    registry.load_file(PROJECT / "cnnviz_favourite_colour" / "plugin.py")
    site = explore(tmp_path / "site", layers="stem", detail="light")
    assert site.summary["panels"][-1] == {"name": "favourite-colour", "title": "Mean colour of what fires it most"}
    for unit in range(6):
        found = site.unit("stem", unit)
        crops = [found.pixels(tile).mean((0, 1)) for tile in found.tiles("exemplars")[:5]]
        shown = [found.facts[name] for name in ("red", "green", "blue")]
        np.testing.assert_allclose(shown, np.mean(crops, 0) / 255, rtol=1e-6)
        (patch,) = found.tiles("favourite-colour")
        np.testing.assert_array_equal(found.pixels(patch)[0, 0], np.round(np.mean(crops, 0)))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("'words'", "panel 'broken' gave str; a list of parts is needed: Text, Facts, Bars"),
        ("[1]", "panel 'broken' gave list; a list of parts is needed"),
        ("1 / 0", "failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_panel_does_wrong_is_told_in_a_sentence(answer, words, registry, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN.format(answer=answer))
    registry.load_file(tmp_path / "broken.py")
    with pytest.raises(PluginError, match=words):
        explore(tmp_path / "site", layers="head", detail="light")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("surveys=['exemplars']", "surveys is .*, not a mapping from names of survey techniques to their options"),
        ("place='first'", "place is 'first', not a whole number"),
        ("build=3", "callable is 3, which is neither callable nor"),
    ],
)
def test_an_unsound_record_is_refused(fields, words, registry, tmp_path):
    record = fields if fields.startswith("build") else f"build=len, {fields}"
    (tmp_path / "unsound.py").write_text(
        "from cnnviz_jax.plugin import PanelSpec, hookimpl\n"
        f"@hookimpl\ndef cnnviz_panels():\n    yield PanelSpec(name='mine', summary='Mine', {record})\n"
    )
    with pytest.raises(PluginError, match=words):
        registry.load_file(tmp_path / "unsound.py")


def test_a_survey_that_does_not_exist_is_told_before_any_work(registry, tmp_path):
    (tmp_path / "asks.py").write_text(
        "from cnnviz_jax.plugin import PanelSpec, hookimpl\n"
        "@hookimpl\ndef cnnviz_panels():\n"
        "    yield PanelSpec(name='asks', summary='Asks', build=len, surveys={'exemplar': {}})\n"
    )
    registry.load_file(tmp_path / "asks.py")
    with pytest.raises(KeyError, match="no survey technique 'exemplar'"):
        explore(tmp_path / "site", layers="head")
    assert not (tmp_path / "site").exists()
