"""Techniques side by side: ranked, drawn, refused with a reason, and the same from the command line."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.errors import CnnvizError, UsageError
from tests.explain.small_network import model, some_images

OPTIONS = {"deletion": {"steps": 4}, "insertion": {"steps": 4}}


@pytest.fixture(scope="module")
def result():
    mask = np.zeros((2, 12, 10), bool)
    mask[:, 3:9, 2:8] = True
    names = ["saliency", "input-x-gradient", "feature-maps"]
    metrics = ["deletion", "insertion", "pointing-game"]
    return cv.compare(model(), some_images(2), names, metrics, mask=mask, options=OPTIONS)


def test_every_technique_is_measured_by_every_measure(result):
    assert result.techniques == ("saliency", "input-x-gradient")
    assert result.refused == {"feature-maps": "feature-maps gives values of a layer, not a map of the image"}
    alone = cv.explain("saliency", model(), some_images(2))
    same = cv.measure("deletion", model(), None, alone, steps=4)
    np.testing.assert_allclose(result.measurements["saliency"]["deletion"].values, same.values, atol=1e-6)


def test_the_table_is_ranked_by_the_mean_place(result):
    rows = result.rows()
    assert [row["technique"] for row in rows] == list(result.ranking)
    for metric, best in (("deletion", min), ("insertion", max)):
        means = {name: by[metric].mean for name, by in result.measurements.items()}
        assert result.ranks(metric)[best(means, key=means.get)] == 1
    assert rows[0]["mean place"] <= rows[1]["mean place"]


@pytest.mark.parametrize("suffix", ["png", "svg", "npz"])
def test_a_comparison_and_a_measure_can_be_written(result, tmp_path, suffix):
    for name, each in (("table", result), ("one", result.measurements["saliency"]["deletion"]),
                       ("bars", result.measurements["saliency"]["pointing-game"])):  # fmt: skip
        path = cv.render(each, tmp_path / f"{name}.{suffix}")
        assert path.stat().st_size > 1000
    if suffix == "svg":
        assert "<svg" in (tmp_path / "table.svg").read_text()


def test_names_must_exist_and_something_must_be_left():
    with pytest.raises(CnnvizError, match="no explain technique 'saliencyy'"):
        cv.compare(model(), some_images(1), ["saliencyy"])
    with pytest.raises(UsageError, match="names come as a list"):
        cv.compare(model(), some_images(1), "saliency")
    with pytest.raises(UsageError, match="nothing could be measured: feature-maps"):
        cv.compare(model(), some_images(1), ["feature-maps"], ["sparseness"])
    with pytest.raises(UsageError, match="options are given for 'road'"):
        cv.compare(model(), some_images(1), ["saliency"], ["sparseness"], options={"road": {}})


FACTORY = """
import jax.numpy as jnp

def build():
    return (lambda p, x: (x * p).mean((1, 2))), jnp.ones((3,)), {"input_shape": (12, 10, 3), "name": "own"}
"""


@pytest.fixture
def cnnviz(tmp_path, monkeypatch, capsys):
    """Run a command in a folder with a network, two images and their masks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "measured_net.py").write_text(FACTORY)
    (tmp_path / "masks").mkdir()
    rows = np.linspace(0, 255, 12 * 10 * 3).reshape(12, 10, 3).astype(np.uint8)
    for name, pixels in (("a", rows), ("b", 255 - rows)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        Image.fromarray(np.where(pixels[..., 0] > 128, 255, 0).astype(np.uint8)).save(
            tmp_path / "masks" / f"{name}.png"
        )

    def run(line):
        capsys.readouterr()
        code = main(line.split())
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_measure_from_the_command_line(cnnviz, tmp_path):
    line = "measure pointing-game measured_net:build a.png b.png --technique input-x-gradient --masks masks --target 0"
    code, out, err = cnnviz(line)
    assert code == 0, err
    assert out.splitlines()[0] == "a.png: 0, pointing-game 1"
    assert out.splitlines()[2] == "pointing-game of input-x-gradient: mean 1, higher is better"
    assert (tmp_path / "pointing-game.png").exists()


def test_compare_from_the_command_line(cnnviz, tmp_path):
    told = cnnviz("compare measured_net:build a.png b.png --techniques saliency --metrics sparseness --out c.npz")[1]
    assert "[ ]: 95 % interval, by bootstrap over the images" in told
    row = next(line for line in told.splitlines() if line.startswith("saliency"))
    assert re.search(r"0\.\d{4} \[0\.\d{3}, 0\.\d{3}\] =", row)
    line = "compare measured_net:build a.png --techniques saliency,input-x-gradient --metrics sparseness,pointing-game"
    code, out, err = cnnviz(f"{line} --masks masks --out c.npz --json")
    assert code == 0, err
    table = json.loads(out)["table"]
    assert {row["technique"] for row in table} == {"saliency", "input-x-gradient"}
    assert all(0 <= row["sparseness"] <= 1 for row in table)
    assert (tmp_path / "c.npz").exists()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("compare measured_net:build a.png --metrics deletoin", "no measure technique 'deletoin'"),
        ("measure deletion measured_net:build a.png --masks none", "no folder of masks at 'none'"),
        ("measure deletion measured_net:build", "no images to measure"),
        ("measure measured_net:build a.png", "no measure technique 'measured_net:build'"),
    ],
)
def test_the_command_line_says_what_is_wrong(cnnviz, line, text):
    code, out, err = cnnviz(line)
    assert (code, out) == (2, "")
    assert text in err
