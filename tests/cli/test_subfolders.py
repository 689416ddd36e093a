"""Every verb reads the images of subfolders too, and names them by their path below the folder."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

NETWORK = """
import jax
import jax.numpy as jnp


def fn(params, x):
    x = jax.nn.relu(jax.lax.conv_general_dilated(
        x, params["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
    return x.mean((1, 2)) @ params["dense"]


def build():
    first, second = jax.random.split(jax.random.key(0))
    params = {"conv": jax.random.normal(first, (3, 3, 3, 4)), "dense": jax.random.normal(second, (4, 3))}
    return fn, params, {"input_shape": (8, 8, 3)}
"""
NAMES = ("a/deep/1.png", "b.png")
MODEL = "sub_net:build"


@pytest.fixture(autouse=True)
def images(tmp_path, monkeypatch):
    """A network, a folder `images` with one image below a subfolder, and masks laid out alike."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "sub_net.py").write_text(NETWORK)
    rng = np.random.default_rng(0)
    for folder, shape in (("images", (8, 8, 3)), ("masks", (8, 8))):
        for name in NAMES:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path)
    yield
    sys.modules.pop("sub_net", None)


def test_explain_and_measure_name_both(cnnviz):
    for line in (
        f"explain saliency {MODEL} images --out 1.npz",
        f"measure pointing-game {MODEL} images --masks masks --out 2.npz",
    ):
        code, out, err = cnnviz(*line.split())
        assert code == 0, err
        assert [told.split(": ")[0] for told in out.splitlines()[:2]] == list(NAMES)


def test_compare_takes_both_and_their_masks(cnnviz):
    line = f"compare {MODEL} images --techniques saliency --metrics pointing-game --masks masks --out 1.npz"
    code, out, err = cnnviz(*line.split())
    assert code == 0, err
    assert "2 images" in out


def test_report_shows_both_under_their_names(cnnviz, tmp_path, monkeypatch):
    monkeypatch.setenv("CNNVIZ_PLUGINS", "adapters,gradient,inspect,renderers")
    code, _, err = cnnviz("report", MODEL, "images", "--techniques", "saliency")
    assert code == 0, err
    page = (tmp_path / "cnnviz-report.html").read_text()
    assert all(name in page for name in NAMES)


def test_synthesize_finds_exemplars_in_both_and_a_survey_counts_both(cnnviz, tmp_path):
    layers = json.loads(cnnviz("layers", MODEL, "--json")[1])
    layer = next(row["name"] for row in layers if row["kind"] == "conv")
    line = f"synthesize {MODEL} --layer {layer} --channels 0 --steps 1 --exemplars images --out 1.npz"
    code, _, err = cnnviz(*line.split())
    assert code == 0, err
    with np.load(tmp_path / "1.npz") as written:
        assert written["extras/exemplar_crops"].shape[:2] == (1, 2)
    code, _, err = cnnviz(*f"survey exemplars {MODEL} images --layer {layer} --k 2 --out 2.npz".split())
    assert code == 0, err
    with np.load(tmp_path / "2.npz") as written:
        assert set(written["id"].ravel().tolist()) == {0, 1}


def test_a_mask_that_is_missing_is_named_by_its_path(refusal, tmp_path):
    (tmp_path / "masks" / NAMES[0]).unlink()
    told = refusal("measure", "pointing-game", MODEL, "images", "--masks", "masks")
    assert told == "no mask for 'a/deep/1' in 'masks'; masks have the images' names"
