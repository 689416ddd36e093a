"""`cnnviz intervene`: edits in words, the table, the figure, refusals."""

import json

import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.cli.commands.intervene import edits_in
from cnnviz_jax.errors import UsageError


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_edits_give_a_table_and_a_figure(cnnviz, photo):
    line = ("intervene", "shapes", photo, "--edits", "relu4:1,2=zero; relu3@0,0,2x2=scale(0.5)", "--target", "star")
    code, out, _ = cnnviz(*line, "--json", "--out", "made.png")
    assert code == 0
    (row,) = json.loads(out)["table"]
    assert row["edit"] == "relu4:1,2=zero; relu3@0,0,2x2=scale(0.5)"
    assert row["change"] == pytest.approx(row["after"] - row["before"])
    assert (photo.parent / "made.png").stat().st_size > 1000


def test_a_line_without_sense_is_refused(refusal, photo):
    assert "--edits is PLACE=CHANGE" in refusal("intervene", "shapes", photo)
    assert "--each is all, edit" in refusal("intervene", "shapes", photo, "--edits", "relu4=zero", "--each", "unit")
    assert "no image 'b.png'" in refusal("intervene", "shapes", photo, "--edits", "relu4=patch", "--source", "b.png")


def test_edits_on_a_line_are_words_or_numbers():
    assert edits_in("a:1=zero; b@1,2=1.5") == {"a:1": "zero", "b@1,2": 1.5}
    for text in (None, "", "a", "a=", "=zero"):
        with pytest.raises(UsageError, match="PLACE=CHANGE"):
            edits_in(text)
    with pytest.raises(UsageError, match="changes 'a' twice"):
        edits_in("a=zero;a=1")
