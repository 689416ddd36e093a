"""The tutorial's package is a real distribution: built, installed beside this one, tested and run."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import DOCS, WHERE_ASKED

PROJECT = DOCS / "tutorial" / "cnnviz-shifted-saliency"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that holds the package as pip installs it."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(target), str(PROJECT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def run(target: Path, *command: str, cwd: Path) -> str:
    paths = [str(target), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_logic_takes_at_most_twenty_lines():
    tree = ast.parse((PROJECT / "cnnviz_shifted_saliency" / "technique.py").read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    lines = {
        line
        for function in functions
        for statement in function.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for line in range(statement.lineno, statement.end_lineno + 1)
    }
    assert functions
    assert len(lines) <= 20


def test_it_is_listed_among_the_techniques(installed, tmp_path):
    rows = json.loads(run(installed, "-m", "cnnviz_jax.cli", "techniques", "--json", cwd=tmp_path))
    found = next(row for row in rows if row["name"] == "shifted-saliency")
    assert found["plugin"] == "cnnviz-shifted-saliency:shifted-saliency"
    assert found["options"] == ["reach_px"]


def test_its_listing_imports_no_jax(installed, tmp_path):
    code = "import sys; from cnnviz_jax.cli import main; main(['techniques']); print('jax' in sys.modules)"
    assert run(installed, "-c", code, cwd=tmp_path).splitlines()[-1] == "False"


@WHERE_ASKED
def test_its_own_tests_pass(installed, tmp_path):
    tests = str(PROJECT / "tests")
    printed = run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tests, tests, cwd=tmp_path)
    assert "6 passed" in printed


@WHERE_ASKED
def test_explain_runs_it_from_the_command_line(installed, tmp_path):
    command = ("-m", "cnnviz_jax.cli", "explain", "shifted-saliency", "shapes", "--reach-px", "1", "--out", "a.npz")
    image = "import cnnviz_jax as cv, numpy as np; from PIL import Image; Image.fromarray((cv.example_images("
    run(installed, "-c", f"{image}'shapes', 1)[0][0] * 255).astype(np.uint8)).save('photo.png')", cwd=tmp_path)
    run(installed, *command, "photo.png", cwd=tmp_path)
    shown = run(installed, "-c", "import numpy as np; print(np.load('a.npz')['values'].shape)", cwd=tmp_path)
    assert shown.strip() == "(1, 64, 64)"


@WHERE_ASKED
def test_the_report_includes_it(installed, tmp_path, monkeypatch):
    # The other families only cost time here; `.ci/run` writes the page with all of them.
    monkeypatch.setenv("CNNVIZ_PLUGINS", "shifted-saliency,models,adapters,renderers,gradient")
    run(installed, "-m", "cnnviz_jax.cli", "report", "--out", "page.html", cwd=tmp_path)
    assert "shifted-saliency" in (tmp_path / "page.html").read_text(encoding="utf-8")
