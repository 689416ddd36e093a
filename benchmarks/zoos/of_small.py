"""Thirty small members of families, each in a few seconds, for the tests: of what the extra `test` installs."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from zoos import of_haiku, of_keras
from zoos.network import Architecture, Network

SIZE = 32


def architectures() -> Iterator[Architecture]:
    """Yield the thirty, by the library that each needs."""
    for name, make in {**_haiku(), **_keras()}.items():
        yield Architecture(name.partition(" ")[0], name.partition(" ")[2], make)


def _haiku() -> dict[str, Callable[[], Network]]:
    """ResNets of four blocks, of both versions and both kinds of block, and MobileNets."""
    found = {}
    for v2 in (False, True):
        for bottleneck in (False, True):
            for projected in (False, True):
                options = {
                    "blocks_per_group": (1, 1, 1, 1), "bottleneck": bottleneck, "resnet_v2": v2,
                    "channels_per_group": (32, 32, 64, 64) if projected else (32, 32, 32, 32),
                    "use_projection": (True,) * 4 if projected else (False,) * 4,
                    "strides": (1, 2, 1, 2) if projected else (1, 1, 1, 1),
                    "initial_conv_config": {"output_channels": 32, "kernel_shape": 3, "stride": 2},
                }  # fmt: skip
                words = f"haiku ResNet{'V2' if v2 else ''} {'bottleneck' if bottleneck else 'basic'}"
                found[f"{words}{' projected' if projected else ''}"] = partial(_of_haiku, "ResNet", options)
    for normed in (True, False):
        options = {"strides": (1, 2, 1), "channels": (16, 32, 32), "use_bn": normed}
        found[f"haiku MobileNetV1{'' if normed else ' without norms'}"] = partial(_of_haiku, "MobileNetV1", options)
    return found


def _of_haiku(name: str, options: dict[str, Any]) -> Network:
    return of_haiku.network(name, SIZE, num_classes=5, **options)


def _keras() -> dict[str, Callable[[], Network]]:
    """Each family's own builder, with a few blocks."""
    inverted = {"kernel_size": 3, "repeats": 1, "filters_in": 32, "filters_out": 32, "expand_ratio": 2, "id_skip": True,
                "strides": 1, "se_ratio": 0.25}  # fmt: skip
    second = {"kernel_size": 3, "num_repeat": 1, "input_filters": 8, "output_filters": 8, "expand_ratio": 2,
              "se_ratio": 0.25, "strides": 1}  # fmt: skip
    mobile = {"stack_fn": _stack_v3, "last_point_ch": 32}
    made: dict[str, tuple[Any, ...]] = {
        "ConvNeXt": ("convnext.ConvNeXt", [1, 1, 1, 1], [8, 8, 16, 16], {"include_preprocessing": False}),
        "ConvNeXt deep": ("convnext.ConvNeXt", [1, 2, 1, 1], [8, 8, 8, 8], {"include_preprocessing": True}),
        "DenseNet": ("densenet.DenseNet", [1, 1, 1, 1], {}),
        "DenseNet deep": ("densenet.DenseNet", [2, 1, 1, 1], {}),
        "EfficientNet": ("efficientnet.EfficientNet", 1.0, 1.0, SIZE, {"blocks_args": [inverted]}),
        "EfficientNet strided": ("efficientnet.EfficientNet", 1.0, 1.0, SIZE, {
            "blocks_args": [{**inverted, "kernel_size": 5, "strides": 2}]}),
        "EfficientNet plain": ("efficientnet.EfficientNet", 1.0, 1.0, SIZE, {
            "blocks_args": [{**inverted, "expand_ratio": 1, "se_ratio": 0}], "activation": "relu"}),
        "EfficientNetV2": ("efficientnet_v2.EfficientNetV2", 1.0, 1.0, SIZE, {
            "blocks_args": [{**second, "conv_type": 0}], "include_preprocessing": False}),
        "EfficientNetV2 fused": ("efficientnet_v2.EfficientNetV2", 1.0, 1.0, SIZE, {
            "blocks_args": [{**second, "conv_type": 1}], "include_preprocessing": True}),
        "EfficientNetV2 strided": ("efficientnet_v2.EfficientNetV2", 1.0, 1.0, SIZE, {
            "blocks_args": [{**second, "conv_type": 0, "strides": 2}], "include_preprocessing": False}),
        "ResNet": ("resnet.ResNet", partial(_stack, 1), False, True, {}),
        "ResNet deep": ("resnet.ResNet", partial(_stack, 1, blocks=2), False, True, {}),
        "ResNetV2": ("resnet.ResNet", partial(_stack, 2, blocks=2), True, True, {}),
        "ResNetV2 deep": ("resnet.ResNet", partial(_stack, 2, blocks=3), True, True, {}),
        "MobileNetV3": ("mobilenet_v3.MobileNetV3", {**mobile, "include_preprocessing": False}),
        "MobileNetV3 minimalistic": ("mobilenet_v3.MobileNetV3", {**mobile, "minimalistic": True}),
    }  # fmt: skip
    found = {f"keras {name}": partial(_of_keras, *what) for name, what in made.items()}
    for alpha in (0.25, 0.5):
        found[f"keras MobileNet {alpha}"] = partial(_of_keras, "MobileNet", {"alpha": alpha})
    found["keras VGG16"] = partial(_of_keras, "VGG16", {})
    found["keras MobileNetV2 0.35"] = partial(_of_keras, "MobileNetV2", {"alpha": 0.35})
    return found


def _of_keras(name: str, *arguments: Any) -> Network:
    *positional, options = arguments
    return of_keras.network(name, SIZE, *positional, **options)


def _stack(version: int, x: Any, *, blocks: int = 1) -> Any:
    from keras.src.applications import resnet

    return getattr(resnet, f"stack_residual_blocks_v{version}")(x, 8, blocks, name="conv2")


def _stack_v3(x: Any, kernel: int, activation: Any, se_ratio: float | None) -> Any:
    from keras.src.applications import mobilenet_v3

    x = mobilenet_v3._inverted_res_block(x, 1, 16, 3, 2, se_ratio, mobilenet_v3.relu, 0)
    return mobilenet_v3._inverted_res_block(x, 2, 16, kernel, 1, se_ratio, activation, 1)
