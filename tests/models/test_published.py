"""Published networks give the published answers (../shared FACTS.md, "Real networks")."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.published import PUBLISHED, build, load_network


@cache
def scores_of(name, file):
    graph, state = nnx.split(load_network(name, file))
    run = jax.jit(lambda state, images: nnx.merge(graph, state)(images))
    return lambda images: run(state, images)


@pytest.mark.parametrize(
    ("network", "image", "expected"),
    [
        ("squeezenet1_1", "doberman.png", {234: 0.45430484, 240: 0.29155923, 236: 0.18606370}),
        ("squeezenet1_1", "snake.png", {56: 0.94506179}),
        ("squeezenet1_1", "cat_dog_both.png", {243: 0.58757909, 242: 0.30882577}),
        ("squeezenet1_0", "coffee.png", {967: 0.81069458}),
    ],
)
def test_squeezenet_gives_the_published_probabilities(weights, imagenet_input, network, image, expected):
    scores = scores_of(network, weights / f"{network}.safetensors")(imagenet_input(image))
    probabilities = np.asarray(jax.nn.softmax(scores[0]))
    assert list(np.argsort(-probabilities)[: len(expected)]) == list(expected)
    for index, probability in expected.items():
        assert probabilities[index] == pytest.approx(probability, abs=1e-5)


def test_squeezenet_scores_are_never_negative(weights, imagenet_input):
    assert scores_of("squeezenet1_1", weights / "squeezenet1_1.safetensors")(imagenet_input("snake.png")).min() >= 0


def test_the_gradient_of_squeezenet_is_the_published_one(weights, imagenet_input):
    graph, state = nnx.split(load_network("squeezenet1_1", weights / "squeezenet1_1.safetensors"))
    gradient = jax.jit(jax.grad(lambda images: nnx.merge(graph, state)(images)[0, 243]))
    values = np.asarray(gradient(imagenet_input("cat_dog_both.png")), np.float64)
    assert np.linalg.norm(values) == pytest.approx(12.777113541, abs=1e-3)
    assert values.sum() == pytest.approx(-3.629381922, abs=1e-3)


def test_lenet_reads_99_09_percent_of_the_mnist_test_set(data, weights):
    run = scores_of("lenet", weights / "lenet_mnist.safetensors")
    with np.load(data / "datasets" / "mnist_test.npz") as digits:
        images, labels = digits["images"][..., None].astype(np.float32) / 256, digits["labels"]
    right = sum(
        int((np.asarray(run(images[start : start + 1000])).argmax(-1) == labels[start : start + 1000]).sum())
        for start in range(0, 10_000, 1000)
    )
    assert right == 9909


def test_pth_and_safetensors_hold_the_same_network(weights):
    pth, safetensors = (read_weights(weights / f"squeezenet1_1{suffix}") for suffix in (".pth", ".safetensors"))
    assert pth.keys() == safetensors.keys()
    for name, array in pth.items():
        np.testing.assert_array_equal(array, safetensors[name])
    one, other = (
        nnx.to_flat_state(nnx.state(load_network("squeezenet1_1", weights / f"squeezenet1_1{suffix}")))
        for suffix in (".pth", ".safetensors")
    )
    for (path, variable), (_, same) in zip(one, other, strict=True):
        np.testing.assert_array_equal(variable.get_value(), same.get_value(), err_msg=str(path))


def test_modules_stand_where_torchvision_has_them():
    network = nnx.eval_shape(lambda: PUBLISHED["squeezenet1_1"].network(rngs=nnx.Rngs(0)))
    kinds = {".".join(map(str, path)): type(module).__name__ for path, module in nnx.iter_modules(network)}
    assert [kinds[f"features.{index}"] for index in range(13)] == (
        ["Conv", "ReLU", "MaxPool", "Fire", "Fire", "MaxPool", "Fire", "Fire", "MaxPool"] + ["Fire"] * 4
    )
    assert [kinds[f"classifier.{index}"] for index in range(4)] == ["Dropout", "Conv", "ReLU", "GlobalAveragePool"]
    assert kinds["features.12.expand3x3"] == "Conv"


def test_a_network_with_dropout_loads_in_inference_mode_and_repeats_itself(weights):
    run = scores_of("squeezenet1_1", weights / "squeezenet1_1.safetensors")
    images = jax.random.normal(jax.random.key(0), (2, 64, 64, 3))
    np.testing.assert_array_equal(run(images), run(images))


@pytest.mark.parametrize("name", PUBLISHED)
def test_asking_without_weights_says_how_to_pass_a_file(name):
    with pytest.raises(WeightsError, match=rf"{name} needs weights .*`--weights FILE`.*load_model\('{name}'"):
        build(name, None)


def test_mobilenet_gives_the_published_probability_with_the_padding_it_was_trained_with(weights, imagenet_image):
    model = cv.load_model("mobilenet_v2_tf", weights / "mobilenet_v2_tf.safetensors")
    probabilities = np.asarray(jax.nn.softmax(model(imagenet_image("goldfish.jpg"))[0]))
    assert model.labels[int(probabilities.argmax())] == "goldfish"
    assert probabilities[1] == pytest.approx(0.99765791, abs=1e-5)


@pytest.mark.parametrize("file", ["cifar_resnet20.safetensors", "the published one"])
def test_cifar_resnet20_names_all_twenty_images(data, weights, cache, file):
    if file == "the published one":  # as `cnnviz models --download` leaves it: no file is named
        cache.mkdir()
        (cache / "resnet20-12fca82f.th").symlink_to(weights / "original" / "resnet20-12fca82f.th")
        model = cv.load_model("cifar_resnet20")
    else:
        model = cv.load_model("cifar_resnet20", weights / file)
    with np.load(data / "datasets" / "cifar10_foolbox20.npz") as images:
        images, labels = images["images"].astype(np.float32) / 255, images["labels"]
    assert images.shape == (20, 32, 32, 3)
    np.testing.assert_array_equal(np.asarray(model(images)).argmax(-1), labels)
    assert model.labels[3] == "cat"


def test_weights_of_another_network_are_refused_with_the_names_that_differ(weights):
    with pytest.raises(WeightsError, match=r"do not fit LeNet: 8 missing: .* 52 extra: .* and 44 more"):
        load_network("lenet", Path(weights / "squeezenet1_1.safetensors"))


def test_a_random_network_scores_its_classes():
    network = PUBLISHED["lenet"].network(rngs=nnx.Rngs(0))
    assert network(jnp.zeros((3, 28, 28, 1))).shape == (3, 10)
