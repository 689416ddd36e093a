"""The architectures here and in PyTorch are the same: names, shapes and, with random weights, scores."""

from functools import partial

import jax
import numpy as np
import pytest
from flax import nnx

from cnnviz_plugins.models.alexnet import AlexNet
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.convnext import ConvNeXt
from cnnviz_plugins.models.densenet import DenseNet
from cnnviz_plugins.models.efficientnet import EfficientNet
from cnnviz_plugins.models.efficientnet_lite import EfficientNetLite, without_underscores
from cnnviz_plugins.models.googlenet import TABLE as GOOGLENET
from cnnviz_plugins.models.googlenet import GoogLeNet
from cnnviz_plugins.models.inception import InceptionV3
from cnnviz_plugins.models.inception_v1 import InceptionV1
from cnnviz_plugins.models.lenet import LeNet
from cnnviz_plugins.models.mobilenet import MobileNetV2
from cnnviz_plugins.models.naming import abstract, load_arrays, torch_slots
from cnnviz_plugins.models.published import PUBLISHED, load_network
from cnnviz_plugins.models.resnet import CifarResNet, ResNet
from cnnviz_plugins.models.squeezenet import SqueezeNet
from cnnviz_plugins.models.unet import UNet
from cnnviz_plugins.models.vgg import VGG
from cnnviz_plugins.models.vision_transformer import VisionTransformer

torch = pytest.importorskip("torch", reason="PyTorch, which the networks are compared with, is not installed")
from . import recent_torch_networks as recent  # noqa: E402  # after the skip
from . import torch_networks as references  # noqa: E402

ALL = {**references.PUBLISHED, **recent.PUBLISHED}

GROUPS = ((1, 8, 1, 1), (6, 8, 2, 2), (6, 12, 2, 2))
NARROW_VGG = (4, "pool", 6, "pool", 8, 8, "pool", 8, 8, "pool", 10, 10, "pool")
NARROW_INCEPTIONS = tuple(
    row if len(row) == 2 else (row[0], *(max(2, width // 16) for width in row[1:]))
    for row in GOOGLENET
    if row[0] in ("inception3a", "maxpool3", "inception4a", "maxpool4", "inception5b")
)
NARROW = {
    "alexnet": (
        partial(AlexNet, ((4, 11, 4), "pool", (6, 5, 1), "pool", (8, 3, 1), (6, 3, 1), (6, 3, 1), "pool"), hidden=16),
        lambda: references.AlexNet((4, 6, 8, 6, 6), hidden=16),
        150,
    ),
    "vgg": (
        partial(VGG, NARROW_VGG, hidden=16),
        lambda: references.VGG("4 M 6 M 8 8 M 8 8 M 10 10 M", hidden=16),
        96,
    ),
    "vgg at its own size": (
        partial(VGG, ("pool", "pool", "pool", "pool", 4, "pool"), hidden=8),
        lambda: references.VGG("M M M M 4 M", hidden=8),
        224,
    ),
    "vgg_bn": (
        partial(VGG, NARROW_VGG, batch_norm=True, hidden=16),
        lambda: references.VGG("4 M 6 M 8 8 M 8 8 M 10 10 M", norm=True, hidden=16),
        96,
    ),
    "squeezenet1_0": (
        partial(SqueezeNet, "squeezenet1_0"),
        lambda: references.SqueezeNet(*references.SqueezeNet.tables["squeezenet1_0"]),
        64,
    ),
    "squeezenet1_1": (
        partial(SqueezeNet, "squeezenet1_1"),
        lambda: references.SqueezeNet(*references.SqueezeNet.tables["squeezenet1_1"]),
        65,
    ),
    "resnet of basic blocks": (
        partial(ResNet, "basic", (1, 2, 1, 1), width=8),
        lambda: references.ResNet((3, 3), (1, 2, 1, 1), width=8),
        65,
    ),
    "resnet of bottlenecks": (
        partial(ResNet, "bottleneck", (1, 2, 1, 1), width=8),
        lambda: references.ResNet((1, 3, 1), (1, 2, 1, 1), width=8),
        64,
    ),
    "mobilenet_v2": (
        partial(MobileNetV2, GROUPS, stem=8, last=16),
        lambda: references.MobileNetV2(GROUPS, stem=8, last=16),
        48,
    ),
    "efficientnet": (
        partial(EfficientNet, ((1, 8, 1, 1, 3), (6, 12, 2, 2, 5)), stem=8, last=16),
        lambda: recent.EfficientNet("1 8 1 1 3, 6 12 2 2 5", stem=8, last=16),
        33,
    ),
    "convnext": (partial(ConvNeXt, ((8, 1), (12, 2))), lambda: recent.ConvNeXt(((8, 1), (12, 2))), 33),
    "vision transformer": (
        partial(VisionTransformer, side=24, patch=8, depth=2, width=12, heads=3),
        lambda: recent.VisionTransformer(side=24, patch=8, depth=2, width=12, heads=3),
        24,
    ),
    "inception_v3": (InceptionV3, recent.InceptionV3, 75),
    "inception_v1": (
        partial(
            InceptionV1, (("mixed3a", 4, 2, 6, 2, 4, 2), ("maxpool4",), ("mixed4a", 4, 2, 4, 2, 2, 4)), stem=(4, 4, 12)
        ),
        lambda: recent.LucidInception("3a 4 2 6 2 4 2, 4a 4 2 4 2 2 4", stem=(4, 4, 12)),
        64,
    ),
    "unet": (partial(UNet, 4), lambda: recent.UNet(4), 37),
    "mobilenet_v2_tf": (
        partial(MobileNetV2, GROUPS, stem=8, last=16, padding="tensorflow"),
        lambda: references.MobileNetV2(GROUPS, stem=8, last=16, same=True),
        50,
    ),
    "efficientnet_lite0": (
        partial(EfficientNetLite, ((1, 8, 1, 1, 3), (6, 8, 2, 2, 5), (6, 12, 2, 2, 3)), stem=8, head=16),
        lambda: references.EfficientNetLite("1x8 k3 s1 e1, 2x8 k5 s2 e6, 2x12 k3 s2 e6", stem=8, head=16),
        50,
    ),
    "googlenet": (
        partial(GoogLeNet, NARROW_INCEPTIONS, stem=(4, 4, 8)),
        lambda: references.GoogLeNet(
            {row[0].removeprefix("inception"): row[1:] for row in NARROW_INCEPTIONS if len(row) > 2}, stem=(4, 4, 8)
        ),
        75,
    ),
    "densenet": (partial(DenseNet, 4, (2, 3, 2)), lambda: references.DenseNet(4, (2, 3, 2)), 64),
    "cifar_resnet": (partial(CifarResNet, 1), lambda: references.CifarResNet(1), 32),
    "lenet": (LeNet, references.LeNet, 28),
}
"""Each architecture: narrow or short here, the same in PyTorch, and the size of the images."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_and_shapes_are_those_of_the_same_network_in_pytorch(name):
    with torch.device("meta"):  # nothing is allocated
        state = ALL[name]().state_dict()
    expected = {key: tuple(tensor.shape) for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    slots = torch_slots(abstract(PUBLISHED[name].network))
    trained = {key: slot.shape for key, slot in slots.items() if "rngs" not in slot.path}
    assert trained == expected


@pytest.mark.parametrize("name", NARROW)
def test_scores_with_random_weights_are_those_of_pytorch(name):
    make, make_reference, size = NARROW[name]
    torch.manual_seed(0)
    reference = references.randomise(make_reference())
    network = abstract(make)
    load_arrays(network, {key: tensor.numpy() for key, tensor in reference.state_dict().items()}, source="torch")
    network.eval()
    channels = 1 if name == "lenet" else 3
    images = np.random.default_rng(0).normal(size=(2, size, size, channels)).astype(np.float32)
    with torch.no_grad():
        expected = reference(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    graph, state = nnx.split(network)
    scores = np.asarray(jax.jit(lambda state, images: nnx.merge(graph, state)(images))(state, images))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_the_packaged_efficientnet_scores_as_pytorch_does_with_its_weights(packaged_efficientnet):
    reference = references.EfficientNetLite()
    arrays = read_weights(packaged_efficientnet)
    reference.load_state_dict({without_underscores(key): torch.tensor(array) for key, array in arrays.items()})
    images = np.random.default_rng(0).uniform(size=(1, 64, 64, 3)).astype(np.float32)
    normalised = (images - np.float32(127 / 255)) / np.float32(128 / 255)
    with torch.no_grad():
        expected = reference.eval()(torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy())).numpy()
    graph, state = nnx.split(load_network("efficientnet_lite0", packaged_efficientnet))
    scores = np.asarray(jax.jit(lambda state, x: nnx.merge(graph, state)(x))(state, normalised))
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("new_format", [True, False])
def test_files_that_pytorch_writes_are_read(tmp_path, new_format):
    network = references.randomise(references.ResNet((3, 3), (1, 1, 1, 1), width=4))
    state = {
        f"module.{key}": tensor.t() if tensor.ndim == 2 else tensor for key, tensor in network.state_dict().items()
    }
    torch.save(
        {"epoch": 3, "best": 0.5, "state_dict": state}, tmp_path / "w.th", _use_new_zipfile_serialization=new_format
    )
    arrays = read_weights(tmp_path / "w.th")
    assert [f"module.{key}" for key in arrays] == list(state)
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, state[f"module.{key}"].numpy())
