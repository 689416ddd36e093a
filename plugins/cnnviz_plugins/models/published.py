"""Builds the networks that have published weights: table of how each is fed, loading, and adapting."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flax import nnx

from cnnviz_jax.plugin import Model, WeightsError, WeightsSpec, adapt, cached_file, packaged_file
from cnnviz_plugins.models.alexnet import AlexNet
from cnnviz_plugins.models.convnext import ConvNeXt
from cnnviz_plugins.models.densenet import TABLES as DENSENETS
from cnnviz_plugins.models.densenet import DenseNet, published_name
from cnnviz_plugins.models.efficientnet import EfficientNet
from cnnviz_plugins.models.efficientnet_lite import EfficientNetLite, without_underscores
from cnnviz_plugins.models.googlenet import GoogLeNet
from cnnviz_plugins.models.inception import InceptionV3
from cnnviz_plugins.models.inception_v1 import InceptionV1
from cnnviz_plugins.models.labels import imagenet_classes, labels_beside
from cnnviz_plugins.models.lenet import LeNet
from cnnviz_plugins.models.mobilenet import MobileNetV2
from cnnviz_plugins.models.naming import abstract, load_file
from cnnviz_plugins.models.resnet import BLOCKS, CifarResNet, ResNet
from cnnviz_plugins.models.resnet import TABLES as RESNETS
from cnnviz_plugins.models.squeezenet import TABLES as SQUEEZENETS
from cnnviz_plugins.models.squeezenet import SqueezeNet
from cnnviz_plugins.models.unet import UNet
from cnnviz_plugins.models.vgg import TABLES as VGGS
from cnnviz_plugins.models.vgg import VGG
from cnnviz_plugins.models.vision_transformer import VisionTransformer, published_block
from cnnviz_plugins.models.zoo_names import (
    HF_CONVNEXT,
    HF_MOBILE,
    HF_RESNET,
    HF_TRANSFORMER,
    TIMM_CONVNEXT,
    TIMM_EFFICIENT,
    TIMM_LITE,
    TIMM_MOBILE,
    TIMM_TRANSFORMER,
    TIMM_VGG,
    Naming,
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """How a published network is made and fed."""

    network: Callable[..., nnx.Module]
    """Makes it, given `rngs`."""
    input_shape: tuple[int, int, int]
    """Height, width and channels of its images."""
    mean: tuple[float, ...]
    """Subtracted from images in [0, 1], one number a channel."""
    std: tuple[float, ...]
    """Divides them after that."""
    classes: int
    """Number of its classes."""
    labels: tuple[str, ...] | None = None
    """Names of the classes; others may lie beside the weights."""
    name_in_file: Callable[[str], str] = str
    """Turns a name of the published file into the one that torchvision has now."""
    left_out: tuple[str, ...] = ()
    """Beginnings of names in the published file that only training uses."""
    namings: tuple[Naming, ...] = ()
    """Other libraries that have this network and whose names of parameters are known."""


_torchvision = partial(Published, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_imagenet = partial(_torchvision, input_shape=(224, 224, 3), classes=1000, labels=imagenet_classes())
_from_tensorflow = partial(_imagenet, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
_cifar = partial(
    _torchvision,
    input_shape=(32, 32, 3),
    classes=10,
    labels=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)

_VGG = (TIMM_VGG,)

PUBLISHED: dict[str, Published] = {
    "alexnet": _imagenet(network=AlexNet),
    **{name: _imagenet(network=partial(VGG, table), namings=_VGG) for name, table in VGGS.items()},
    **{
        f"{name}_bn": _imagenet(network=partial(VGG, table, batch_norm=True), namings=_VGG)
        for name, table in VGGS.items()
    },
    **{name: _imagenet(network=partial(SqueezeNet, name)) for name in SQUEEZENETS},
    **{
        name: _imagenet(network=partial(ResNet, kind, counts), namings=(HF_RESNET,))
        for name, (kind, counts) in RESNETS.items()
    },
    "mobilenet_v2": _imagenet(network=MobileNetV2, namings=(TIMM_MOBILE,)),
    "mobilenet_v2_tf": _from_tensorflow(network=partial(MobileNetV2, padding="tensorflow"), namings=(HF_MOBILE,)),
    # The lite networks were trained on bytes less 127, divided by 128, which integer arithmetic has exactly.
    "efficientnet_lite0": _imagenet(
        network=EfficientNetLite,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        name_in_file=without_underscores,
        namings=(TIMM_LITE,),
    ),
    "efficientnet_b0": _imagenet(network=EfficientNet, namings=(TIMM_EFFICIENT,)),
    "googlenet": _from_tensorflow(network=GoogLeNet, left_out=("aux1.", "aux2.")),
    "inception_v3": _from_tensorflow(network=InceptionV3, input_shape=(299, 299, 3), left_out=("AuxLogits.",)),
    # Lucid feeds bytes less 117; its 1008 outputs are in an order of their own, so the thousand names do not fit.
    "inception_v1": Published(
        network=InceptionV1, input_shape=(224, 224, 3), mean=(117 / 255,) * 3, std=(1 / 255,) * 3, classes=1008
    ),
    "unet": Published(
        network=UNet,
        input_shape=(256, 256, 3),
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        classes=2,
        labels=("background", "car"),
        left_out=("mask_values",),
    ),
    "convnext_tiny": _imagenet(network=ConvNeXt, namings=(TIMM_CONVNEXT, HF_CONVNEXT)),
    "vit_b_16": _imagenet(
        network=VisionTransformer, name_in_file=published_block, namings=(TIMM_TRANSFORMER, HF_TRANSFORMER)
    ),
    **{
        name: _imagenet(network=partial(DenseNet, growth, counts), name_in_file=published_name)
        for name, (growth, counts) in DENSENETS.items()
    },
    **{name: _cifar(network=partial(CifarResNet, blocks)) for name, blocks in BLOCKS.items()},
    "lenet": Published(
        network=LeNet,
        input_shape=(28, 28, 1),
        mean=(0.0,),
        std=(256 / 255,),  # Caffe feeds bytes / 256
        classes=10,
        labels=tuple("0123456789"),
    ),
}
"""The networks by name."""

_NOT_OFFERED = WeightsSpec()


def load_network(name: str, weights: str | Path) -> nnx.Module:
    """The network `name` with the weights of a file, in inference mode.

    Raises:
        WeightsError: The file cannot be read or does not fit.
    """
    entry = PUBLISHED[name]
    # Abstract first: initial values that the file replaces would cost seconds to draw.
    network = abstract(entry.network)
    load_file(network, weights, name_in_file=entry.name_in_file, left_out=entry.left_out, namings=entry.namings)
    network.eval()
    return network


def build(name: str, weights: str | Path | None, published: WeightsSpec = _NOT_OFFERED) -> Model:
    """The network `name` as a model that can be explained.

    Args:
        name: A key of `PUBLISHED`.
        weights: A file of weights; where it is `None`, the published file if the user has downloaded it or installed a
            package that carries it.
        published: Which file that is.

    Raises:
        WeightsError: No file is given and none was downloaded, or it cannot be read or does not fit.
    """
    file = (packaged_file(published, check=True) or cached_file(published)) if weights is None else Path(weights)
    if file is None:
        ways = f"pass a file: `--weights FILE`, or `cnnviz_jax.load_model({name!r}, weights=FILE)`"
        if published.url is not None:
            ways += f", or fetch the published one by `cnnviz models --download {name}`"
        if published.packaged is not None:
            ways = f"`{published.packaged.install}` brings them; or {ways}"
        raise WeightsError(f"{name} needs weights and none came with this package; {ways}")
    entry = PUBLISHED[name]
    return adapt(
        load_network(name, file),
        input_shape=entry.input_shape,
        mean=entry.mean,
        std=entry.std,
        labels=labels_beside(file, entry.classes) or entry.labels,
        adapter="nnx",
        name=name,
    )
