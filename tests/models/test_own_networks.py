"""The networks in docs/examples are a user's own, found as `module:factory`, and give the published answers."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.plugins import reset_plugins
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.naming import load_arrays

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
CLASSES = ("boat", "bug", "pizza", "pepper", "bus", "koala", "espresso", "panda", "orange", "car")


@pytest.fixture(autouse=True)
def in_the_examples(monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    reset_plugins()
    yield
    reset_plugins()


def test_tiny_darknet_gives_the_published_probability(weights, imagenet_image):
    model = cv.load_model("tiny_darknet:build", str(weights / "tiny_darknet.safetensors"))
    probabilities = np.asarray(jax.nn.softmax(model(imagenet_image("doberman.png"))[0]))
    assert probabilities.argmax() == 236
    assert probabilities[236] == pytest.approx(0.67973992, abs=1e-5)


@pytest.mark.parametrize("file", ["tiny_vgg_legacy.pth", "tiny_vgg.safetensors"])
def test_tiny_vgg_names_all_ten_images(data, weights, file):
    model = cv.load_model("tiny_vgg:build", str(weights / file))
    images = [Image.open(data / "images" / "tiny_vgg_64" / f"{name}_1.jpeg").convert("RGB") for name in CLASSES]
    scores = model(np.stack([np.asarray(image, np.float32) / 255 for image in images]))
    assert np.asarray(scores).argmax(-1).tolist() == list(range(10))


class MLPerfBlock(nnx.Module):
    """Biases, TensorFlow's padding, and BatchNorm with its epsilon: what no network by name has together."""

    def __init__(self, channels, out, rngs):
        stride = 1 if channels == out else 2
        self.conv1 = nnx.Conv(channels, out, (3, 3), strides=stride, padding="SAME", rngs=rngs)
        self.bn1 = nnx.BatchNorm(out, epsilon=1e-3, rngs=rngs)
        self.conv2 = nnx.Conv(out, out, (3, 3), padding="SAME", rngs=rngs)
        self.bn2 = nnx.BatchNorm(out, epsilon=1e-3, rngs=rngs)
        projection = [nnx.Conv(channels, out, (1, 1), strides=stride, padding="SAME", rngs=rngs)]
        self.downsample = nnx.List(projection if stride > 1 else [])

    def __call__(self, x):
        y = self.bn2(self.conv2(nnx.relu(self.bn1(self.conv1(x)))))
        for convolution in self.downsample:
            x = convolution(x)
        return nnx.relu(x + y)


class MLPerfResNet8(nnx.Module):
    def __init__(self, rngs):
        self.conv1 = nnx.Conv(3, 16, (3, 3), padding="SAME", rngs=rngs)
        self.bn1 = nnx.BatchNorm(16, epsilon=1e-3, rngs=rngs)
        self.layer1 = nnx.List([MLPerfBlock(16, 16, rngs)])
        self.layer2 = nnx.List([MLPerfBlock(16, 32, rngs)])
        self.layer3 = nnx.List([MLPerfBlock(32, 64, rngs)])
        self.fc = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3[0](self.layer2[0](self.layer1[0](x))).mean((1, 2)))


def test_the_resnet8_of_mlperf_names_nineteen_of_the_twenty_images(data, weights):
    file = weights / "cifar_resnet8_mlperf.safetensors"
    network = nnx.eval_shape(lambda: MLPerfResNet8(nnx.Rngs(0)))
    load_arrays(network, read_weights(file), source=str(file))
    model = cv.adapt(network, input_shape=(32, 32, 3), std=1 / 255)  # it takes bytes as they are
    with np.load(data / "datasets" / "cifar10_foolbox20.npz") as images:
        scores = model(images["images"].astype(np.float32) / 255)
        assert (np.asarray(scores).argmax(-1) == images["labels"]).sum() == 19


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
