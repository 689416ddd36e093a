"""Nothing imports in a circle, neither between modules nor between folders, lazy and type-only imports counted too."""

import pytest

from tests.architecture.imports import Import, circles, imports, modules

NAMED_EXCEPTIONS: dict[tuple[str, str], str] = {}
"""Imports that may close a circle, each with its reason; none is needed."""


def edges(kinds: tuple[str, ...]) -> list[Import]:
    return [each for each in imports() if each.kind in kinds and (each.importer, each.imported) not in NAMED_EXCEPTIONS]


@pytest.mark.parametrize("kinds", [("top",), ("top", "lazy"), ("top", "lazy", "types")], ids="+".join)
def test_no_modules_import_one_another_in_a_circle(kinds):
    assert circles({(each.importer, each.imported) for each in edges(kinds)}) == []


@pytest.mark.parametrize("kinds", [("top", "lazy"), ("top", "lazy", "types")], ids="+".join)
def test_in_no_folder_do_the_entries_import_one_another_in_a_circle(kinds):
    """The entries of a folder are its modules and its sub-folders, each sub-folder with all that lies below it."""
    for package, path in modules().items():
        if path.name != "__init__.py":
            continue
        depth = len(package.split(".")) + 1
        inside = [
            (".".join(each.importer.split(".")[:depth]), ".".join(each.imported.split(".")[:depth]))
            for each in edges(kinds)
            if each.importer.startswith(f"{package}.") and each.imported.startswith(f"{package}.")
        ]
        assert circles({(start, end) for start, end in inside if start != end}) == [], package


def test_the_finder_of_circles_finds_them():
    assert circles({("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")}) == [["a", "b", "c"]]
    assert circles({("a", "b"), ("b", "c")}) == []


def test_the_graph_sees_lazy_and_type_only_imports():
    found = {each.kind for each in imports()}
    assert found == {"top", "lazy", "types"}
    assert len(modules()) > 300


def test_the_core_never_names_the_plugins():
    assert [
        e for e in imports() if e.importer.startswith("cnnviz_jax") and e.imported.startswith("cnnviz_plugins")
    ] == []
