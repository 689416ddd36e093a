"""The list of slow tests names tests that exist, so that a rename does not quietly make one of them fast."""

import ast

from tests.conftest import CHECKOUT
from tests.slow import slow_functions


def test_every_slow_test_exists():
    missing = []
    for name in sorted(slow_functions()):
        file, _, function = name.partition("::")
        path = CHECKOUT / file
        found = path.is_file() and {
            node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        }
        if not found or function not in found:
            missing.append(name)
    assert missing == [], "measure again, as tests/slow.py says"
