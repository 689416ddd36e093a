"""The renderers as the plugin system finds them, and the page in a real browser."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cnnviz_jax as cv
from cnnviz_plugins.renderers.plugin import cnnviz_renderers
from tests.renderers import factories

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_four_renderers_are_offered_with_their_suffixes():
    offered = {spec.name: spec for spec in cnnviz_renderers()}
    assert {name: spec.suffixes for name, spec in offered.items()} == {
        "figure": (".png", ".svg", ".pdf"),
        "html": (".html",),
        "animation": (".gif",),
        "npz": (".npz",),
    }


def test_offering_them_imports_nothing_heavy():
    code = (
        "import sys, cnnviz_plugins.renderers.plugin as p; list(p.cnnviz_renderers());"
        "sys.exit(' '.join({'jax', 'numpy', 'matplotlib', 'jinja2', 'PIL'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["out.png", "OUT.PNG", "out.svg", "out.pdf", "out.html", "out.npz"])
def test_the_suffix_chooses_the_renderer(name, tmp_path):
    path = cv.render(factories.attribution(factories.signed(1, 5, 5)), tmp_path / name)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".html": b"<!DOCTYPE html>", ".npz": b"PK"}
    assert path.read_bytes().startswith(start[path.suffix.lower()])
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here: apt-get install chromium to check the page in a browser"
)
def test_a_browser_shows_the_page_without_a_word_of_complaint(tmp_path: Path):
    page = cv.render(factories.report(), tmp_path / "report.html")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
             f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
             "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"]  # fmt: skip
    done = subprocess.run([CHROMIUM, *flags, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
    assert 'class="has-script"' in done.stdout  # the script ran, so its hash in the policy is right
