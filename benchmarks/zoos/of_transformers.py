"""The image networks of `transformers` through `torch.export`, each at a small configuration of its own class."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoos.network import Architecture, Network

_TINY = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
_VIT = {**_TINY, "image_size": 64, "patch_size": 8}
_STAGES = {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 48, 64]}
_SWIN = {
    "image_size": 64,
    "patch_size": 4,
    "embed_dim": 16,
    "depths": [1, 1, 2],
    "num_heads": [1, 2, 4],
    "window_size": 4,
}
_SEGFORMER = {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 48, 64], "num_attention_heads": [1, 2, 3, 4]}
CONFIGS: dict[str, dict[str, Any]] = {
    "ViT": _VIT,
    "DeiT": _VIT,
    "Dinov2": {**_VIT, "mlp_ratio": 2},
    "Dinov2WithRegisters": {**_VIT, "mlp_ratio": 2},
    "IJepa": _VIT,
    "ViTMSN": _VIT,
    "Beit": _VIT,
    "Data2VecVision": _VIT,
    "Siglip": {"vision_config": _VIT},
    "CLIP": {"vision_config": _VIT},
    "ResNet": {**_STAGES, "embedding_size": 16, "layer_type": "basic"},
    "RegNet": {**_STAGES, "embedding_size": 16, "groups_width": 8},
    "ConvNext": _STAGES,
    "ConvNextV2": _STAGES,
    "Bit": {**_STAGES, "embedding_size": 16, "num_groups": 8},
    "Swin": _SWIN,
    "Swinv2": _SWIN,
    "DonutSwin": _SWIN,
    "FocalNet": {
        "image_size": 64,
        "embed_dim": 16,
        "depths": [1, 1, 1],
        "focal_levels": [2, 2, 2],
        "focal_windows": [3, 3, 3],
    },
    "PoolFormer": {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 48, 64]},
    "Segformer": _SEGFORMER,
    "Pvt": {**_SEGFORMER, "image_size": 64, "num_hidden_layers": [1, 1, 1, 1], "num_attention_heads": [1, 2, 3, 4]},
    "PvtV2": {**_SEGFORMER, "image_size": 64},
    "EfficientNet": {"image_size": 64, "width_coefficient": 0.5, "depth_coefficient": 0.3, "hidden_dim": 640},
    "MobileNetV1": {"image_size": 64, "depth_multiplier": 0.25},
    "MobileNetV2": {"image_size": 64, "depth_multiplier": 0.35},
    "MobileViT": {"image_size": 64},
    "MobileViTV2": {"image_size": 64, "width_multiplier": 0.5},
    "Levit": {"image_size": 64},
    "EfficientFormer": {"image_size": 64, "resolution": 2},
    "SwiftFormer": {"image_size": 64},
    "HGNetV2": {},
    "TextNet": {},
    "Hiera": {"image_size": [64, 64], "depths": [1, 1, 2, 1], "embed_dim": 16},
    "VitDet": {**_VIT, "pretrain_image_size": 64, "window_size": 4, "window_block_indices": [0]},
    "DINOv3ConvNext": _STAGES,
}
_HEADLESS = {"VitDet": ("VitDetModel", "last_hidden_state"), "DINOv3ConvNext": ("DINOv3ConvNextModel", "pooler_output")}
"""Networks that the library has without a head: its class, and the output whose channels stand for scores."""


def architectures() -> Iterator[Architecture]:
    """Yield the networks of `CONFIGS` that this version of the library has."""
    for name in CONFIGS:
        yield Architecture("transformers", name, partial(_built, name))


def _built(name: str) -> Network:
    import torch
    import transformers

    from zoos import torch_modules

    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(num_labels=10, **CONFIGS[name])
    kind, output = _HEADLESS.get(name, (f"{name}ForImageClassification", "logits"))
    return torch_modules.network(getattr(transformers, kind)(config), 64, scores=partial(_scores, output))


def _scores(output: str, outputs: Any) -> Any:
    found = outputs[output]
    return found.mean((2, 3)) if found.ndim == 4 else found
