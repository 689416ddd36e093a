"""Help and listings import nothing heavy; asserted by the list of modules, not by time."""

import json
from pathlib import Path

import pytest
from fake_distributions import HEAVY, python

import cnnviz_plugins

COUNT = """
import json, sys
from cnnviz_jax.cli import main
code = main({words!r})
print(json.dumps([code, sorted({heavy!r} & sys.modules.keys())]), file=sys.stderr)
"""
PLUGIN_MODULES = sorted(
    ".".join(("cnnviz_plugins", *path.relative_to(folder).with_suffix("").parts))
    for folder in map(Path, cnnviz_plugins.__path__)
    for path in folder.rglob("plugin.py")
)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["techniques"],
        ["techniques", "--json"],
        ["plugins"],
        ["plugins", "--json"],
        ["models"],
        ["adapters"],
        ["renderers"],
        ["explain", "--help"],
        ["explain", "occlusion", "--help"],
        ["synthesize", "--help"],
        ["report", "--help"],
        ["layers", "--help"],
        ["doctor", "--help"],
    ],
    ids=" ".join,
)
def test_help_and_listings_import_nothing_heavy(words):
    done = python("-c", COUNT.format(words=words, heavy=set(HEAVY)))
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []]
    assert done.stdout


def test_the_project_brings_plugin_modules():
    assert PLUGIN_MODULES


@pytest.mark.parametrize("module", PLUGIN_MODULES)
def test_a_built_in_plugin_module_imports_nothing_heavy(module):
    done = python("-c", f"import json, sys, {module}; print(json.dumps(sorted(set({HEAVY!r}) & sys.modules.keys())))")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    "module", ["cnnviz_jax", "cnnviz_jax.plugins", "cnnviz_jax.plugins.specs", "cnnviz_jax.errors"]
)
def test_a_light_module_of_the_core_imports_nothing_heavy(module):
    done = python("-c", f"import json, sys, {module}; print(json.dumps(sorted(set({HEAVY!r}) & sys.modules.keys())))")
    assert json.loads(done.stdout) == []


def test_every_built_in_plugin_is_loaded_through_its_entry_point():
    code = (
        "import json; from cnnviz_jax.plugins import plugins; p = plugins(builtins_only=True);"
        "print(json.dumps([[i.distribution for i in p.loaded], [s.cause for s in p.skipped]]))"
    )
    done = python("-c", code)
    owners, causes = json.loads(done.stdout)
    assert causes == []
    assert set(owners) == {"cnnviz-jax"}
    assert len(owners) == len(PLUGIN_MODULES)
