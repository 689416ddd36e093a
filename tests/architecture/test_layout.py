"""No file has become two ideas, and few lie loose; tests/docs holds the map of docs/design.md to the tree."""

import statistics

from tests.architecture.imports import ROOTS, modules


def lines_of(module):
    return len(modules()[module].read_text(encoding="utf-8").splitlines())


def test_at_most_eight_modules_lie_loose_in_the_core():
    assert len(list(ROOTS["cnnviz_jax"].glob("*.py"))) <= 8


def test_the_median_module_has_at_most_120_lines_and_none_more_than_400():
    sizes = {module: lines_of(module) for module in modules()}
    assert statistics.median(sizes.values()) <= 120
    assert [module for module, size in sizes.items() if size > 400] == []
