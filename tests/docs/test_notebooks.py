"""The notebooks among the pages, and what results do in a kernel of Jupyter.

The notebooks themselves are run by the build of the documentation, which a failing cell fails.
"""

import json
import sys

import pytest

from .pages import DOCS

NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_keeps_no_outputs_and_says_first_what_it_is_for(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    first = "".join(cells[0]["source"])
    assert first.startswith("# ")
    assert "After this notebook you" in first or "After this notebook a" in first
    assert len({cell["id"] for cell in cells}) == len(cells)


def test_every_notebook_is_named_and_linked_on_their_page():
    text = (DOCS / "notebooks.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) == 4
    for path in NOTEBOOKS:
        assert f"(notebooks/{path.name})" in text
        assert f"\nnotebooks/{path.stem}\n" in text


CELLS = """
import time
import warnings

import jax
import jax.numpy as jnp

import cnnviz_jax as cv

model = cv.adapt(lambda p, x: (x * p).mean((1, 2)), jnp.ones(3), input_shape=(8, 8, 3))
result = cv.explain("saliency", model, jnp.ones((1, 8, 8, 3)) / 2, 0)
result
---
cv.show(result, result)
---
cv.show([result, result])
---
def slow(scores):
    time.sleep(0.7)  # while it is traced: a bar is shown for work of more than half a second
    return scores[0]


heat = cv.explain("occlusion", model, jnp.ones((1, 8, 8, 3)) / 2, slow, window=2, stride=2, chunk=2, progress=True)
---
print(cv.figure(result).axes != [], result.overlay().shape, repr(result)[:12])
---
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    cv.explain("saliency", model, jnp.ones((1, 8, 8, 3)), lambda scores: 0.0 * scores[0])
print([issubclass(each.category, cv.CnnvizWarning) for each in caught])
"""


def test_results_show_themselves_in_a_real_kernel(monkeypatch):
    for name in ("nbclient", "ipykernel"):
        pytest.importorskip(name, reason=f"{name}, of the extra docs, is not installed")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    from notebook_pages import as_page, executed

    sources = [cell.strip("\n") for cell in CELLS.split("---\n")]
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for n, text in enumerate(sources)
    ]
    book = executed(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    shown = [[output.get("data", {}) for output in cell.outputs] for cell in book.cells]
    (own,) = [data for data in shown[0] if "image/png" in data]
    assert "<img" in own["text/html"]
    assert "saliency" in own["text/html"]
    assert own["text/plain"].startswith("Attribution(")
    beside, together = (next(data["text/html"] for data in shown[n] if data.get("text/html")) for n in (1, 2))
    assert beside.count("<img") == 2
    assert "flex" in beside
    assert together.count("<img") == 1
    assert any("text/html" in data for data in shown[3]), "no bar was shown"
    assert book.cells[4].outputs[0].text == "True (1, 8, 8, 3) Attribution(\n"
    assert book.cells[5].outputs[-1].text == "[True]\n"
    assert "``````{raw} html" in as_page(book)
    assert "notebook_pages" in sys.modules
