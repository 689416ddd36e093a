"""flaxmodels, jax-resnet, big_vision and scenic: Flax Linen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

    for name in ("ResNet18", "ResNet50", "VGG16", "ResNet34", "VGG19", "ResNet101", "ResNet152"):
        yield Architecture("flaxmodels", name, partial(built, name))


def jax_resnet() -> Iterator[Architecture]:
    """Yield all of its ResNets, of every family first the one with a block in each stage."""

    def built(name: str, **options: Any) -> Network:
        import jax_resnet

        from zoos.jax_modules import linen

        return linen(getattr(jax_resnet, name)(n_classes=10, **options), SHAPE)

    shallow = {"stage_sizes": [1, 1, 1, 1]}
    for name in ("ResNet18", "ResNet50", "ResNetD18", "ResNetD50", "WideResNet50", "ResNeXt50", "ResNeSt50Fast",
                 "ResNeSt50"):  # fmt: skip
        yield Architecture("jax_resnet", f"{name}(stage_sizes=[1, 1, 1, 1])", partial(built, name, **shallow))
    names = ("ResNet18", "ResNet34", "ResNetD18", "ResNetD34", "ResNet50", "WideResNet50", "ResNeXt50", "ResNetD50",
             "ResNeSt50Fast", "ResNeSt50", "ResNet101", "WideResNet101", "ResNeXt101", "ResNetD101", "ResNeSt101",
             "ResNet152", "ResNetD152", "ResNet200", "ResNetD200", "ResNeSt152", "ResNeSt200")  # fmt: skip
    for name in names:
        yield Architecture("jax_resnet", name, partial(built, name))


def big_vision() -> Iterator[Architecture]:
    """Yield ViTs by head, MLP-Mixers, and BiT by depth."""

    def built(file: str, options: dict[str, Any]) -> Network:
        import importlib

        from zoos.jax_modules import linen

        with stand_ins("tensorflow"):
            module = importlib.import_module(f"big_vision.models.{file}").Model(num_classes=10, **options)
        return linen(module, SHAPE, scores=_logits)

    def one(name: str, file: str, **options: Any) -> Architecture:
        return Architecture("big_vision", name, partial(built, file, options))

    for pool in ("gap", "map", "tok"):
        yield one(f"vit-mu/16-{pool}", "vit", variant="mu/16", pool_type=pool)
    yield one("vit-mu/16-sincos2d-rep", "vit", variant="mu/16", posemb="sincos2d", rep_size=True)
    yield one("vit-Ti/16-scan", "vit", variant="Ti/16", scan=True)
    yield one("mixer-S/32(num_blocks=2)", "mlp_mixer", variant="S/32", num_blocks=2)
    for file in ("bit", "bit_paper"):
        yield one(f"{file}(depth=(1, 1, 1, 1))", file, depth=(1, 1, 1, 1))
    yield one("vit-Ti/16-tok", "vit", variant="Ti/16", pool_type="tok")
    yield one("vit-S/32-gap", "vit", variant="S/32", pool_type="gap")
    yield one("mixer-S/32", "mlp_mixer", variant="S/32")
    yield one("bit-26", "bit", depth=26)
    yield one("bit_paper-50", "bit_paper", depth=50)
    yield one("vit-S/16-map", "vit", variant="S/16", pool_type="map")
    yield one("vit-B/32-tok", "vit", variant="B/32", pool_type="tok")
    yield one("mixer-B/32", "mlp_mixer", variant="B/32")
    for depth in (50, 101):
        yield one(f"bit-{depth}", "bit", depth=depth)


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

    def residual(depth: int) -> Architecture:
        make = partial(made, "resnet", "ResNet", num_outputs=10, num_layers=depth)
        return Architecture("scenic", f"resnet-{depth}", partial(built, make))

    def pre_activated(depth: int) -> Architecture:
        make = partial(made, "bit_resnet", "BitResNet", num_outputs=10, num_layers=depth)
        return Architecture("scenic", f"bit_resnet-{depth}", partial(built, make))

    yield from (residual(9), residual(14), pre_activated(11))
    mixer = {"num_classes": 10, "patch_size": (8, 8), "hidden_size": 64, "num_layers": 4, "channels_mlp_dim": 128,
             "sequence_mlp_dim": 64}  # fmt: skip
    yield Architecture("scenic", "mixer", partial(built, partial(made, "mixer", "Mixer", **mixer)))
    yield Architecture("scenic", "unet", segmented)
    small = {"num_classes": 10, "mlp_dim": 128, "num_layers": 2, "num_heads": 4, "hidden_size": 64}
    for classifier in ("gap", "token", "map"):
        make = partial(made, "vit", "ViT", **small, patches=_Patches((8, 8)), classifier=classifier)
        yield Architecture("scenic", f"vit-{classifier}", partial(built, make))
    yield from (residual(18), residual(34), residual(50), pre_activated(26), pre_activated(50), residual(101))


@dataclass(frozen=True)
class _Patches:
    """What scenic reads of a configuration of patches."""

    size: tuple[int, int]


def _mean(outputs: Any) -> Any:
    return outputs.mean((1, 2))
