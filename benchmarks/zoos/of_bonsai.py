"""Bonsai, from a checkout: Flax NNX."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from zoos.network import Architecture, Network


def architectures() -> Iterator[Architecture]:
    """Yield its networks for images, smallest first; of every family one with few blocks."""
    yield Architecture(
        "bonsai",
        "resnet50(block_layers=[1, 1, 1, 1])",
        partial(_built, "resnet", "ResNet", "resnet50", few={"block_layers": [1, 1, 1, 1]}),
    )
    yield Architecture(
        "bonsai",
        "densenet_121(dense_block_layers=[2, 2, 2, 2])",
        partial(_built, "densenet121", "DenseNet", "densenet_121", few={"dense_block_layers": [2, 2, 2, 2]}),
    )
    yield Architecture(
        "bonsai",
        "vit_p16_224(num_layers=2, hidden_dim=192, mlp_dim=768)",
        partial(
            _built,
            "vit",
            "ViTClassificationModel",
            "vit_p16_224",
            64,
            rngs=None,
            few={"num_layers": 2, "hidden_dim": 192, "mlp_dim": 768, "image_size": (64, 64)},
        ),
    )
    yield Architecture("bonsai", "convnext_tiny_224(stage_depths=(1, 1, 1, 1))", partial(
        _built, "convnext", "ConvNeXt", "convnext_tiny_224", few={"stage_depths": (1, 1, 1, 1)}, rngs=None,
        train=False))  # fmt: skip
    yield Architecture("bonsai", "unet", _unet)
    for name in ("resnet50", "resnet152"):
        yield Architecture("bonsai", name, partial(_built, "resnet", "ResNet", name))
    for name in ("densenet_121", "densenet_169", "densenet_201"):
        yield Architecture("bonsai", name, partial(_built, "densenet121", "DenseNet", name))
    yield Architecture("bonsai", "vgg_19", partial(_built, "vgg19", "VGG", "vgg_19"))
    yield Architecture(
        "bonsai", "vit_p16_224", partial(_built, "vit", "ViTClassificationModel", "vit_p16_224", 224, rngs=None)
    )
    for name in ("convnext_tiny_224", "convnext_small_224", "convnext_base_224"):
        yield Architecture("bonsai", name, partial(_built, "convnext", "ConvNeXt", name, rngs=None, train=False))
    for n in range(8):
        yield Architecture("bonsai", f"efficientnet_b{n}", partial(_built, "efficientnet", "EfficientNet", f"b{n}"))
    yield Architecture("bonsai", "vae", _vae)


def _built(
    file: str, name: str, config: str, size: int = 64, *, few: Mapping[str, Any] | None = None, **call: Any
) -> Network:
    import dataclasses
    import importlib

    from flax import nnx

    from zoos.jax_modules import of_nnx

    module = importlib.import_module(f"bonsai.models.{file}.modeling")
    chosen = dataclasses.replace(getattr(module.ModelConfig, config)(), **(few or {}))
    return of_nnx(lambda: getattr(module, name)(chosen, rngs=nnx.Rngs(0)), (size, size, 3), **call)


def _unet() -> Network:
    from bonsai.models.unet.modeling import ModelConfig, UNet
    from flax import nnx

    from zoos.jax_modules import of_nnx

    config = ModelConfig(in_channels=3, num_classes=4, features=(8, 16, 32, 64, 128))
    return of_nnx(lambda: UNet(config, rngs=nnx.Rngs(0)), (64, 64, 3), scores=_mean)


def _vae() -> Network:
    from bonsai.models.vae.modeling import VAE, ModelConfig
    from flax import nnx

    from zoos.jax_modules import of_nnx

    config = ModelConfig.stable_diffusion_v1_5()
    return of_nnx(lambda: VAE(config, rngs=nnx.Rngs(0)), (32, 32, 3), scores=_mean)


def _mean(outputs: Any) -> Any:
    return outputs.mean((1, 2))
