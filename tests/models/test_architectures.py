"""Every named network has the published number of parameters; none is allocated to count them."""

import re
from functools import cache

import jax
import numpy as np
import pytest
from flax import nnx

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models import naming, published
from cnnviz_plugins.models.checkpoints.headers import ArrayHeader
from cnnviz_plugins.models.densenet import published_name
from cnnviz_plugins.models.naming import abstract, torch_slots
from cnnviz_plugins.models.published import PUBLISHED

PARAMETERS = {
    "lenet": 431_080,
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v2_tf": 3_504_872,
    "efficientnet_lite0": 4_652_008,
    "efficientnet_b0": 5_288_548,
    "googlenet": 6_624_904,
    "inception_v3": 23_834_568,
    "inception_v1": 7_066_380,
    "unet": 31_037_698,
    "convnext_tiny": 28_589_128,
    "vit_b_16": 86_567_656,
    "densenet121": 7_978_856,
    "cifar_resnet20": 269_722,
    "cifar_resnet56": 853_018,
}
"""From torchvision's table of weights, Inception v3 without its auxiliary head; inception_v1 and unet as
their references in PyTorch count; efficientnet_lite0 from TensorFlow's;
lenet from its prototxt; the last two from akamaster/pytorch_resnet_cifar10."""


@cache
def network_of(name):
    return abstract(PUBLISHED[name].network)


def test_every_published_network_is_counted():
    assert PARAMETERS.keys() == PUBLISHED.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts_are_the_published_ones(name):
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network_of(name), nnx.Param))) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("alexnet", {"features.10.weight": (256, 256, 3, 3), "classifier.1.weight": (4096, 9216)}),
        ("vgg16", {"features.28.weight": (512, 512, 3, 3), "classifier.6.bias": (1000,)}),
        ("vgg11_bn", {"features.26.running_var": (512,), "features.25.weight": (512, 512, 3, 3)}),
        ("resnet50", {"layer2.0.downsample.0.weight": (512, 256, 1, 1), "layer4.2.bn3.running_mean": (2048,)}),
        ("mobilenet_v2", {"features.1.conv.0.0.weight": (32, 1, 3, 3), "features.17.conv.3.bias": (320,)}),
        ("googlenet", {"inception3a.branch2.1.conv.weight": (128, 96, 3, 3), "inception5b.branch4.1.bn.bias": (128,)}),
        ("efficientnet_lite0", {"blocks.3.depthwise_conv.weight": (144, 1, 5, 5), "bn1.running_var": (1280,)}),
        ("efficientnet_b0", {"features.2.0.block.2.fc1.weight": (4, 96, 1, 1), "features.8.1.bias": (1280,)}),
        (
            "inception_v3",
            {"Mixed_6b.branch7x7_2.conv.weight": (128, 128, 1, 7), "Mixed_7c.branch_pool.bn.bias": (192,)},
        ),
        ("inception_v1", {"mixed4a_3x3_pre_relu_conv.weight": (204, 96, 3, 3), "conv2d2_pre_relu_conv.bias": (192,)}),
        ("unet", {"up1.up.weight": (1024, 512, 2, 2), "down4.maxpool_conv.1.double_conv.4.running_var": (1024,)}),
        ("convnext_tiny", {"features.1.0.layer_scale": (96, 1, 1), "features.3.2.block.3.weight": (768, 192)}),
        ("vit_b_16", {"encoder.layers.encoder_layer_11.self_attention.in_proj_weight": (2304, 768)}),
        ("densenet121", {"features.denseblock4.denselayer16.conv1.weight": (128, 992, 1, 1)}),
        ("cifar_resnet56", {"layer3.8.conv2.weight": (64, 64, 3, 3), "linear.weight": (10, 64)}),
    ],
)
def test_parameters_have_the_names_and_shapes_of_the_published_files(name, parameters):
    slots = torch_slots(network_of(name))
    assert {key: slots[key].shape for key in parameters} == parameters


@pytest.mark.parametrize("layer", ["norm1.weight", "conv2.weight", "norm2.running_var"])
def test_the_old_names_in_the_published_densenet_are_understood(layer):
    here = f"features.denseblock1.denselayer6.{layer}"
    there = here.replace(layer, f"{layer[:4]}.{layer[4:]}")
    assert there != here
    assert published_name(there) == here
    assert published_name(here) == here


def test_names_outside_dense_layers_stay_as_they_are():
    assert published_name("features.transition1.norm.weight") == "features.transition1.norm.weight"


@pytest.mark.parametrize(
    ("name", "name_in_file", "only_in_file"),
    [
        ("densenet121", lambda name: re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name), {}),
        ("efficientnet_lite0", lambda name: re.sub(r"(^|\.)(?=conv_|bn|blocks|fc|\w+_conv)", r"\1_", name), {}),
        ("vit_b_16", lambda name: name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."), {}),
        ("googlenet", lambda name: name, {"aux1.conv.conv.weight": (128, 512, 1, 1), "aux2.fc2.bias": (1000,)}),
    ],
)
def test_the_published_file_loads_with_its_old_names_and_the_heads_of_its_training(
    monkeypatch, name, name_in_file, only_in_file
):
    shapes = {name_in_file(key): slot.shape for key, slot in torch_slots(network_of(name)).items()}
    arrays = {key: np.zeros(shape, np.float32) for key, shape in (shapes | only_in_file).items()}

    def read(_, choose):
        headers = {key: ArrayHeader(array.shape, array.dtype) for key, array in arrays.items()}
        return {key: arrays[key] for key in choose(headers)}

    monkeypatch.setattr(naming, "read_weights", read)
    network = published.load_network(name, "published.pth")
    assert not any(np.any(np.asarray(leaf)) for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
    arrays["head.bias"] = np.zeros(3, np.float32)
    with pytest.raises(WeightsError, match=r"1 extra: 'head\.bias'"):
        published.load_network(name, "published.pth")
