"""The page of the menagerie: its rows can be read back."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "menagerie.md").read_text(encoding="utf-8")


@pytest.fixture
def written(monkeypatch):
    """The page made of its own rows."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    rows = importlib.import_module("zoos.page_rows").rows_of(PAGE)
    table = importlib.import_module("zoos.table")
    return table.page(list(rows.values()), {network: table.wrongs(row) for network, row in rows.items()})


def test_rows_read_back_make_the_same_page(written):
    assert written == PAGE
