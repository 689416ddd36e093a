"""Whole commands on a network of the user's own, from the line to the file."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.plugins import Skipped, plugins

FACTORY = """
import pathlib

import jax
import jax.numpy as jnp


def fn(params, x):
    x = jax.nn.relu(jax.lax.conv_general_dilated(
        x, params["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
    return x.mean((1, 2)) @ params["dense"]


def params(scale=1.0):
    first, second = jax.random.split(jax.random.key(0))
    return {"conv": scale * jax.random.normal(first, (3, 3, 3, 4)), "dense": jax.random.normal(second, (4, 3))}


def build(weights=None):
    scale = 1.0 if weights is None else float(pathlib.Path(weights).read_text())
    return fn, params(scale), {"input_shape": (8, 8, 3), "labels": ["ant", "bee", "cow"]}


def model():
    import cnnviz_jax as cv

    native, values, options = build()
    return cv.adapt(native, values, **options)


def shapeless():
    return fn, params()
"""


@pytest.fixture(autouse=True)
def network(tmp_path, monkeypatch):
    """A module with factories and two images, in the current folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_net.py").write_text(FACTORY)
    rows = np.linspace(0, 255, 12 * 10 * 3).reshape(12, 10, 3).astype(np.uint8)
    Image.fromarray(rows).save(tmp_path / "a.png")
    Image.fromarray(255 - rows).save(tmp_path / "b.png")
    yield
    sys.modules.pop("own_net", None)


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def test_explain_writes_an_image_and_says_so(cnnviz, tmp_path):
    code, out, err = cnnviz("explain", "saliency", "own_net:build", "a.png", "b.png", "--target", "bee")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("a.png: 1 bee, score ")
    assert lines[1].startswith("b.png: 1 bee, score ")
    assert lines[2].startswith("wrote saliency.png in ")
    with Image.open(tmp_path / "saliency.png") as written:
        assert written.format == "PNG"


def test_every_spelling_of_the_model_gives_the_same_numbers(cnnviz, tmp_path):
    cnnviz("explain", "saliency", "own_net:build", "a.png", "--out", "1.npz", "--target", "1")
    cnnviz("explain", "saliency", "--model", "own_net:model", "a.png", "--out", "2.npz", "--target", "1")
    cnnviz("explain", "saliency", "--target", "1", "--out", "3.npz", "own_net:model", "a.png")
    first = arrays(tmp_path / "1.npz")["values"]
    assert first.any()
    for name in ("2.npz", "3.npz"):
        np.testing.assert_array_equal(arrays(tmp_path / name)["values"], first)


def test_weights_reach_the_factory(cnnviz, tmp_path):
    (tmp_path / "half.txt").write_text("0.5")
    cnnviz("explain", "saliency", "own_net:build", "a.png", "--out", "1.npz", "--target", "0")
    cnnviz("explain", "saliency", "own_net:build", "a.png", "--out", "2.npz", "--target", "0", "--weights", "half.txt")
    whole, half = (arrays(tmp_path / name)["scores"] for name in ("1.npz", "2.npz"))
    np.testing.assert_allclose(half, whole / 2, rtol=1e-5)


def test_precision_reaches_the_model_and_a_wrong_one_is_refused(cnnviz, tmp_path):
    line = ["explain", "saliency", "own_net:build", "a.png", "--target", "0"]
    cnnviz(*line, "--out", "1.npz")
    code, _, err = cnnviz(*line, "--out", "2.npz", "--precision", "bfloat16")
    assert code == 0, err
    assert "bfloat16" in err
    exact, low = (arrays(tmp_path / name)["scores"] for name in ("1.npz", "2.npz"))
    assert 0 < np.abs(low - exact).max() < 0.02 * np.abs(exact).max()
    code, _, err = cnnviz(*line, "--out", "3.npz", "--precision", "half")
    assert code == 2
    assert "precision is one of float32, tf32, bfloat16; got 'half'" in err
    assert not (tmp_path / "3.npz").exists()


def test_options_of_the_technique_and_the_seed_reach_it(cnnviz, tmp_path):
    for name, seed in (("1.npz", 3), ("2.npz", 3), ("3.npz", 4)):
        line = f"explain smoothgrad own_net:build a.png --samples 4 --seed {seed} --chunk 2 --out {name}"
        code, _, err = cnnviz(*line.split())
        assert code == 0, err
    same, again, other = (arrays(tmp_path / f"{number}.npz")["values"] for number in (1, 2, 3))
    np.testing.assert_array_equal(same, again)
    assert np.abs(same - other).max() > 0


def test_one_target_per_image(cnnviz):
    code, out, err = cnnviz("explain", "saliency", "own_net:build", "a.png", "b.png", "--target", "0,2")
    assert code == 0, err
    assert [line.split(",")[0] for line in out.splitlines()[:2]] == ["a.png: 0 ant", "b.png: 2 cow"]


def test_quiet_prints_nothing_but_writes(cnnviz, tmp_path):
    assert cnnviz("explain", "saliency", "own_net:build", "a.png", "--quiet") == (0, "", "")
    assert (tmp_path / "saliency.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--target 3", "class 3 is out of range"),
        ("--target wasp", "is called 'wasp'; say its number."),
        ("--target 0,1,2", "the target names 3 values for 1 images"),
    ],
)
def test_a_target_that_does_not_fit_leaves_no_file(line, sentence, refusal, tmp_path):
    assert sentence in refusal("explain", "saliency", "own_net:build", "a.png", *line.split())
    assert not (tmp_path / "saliency.png").exists()


def test_a_broken_image_is_refused_in_a_sentence(refusal, tmp_path):
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert "cut.png is broken or cut short" in refusal("explain", "saliency", "own_net:build", "cut.png")


def test_a_factory_without_input_shape_is_told_what_lacks(refusal):
    assert "say input_shape=(height, width, channels)" in refusal("layers", "own_net:shapeless")


def test_synthesize_takes_a_range_of_channels_or_a_class(cnnviz, tmp_path):
    layers = json.loads(cnnviz("layers", "own_net:build", "--json")[1])
    layer = next(row["name"] for row in layers if row["kind"] == "conv")
    code, out, err = cnnviz(
        "synthesize", "own_net:build", "--layer", layer, "--channels", "1:", "--steps", "2", "--out", "grid.npz"
    )
    assert code == 0, err
    assert out.startswith("wrote grid.npz in ")
    assert len(arrays(tmp_path / "grid.npz")["images"]) == 3
    code, _, err = cnnviz(
        "synthesize", "activation-maximization", "own_net:build", "--target", "0,2", "--steps", "2", "--out", "two.npz"
    )
    assert code == 0, err
    assert len(arrays(tmp_path / "two.npz")["images"]) == 2


def test_synthesize_names_the_nearest_layer(refusal):
    assert "no layer 'nothing'" in refusal("synthesize", "own_net:build", "--layer", "nothing", "--channels", ":")


def test_inspect_writes_the_kernel_of_a_layer(cnnviz, tmp_path):
    code, _, err = cnnviz("inspect", "filters", "own_net:build", "--out", "filters.npz")
    assert code == 0, err
    assert arrays(tmp_path / "filters.npz")["kernel"].shape == (3, 3, 3, 4)


def test_layers_are_listed_with_shape_kernel_and_receptive_field(cnnviz):
    rows = json.loads(cnnviz("layers", "own_net:build", "--json")[1])
    conv = next(row for row in rows if row["kind"] == "conv")
    assert (conv["shape"], conv["channels"], conv["kernel"]) == ([8, 8, 4], 4, [3, 3, 3, 4])
    assert conv["receptive_field"] == [3, 3]
    code, out, _ = cnnviz("layers", "own_net:build")
    assert code == 0
    assert f"{len(rows)} layers, input 8 x 8 x 3" in out.splitlines()[0]
    assert conv["name"] in out


def test_report_writes_one_page_at_the_path_it_announces(cnnviz, tmp_path, monkeypatch):
    monkeypatch.setenv("CNNVIZ_PLUGINS", "adapters,gradient,inspect,renderers")
    code, out, err = cnnviz("report", "own_net:build", "a.png", "--out", "page")
    assert code == 0, err
    assert out.startswith("wrote page.html in ")
    page = (tmp_path / "page.html").read_text()
    assert "a.png" in page
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".html") == ["page.html"]


def test_the_doctor_finds_this_installation_healthy(cnnviz):
    code, out, _ = cnnviz("doctor", "--json")
    found = json.loads(out)
    states = {check["check"]: check for check in found["checks"]}
    assert (code, found["healthy"]) == (0, True), [c for c in found["checks"] if c["state"] == "fail"]
    assert states["jit"]["found"] == "a trivial program runs"
    assert {"python", "jax", "devices", "host memory", "plugins", "compile options", "compilation cache"} <= set(states)


def test_the_doctor_fails_where_a_plugin_is_broken(cnnviz):
    plugins().skipped += (Skipped("theirs", "their-dist", "ZeroDivisionError: division by zero"),)
    code, out, _ = cnnviz("doctor")
    assert code == 1
    line = next(line for line in out.splitlines() if line.startswith("plugin theirs"))
    assert "fail" in line
    assert "ZeroDivisionError" in line


def test_several_techniques_stand_in_one_figure_with_display_options(cnnviz, tmp_path):
    code, out, err = cnnviz(
        "explain", "saliency,input-x-gradient", "own_net:model", "a.png", "b.png", "--out", "both.png",
        "--scale", "shared", "--title", "mine", "--dpi", "60",
    )  # fmt: skip
    assert (code, out.splitlines()[0].partition(":")[0]) == (0, "a.png"), err
    with Image.open(tmp_path / "both.png") as figure:
        assert figure.width > figure.height / 2
    code, _, err = cnnviz("explain", "saliency,filters", "own_net:model", "a.png")
    assert code == 2
    assert "'filters' is not a technique of kind explain" in err


def test_a_display_option_that_cannot_be_is_told_before_any_work(cnnviz, tmp_path):
    code, _, err = cnnviz("explain", "saliency", "own_net:model", "a.png", "--scale", "shard", "--out", "a.svg")
    assert (code, err) == (2, "cnnviz: --scale is one of own, shared, got 'shard'. Did you mean 'shared'?\n")
    assert not (tmp_path / "a.svg").exists()
