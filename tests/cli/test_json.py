"""`--json`: every command has it, stdout holds it and nothing else, and what computes answers in one form."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.cli.answer import rows_of
from cnnviz_jax.cli.commands import COMMANDS
from cnnviz_jax.cli.tables import print_json
from tests.cli.test_runs import FACTORY

MODEL = "own_net:build"
FORM = {"command", "technique", "model", "table", "wrote", "seconds", "warnings"}
NAMED = {
    "explain": ["saliency"],
    "measure": ["sparseness"],
    "synthesize": ["activation-maximization"],
    "inspect": ["filters"],
    "survey": ["exemplars"],
    "dictionary": ["--method", "topk"],
}
"""What names the technique of the verbs whose help with all options wants one."""


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """An image in the folder `set`, and the module of the network."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_net.py").write_text(FACTORY)
    (tmp_path / "set").mkdir()
    Image.fromarray(np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)).save(tmp_path / "set" / "a.png")
    yield "set/a.png"
    sys.modules.pop("own_net", None)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_has_it_and_says_the_same_of_it(verb, cnnviz):
    code, out, _ = cnnviz(verb, *NAMED.get(verb, []), "--help")
    assert code == 0
    words = " ".join(out.split())
    assert "--json" in words
    assert "print JSON on stdout, and nothing else" in words


@pytest.mark.parametrize(
    ("line", "columns", "wrote"),
    [
        ("measure sparseness MODEL set --target bee", {"image", "target", "score", "value"}, ["sparseness.png"]),
        ("synthesize MODEL --target 1 --steps 2 --out s.npz", {"target", "status"}, ["s.npz"]),
        ("inspect receptive-field MODEL", set(), ["receptive-field.png"]),
        ("survey exemplars MODEL set --layer relu --units 0:2", {"layer", "unit"}, ["exemplars.png"]),
    ],
    ids=lambda value: value.split(" MODEL")[0] if isinstance(value, str) else "",
)
def test_what_computes_answers_in_one_form(line, columns, wrote, cnnviz, photo, tmp_path):
    words = line.replace("MODEL", MODEL).split()
    code, out, err = cnnviz(*words, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told.keys() >= FORM
    assert told["command"] == words[0]
    assert told["model"] == MODEL
    assert told["wrote"] == wrote
    assert all((tmp_path / name).stat().st_size for name in wrote)
    assert all(row.keys() >= columns for row in told["table"])
    assert bool(told["table"]) == bool(columns)


def test_a_plan_is_an_object_too_and_writes_nothing(cnnviz, photo, tmp_path):
    code, out, _ = cnnviz("explain", "saliency", MODEL, photo, "--plan", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["wrote"] == []
    assert told["plan"]
    assert not (tmp_path / "saliency.png").exists()


def test_a_refusal_leaves_stdout_empty(refusal, photo):
    assert "no layer" in refusal("inspect", "receptive-field", MODEL, "--layer", "cnov", "--json")


def test_what_a_factory_prints_goes_to_stderr(tmp_path, photo):
    noisy = "import os\n\nfrom own_net import build\n\n\ndef make():\n    print('words')\n    os.write(1, b'bytes')\n"
    (tmp_path / "noisy.py").write_text(f"{noisy}    return build()\n")
    words = [sys.executable, "-m", "cnnviz_jax.cli", "explain", "saliency", "noisy:make", photo, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.keys() >= FORM
    assert [row["image"] for row in told["table"]] == ["a.png"]
    assert "words" in done.stderr
    assert "bytes" in done.stderr


def test_numbers_that_are_not_finite_are_null(capsys):
    print_json({"a": np.float32("nan"), "b": np.array([1.0, np.inf]), "c": (np.int32(3),)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.0, None], "c": [3]}


def test_a_result_of_arrays_alone_has_no_rows():
    assert rows_of(object()) == []
