"""The networks in docs/examples are a user's own, found as `module:factory`, and give the published answers."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.cli import main
from cnnviz_jax.cli.model_choice import load
from cnnviz_jax.manager import reset_plugins

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
CLASSES = ("boat", "bug", "pizza", "pepper", "bus", "koala", "espresso", "panda", "orange", "car")


@pytest.fixture(autouse=True)
def in_the_examples(monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    reset_plugins()
    yield
    reset_plugins()


def test_tiny_darknet_gives_the_published_probability(weights, imagenet_picture):
    model = load("tiny_darknet:build", str(weights / "tiny_darknet.safetensors"))
    probabilities = np.asarray(jax.nn.softmax(model(imagenet_picture("doberman.png"))[0]))
    assert probabilities.argmax() == 236
    assert probabilities[236] == pytest.approx(0.67973992, abs=1e-5)


@pytest.mark.parametrize("file", ["tiny_vgg_legacy.pth", "tiny_vgg.safetensors"])
def test_tiny_vgg_names_all_ten_pictures(data, weights, file):
    model = load("tiny_vgg:build", str(weights / file))
    pictures = [Image.open(data / "images" / "tiny_vgg_64" / f"{name}_1.jpeg").convert("RGB") for name in CLASSES]
    scores = model(np.stack([np.asarray(picture, np.float32) / 255 for picture in pictures]))
    assert np.asarray(scores).argmax(-1).tolist() == list(range(10))


def test_the_command_line_finds_them_and_keeps_their_layer_names(weights, capsys):
    assert main(["layers", "tiny_vgg:build", "--weights", str(weights / "tiny_vgg.safetensors"), "--json"]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)}
    assert [name for name, layer in layers.items() if layer["kind"] == "conv"] == [
        "features.0",
        "features.2",
        "features.5",
        "features.7",
    ]
    assert layers["features.7"]["receptive_field"] == [14, 14]
