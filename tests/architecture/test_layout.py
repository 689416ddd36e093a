"""The layout is what docs/design.md says, and no file has become two ideas."""

import re
import statistics

from tests.architecture.imports import CHECKOUT, ROOTS, modules


def lines_of(module):
    return len(modules()[module].read_text(encoding="utf-8").splitlines())


def test_at_most_eight_modules_lie_loose_in_the_core():
    assert len(list(ROOTS["cnnviz_jax"].glob("*.py"))) <= 8


def test_the_median_module_has_at_most_120_lines_and_none_more_than_400():
    sizes = {module: lines_of(module) for module in modules()}
    assert statistics.median(sizes.values()) <= 120
    assert [module for module, size in sizes.items() if size > 400] == []


def test_the_map_in_the_docs_is_the_tree():
    """The fenced block with `cnnviz_jax/` in docs/design.md names every folder and loose module, and nothing else."""
    text = (CHECKOUT / "docs" / "design.md").read_text(encoding="utf-8")
    block = next(part for part in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if "cnnviz_jax/" in part)
    said = set(paths_in(block))
    there = set()
    for root, folder in (("cnnviz_jax", ROOTS["cnnviz_jax"]), ("plugins/cnnviz_plugins", ROOTS["cnnviz_plugins"])):
        packages = [path.parent for path in folder.rglob("__init__.py")]
        there |= {f"{root}/{path.relative_to(folder).as_posix()}/".replace("/./", "/") for path in packages}
        there |= {f"{root}/{path.name}" for path in folder.glob("*.py") if path.name != "__init__.py"}
    assert said - there == set(), "in docs/design.md, not in the tree"
    assert there - said == set(), "in the tree, not in docs/design.md"


def paths_in(block):
    """Yield the paths of a tree written with two spaces a level, one path at the start of each line."""
    above: list[str] = []
    for line in block.splitlines():
        found = re.match(r"( *)([\w./-]+(?:/|\.py))(?:\s|$)", line)
        if found:
            level = len(found[1]) // 2
            above = [*above[:level], found[2]]
            yield "".join(above)
