"""torchvision through `torch.export`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoos.network import Architecture, Network


def architectures() -> Iterator[Architecture]:
    """Yield networks of every family."""
    for name in NETWORKS:
        yield Architecture("torchvision", name, partial(_built, name))


def _built(name: str) -> Network:
    import torch
    import torchvision

    from zoos import torch_modules

    torch.manual_seed(0)
    size = 224 if name.startswith("maxvit") else 75 if name.startswith("inception") else 64
    options: dict[str, Any] = {"num_classes": 10}
    if name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": False}
    if name.startswith("vit"):
        options["image_size"] = size
    if name in SEGMENTING:
        module = getattr(torchvision.models.segmentation, name)(weights=None, weights_backbone=None, num_classes=4)
        return torch_modules.network(module, size, scores=_mean)
    return torch_modules.network(getattr(torchvision.models, name)(weights=None, **options), size)


def _mean(outputs: Any) -> Any:
    return outputs["out"].mean((2, 3))


SEGMENTING = ("lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "fcn_resnet50", "deeplabv3_resnet50")
NETWORKS = (
    "alexnet", "squeezenet1_0", "squeezenet1_1", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn",
    "vgg19", "vgg19_bn", "resnet18", "resnet34", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "mnasnet0_5",
    "mnasnet0_75", "mnasnet1_0", "mnasnet1_3", "googlenet", "resnet50", "resnext50_32x4d", "wide_resnet50_2",
    "convnext_tiny", "vit_b_32", "vit_b_16", "regnet_x_400mf", "regnet_x_800mf", "regnet_y_400mf", "regnet_y_800mf",
    "regnet_x_1_6gf", "regnet_x_3_2gf", "inception_v3", "densenet121", "efficientnet_b0", "efficientnet_b1", "swin_t",
    "swin_v2_t", "lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "fcn_resnet50", "deeplabv3_resnet50",
    "efficientnet_b2", "densenet169", "resnet101", "convnext_small", "efficientnet_v2_s", "maxvit_t",
)  # fmt: skip
