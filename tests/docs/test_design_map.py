"""The map in docs/design.md has every entry of both packages' top level and every sub-folder, and nothing else."""

from pathlib import Path

import pytest

from .pages import CHECKOUT, DOCS, blocks

PACKAGES = ("cnnviz_jax", "plugins/cnnviz_plugins")


def drawn() -> dict[str, str]:
    """Return each path on the map with the words beside it."""
    found: dict[str, str] = {}
    path: list[str] = []
    for line in blocks(DOCS / "design.md", "text")[0].text.splitlines():
        name, _, words = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2
        path[depth:] = [name]
        found["".join(path)] = words.strip()
    return found


def is_code(path: Path) -> bool:
    return path.name != "__pycache__" and (path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py"))))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_map_shows_the_tree(package):
    root = CHECKOUT / package
    top = {path for path in root.iterdir() if is_code(path)}
    if package != "cnnviz_jax":
        top -= {root / "__init__.py"}  # a docstring and nothing else
    inner = {path for folder in top if folder.is_dir() for path in folder.iterdir() if path.is_dir() and is_code(path)}
    names = {f"{path.relative_to(CHECKOUT)}{'/' if path.is_dir() else ''}" for path in {root} | top | inner}
    assert {path for path in drawn() if path.startswith(package)} == names


def test_every_entry_of_the_map_has_words_beside_it():
    assert [path for path, words in drawn().items() if not words] == [f"{package}/" for package in PACKAGES]
