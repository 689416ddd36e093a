"""flaxmodels, jax-resnet, big_vision and scenic: Flax Linen."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from zoos.network import Architecture, Network
from zoos.stand_ins import stand_ins

SHAPE = (64, 64, 3)


def flaxmodels() -> Iterator[Architecture]:
    """Yield VGGs and ResNets."""

    def built(name: str, **options: Any) -> Network:
        import flaxmodels

        from zoos.jax_modules import linen

        module = getattr(flaxmodels, name)(output="logits", pretrained=None, num_classes=10, **options)
        return linen(module, SHAPE if name.startswith("ResNet") else (224, 224, 3), train=False)  # VGG's head is fixed

    for depth in (18, 34, 50, 101, 152):
        yield Architecture("flaxmodels", f"ResNet{depth}", partial(built, f"ResNet{depth}"))
    for name in ("VGG16", "VGG19"):
        yield Architecture("flaxmodels", name, partial(built, name))


def jax_resnet() -> Iterator[Architecture]:
    """Yield all of its ResNets."""

    def built(name: str) -> Network:
        import jax_resnet

        from zoos.jax_modules import linen

        return linen(getattr(jax_resnet, name)(n_classes=10), SHAPE)

    names = ("ResNet18", "ResNet34", "ResNetD18", "ResNetD34", "ResNet50", "WideResNet50", "ResNeXt50", "ResNetD50",
             "ResNeSt50Fast", "ResNeSt50", "ResNet101", "WideResNet101", "ResNeXt101", "ResNetD101", "ResNeSt101",
             "ResNet152", "ResNetD152", "ResNet200", "ResNetD200", "ResNeSt152", "ResNeSt200")  # fmt: skip
    for name in names:
        yield Architecture("jax_resnet", name, partial(built, name))


def big_vision() -> Iterator[Architecture]:
    """Yield BiT by depth, ViT by head, and MLP-Mixers."""

    def built(file: str, options: dict[str, Any]) -> Network:
        import importlib

        from zoos.jax_modules import linen

        with stand_ins("tensorflow"):
            module = importlib.import_module(f"big_vision.models.{file}").Model(num_classes=10, **options)
        return linen(module, SHAPE, scores=_logits)

    for depth in (26, 50, 101):
        yield Architecture("big_vision", f"bit-{depth}", partial(built, "bit", {"depth": depth}))
    yield Architecture("big_vision", "bit_paper-50", partial(built, "bit_paper", {"depth": 50}))
    for variant, pool in (("mu/16", "gap"), ("mu/16", "map"), ("Ti/16", "gap"), ("Ti/16", "tok"), ("S/16", "map"),
                          ("S/32", "gap"), ("B/32", "tok")):  # fmt: skip
        yield Architecture(
            "big_vision", f"vit-{variant}-{pool}", partial(built, "vit", {"variant": variant, "pool_type": pool})
        )
    options = {"variant": "Ti/16", "posemb": "sincos2d", "rep_size": True}
    yield Architecture("big_vision", "vit-Ti/16-sincos2d-rep", partial(built, "vit", options))
    yield Architecture("big_vision", "vit-Ti/16-scan", partial(built, "vit", {"variant": "Ti/16", "scan": True}))
    for variant in ("S/32", "S/16", "B/32"):
        yield Architecture("big_vision", f"mixer-{variant}", partial(built, "mlp_mixer", {"variant": variant}))


def _logits(outputs: Any) -> Any:
    return outputs[0]


def scenic() -> Iterator[Architecture]:
    """Yield the networks of `projects/baselines`."""

    def built(make: Callable[[], Any]) -> Network:
        from zoos.jax_modules import linen

        return linen(make(), SHAPE, train=False)

    def made(file: str, name: str, **options: Any) -> Any:
        import importlib

        with stand_ins("tensorflow", "tensorflow_datasets", "dmvr", "tensorflow_text", "seaborn", "cv2", "pycocotools"):
            return getattr(importlib.import_module(f"scenic.projects.baselines.{file}"), name)(**options)

    def segmented() -> Network:
        from zoos.jax_modules import linen

        return linen(made("unet", "UNet", num_classes=4, block_size=(8, 16, 32)), SHAPE, scores=_mean, train=False)

    for depth in (18, 34, 50, 101):
        make = partial(made, "resnet", "ResNet", num_outputs=10, num_layers=depth)
        yield Architecture("scenic", f"resnet-{depth}", partial(built, make))
    for depth in (26, 50):
        make = partial(made, "bit_resnet", "BitResNet", num_outputs=10, num_layers=depth)
        yield Architecture("scenic", f"bit_resnet-{depth}", partial(built, make))
    mixer = {"num_classes": 10, "patch_size": (8, 8), "hidden_size": 64, "num_layers": 4, "channels_mlp_dim": 128,
             "sequence_mlp_dim": 64}  # fmt: skip
    yield Architecture("scenic", "mixer", partial(built, partial(made, "mixer", "Mixer", **mixer)))
    yield Architecture("scenic", "unet", segmented)


def _mean(outputs: Any) -> Any:
    return outputs.mean((1, 2))
