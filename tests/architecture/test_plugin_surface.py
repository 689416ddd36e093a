"""Plugins use one import path, the built-in ones too, and every name on it is there, documented and lasting."""

import ast
import inspect

import pytest

from cnnviz_jax import plugin
from tests.architecture.imports import CHECKOUT, imports


def test_the_built_in_plugins_import_nothing_of_the_core_but_the_public_path():
    others = {
        (each.importer, each.imported)
        for each in imports()
        if each.importer.startswith("cnnviz_plugins") and each.imported.startswith("cnnviz_jax")
        if each.imported != "cnnviz_jax.plugin"
    }
    assert others == set()


def test_the_tutorial_plugin_imports_it_too():
    for path in (CHECKOUT / "docs" / "tutorial").rglob("cnnviz_*/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cnnviz_jax"):
                assert node.module == "cnnviz_jax.plugin", path


@pytest.mark.parametrize("name", plugin.__all__)
def test_every_public_name_is_there(name):
    found = getattr(plugin, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert inspect.getdoc(found), f"{name} has no docstring"


def test_a_name_that_is_not_public_is_refused_by_name():
    with pytest.raises(AttributeError, match=r"module 'cnnviz_jax\.plugin' has no attribute 'nothing'"):
        _ = plugin.nothing
