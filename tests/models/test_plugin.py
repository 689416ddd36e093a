"""The models come in through the hook, lightly, and build through `cv.load_model`."""

import subprocess
import sys

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import PluginError
from cnnviz_jax.plugins.contract import checked
from cnnviz_jax.plugins.specs import ModelSpec, RendererSpec
from cnnviz_plugins.models.plugin import cnnviz_models
from cnnviz_plugins.models.published import PUBLISHED
from cnnviz_plugins.models.shapes.images import CLASSES, draw_scenes


def test_the_hook_offers_shapes_and_every_published_network():
    specs = {spec.name: spec for spec in cnnviz_models()}
    assert {name for name in specs if not name.startswith("keras:")} == {"shapes", *PUBLISHED}
    assert [name for name, spec in specs.items() if spec.weights.bundled] == ["shapes"]


def test_listing_the_models_imports_nothing_heavy():
    code = (
        "import sys; from cnnviz_plugins.models.plugin import cnnviz_models; list(cnnviz_models());"
        "print(sorted({'jax', 'flax', 'numpy', 'optax', 'matplotlib', 'orbax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_shapes_loads_by_name_and_names_its_classes():
    model = cv.load_model("shapes")
    images = draw_scenes(range(20))
    scores = model(np.stack([image.image for image in images]))
    assert tuple(model.labels) == CLASSES
    assert np.mean(np.argmax(np.asarray(scores), -1) == [image.label for image in images]) >= 0.9


@pytest.mark.parametrize("count", [1, 4, 13])
def test_images_come_with_shapes_and_it_names_each_rightly(count):
    images, names = cv.example_images("shapes", count)
    assert images.shape == (count, 64, 64, 3)
    assert len(set(names)) == min(count, len(CLASSES))
    model = cv.load_model("shapes")
    assert [model.labels[index] for index in np.argmax(np.asarray(model(images)), -1)] == list(names)


def test_squeezenet_loads_by_name_with_its_preprocessing_and_the_names_beside_the_file(weights, imagenet_input):
    model = cv.load_model("squeezenet1_1", weights=weights / "squeezenet1_1.safetensors")
    normalised = imagenet_input("doberman.png")
    image = normalised * np.array([0.229, 0.224, 0.225], np.float32) + np.array([0.485, 0.456, 0.406], np.float32)
    probabilities = jax.nn.softmax(model(image)[0])
    assert model.labels[int(probabilities.argmax())] == "Rottweiler"
    assert probabilities[234] == pytest.approx(0.45430484, abs=1e-5)


def test_lenet_scales_bytes_as_caffe_does(data, weights):
    model = cv.load_model("lenet", weights=weights / "lenet_mnist.safetensors")
    with np.load(data / "datasets" / "mnist_test.npz") as digits:
        images, labels = digits["images"][:200, ..., None].astype(np.float32) / 255, digits["labels"][:200]
    assert model.labels[int(np.argmax(model(images)[0]))] == str(labels[0])
    assert np.mean(np.argmax(np.asarray(model(images)), -1) == labels) >= 0.985


def test_only_a_network_may_have_the_name_of_its_collection_before_its_own():
    network = ModelSpec(name="zoo:Net", summary="One of many", build=len)
    assert checked("cnnviz_models", [network]) == [network]
    with pytest.raises(PluginError, match="name is not letters, digits"):
        checked("cnnviz_models", [ModelSpec(name="zoo:a:b", summary="One of many", build=len)])
    renderer = RendererSpec(name="zoo:Net", summary="Draws", accepts=("*",), suffixes=(".png",), render=len)
    with pytest.raises(PluginError, match="name is not letters, digits"):
        checked("cnnviz_renderers", [renderer])
