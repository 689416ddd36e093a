"""Equimo and eqxvision: Equinox modules of one image with channels first."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoos.network import Architecture, Network

RUN = ("vit_tiny",)
"""Networks whose initialisers look at the numbers of their key."""


def equimo() -> Iterator[Architecture]:
    """Yield its networks, at 64 pixels where they take that."""

    def built(name: str, size: int, options: dict[str, Any]) -> Network:
        import equimo.models
        import jax

        from zoos.jax_modules import equinox

        make = getattr(equimo.models, name)
        return equinox(lambda key: make(key=key, num_classes=10, **options), (size, size, 3), key=jax.random.key(0))

    shallow = {"convnext_t": [1, 1, 1, 1], "lowformer_backbone_b0": [0, 1, 1, 1, 1],
               "reduceformer_backbone_b1": [1, 1, 1, 1, 1],
               "vit_tiny_patch16_224": [2], "dinov2_vits14": [2], "dinov2_vits14_reg": [2],
               "dinov3_vits16_pretrain_lvd1689m": [2], "eupe_vitt16": [2], "siglip2_vitb32_256": [2],
               "tips_vits14_hr": [2], "vit5_small": [2]}  # fmt: skip
    for name, depths in shallow.items():
        size = 56 if "14" in name else 64
        options: dict[str, Any] = {"depths": depths}
        if name.startswith("lowformer"):
            options["attention_type"] = "softmax"
        if any(word in name for word in ("vi", "tips")):
            options["img_size"] = size
        yield Architecture("equimo", f"{name}(depths={depths})", partial(built, name, size, options))
    plain = ("mobilenetv3_small", "mobilenetv3_large", "convnext_t", "convnext_s", "convnext_b", "attnet_xxs",
             "attnet_xs", "attnet_s", "attnet_t1", "iformer_t", "iformer_s", "iformer_m", "lowformer_backbone_b0",
             "lowformer_backbone_b1", "lowformer_backbone_b2", "lowformer_backbone_b3", "reduceformer_backbone_b1",
             "reduceformer_backbone_b2", "reduceformer_backbone_b3")  # fmt: skip
    for name in plain:
        options = {"attention_type": "softmax"} if name.startswith("lowformer") else {}
        # AttNet's pools divide by zero where there are fewer units than they are to give.
        size = 224 if name.startswith("attnet") else 64
        yield Architecture("equimo", name, partial(built, name, size, options))
    for name in ("vit_tiny_patch16_224", "vit_tiny_patch32_224", "vit_small_patch32_224", "vit_base_patch32_224",
                 "dinov2_vits14", "dinov2_vits14_reg", "dinov3_vits16_pretrain_lvd1689m", "eupe_vitt16",
                 "siglip2_vitb32_256", "tips_vits14_hr", "vit5_small"):  # fmt: skip
        size = 56 if "14" in name else 64
        yield Architecture("equimo", name, partial(built, name, size, {"img_size": size}))


def eqxvision() -> Iterator[Architecture]:
    """Yield its networks without BatchNorm: the others use `equinox.experimental`, which Equinox has no more."""

    def built(name: str, size: int, options: dict[str, Any]) -> Network:
        import sys
        import types

        import equinox as eqx

        stand_in = types.ModuleType("equinox.experimental")
        stand_in.BatchNorm = stand_in.StateIndex = None  # type: ignore[attr-defined]
        eqx.experimental = sys.modules["equinox.experimental"] = stand_in
        import eqxvision.models
        import jax

        from zoos.jax_modules import equinox

        make = getattr(eqxvision.models, name)
        return equinox(
            lambda key: make(key=key, num_classes=10, **options),
            (size, size, 3),
            abstract=name not in RUN,
            key=jax.random.PRNGKey(0),
        )

    for name in ("squeezenet1_0", "squeezenet1_1", "convnext_tiny", "convnext_small"):
        yield Architecture("eqxvision", name, partial(built, name, 64, {}))
    for name in ("swin_t", "swin_s"):  # windows of 7 x 7 patches after each of three halvings
        yield Architecture("eqxvision", name, partial(built, name, 224, {}))
    for name in ("vgg11", "vgg13", "vit_tiny"):  # VGG's pool to 7 x 7 divides by zero where there are fewer units
        yield Architecture("eqxvision", name, partial(built, name, 224, {}))
