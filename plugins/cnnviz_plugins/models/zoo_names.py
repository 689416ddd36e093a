"""Names that timm and Hugging Face's transformers give to parameters, turned into those of the networks here.

A file's names tell which library wrote it. Where a library keeps apart what is one array here, as the three projections
of attention, names end in `#0`, `#1`, `#2` and the arrays are joined in that order along their first axis. Arrays that
differ in axes of length 1 or in being flat are reshaped where they are put.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

Rule = tuple[str, str | Callable[[re.Match[str]], str]]
"""The beginning of a name as a pattern, and what stands for it here."""


@dataclass(frozen=True)
class Naming:
    """How a library calls the parameters of one network."""

    library: str
    """Whose names they are."""
    mark: str
    """A pattern that begins some name of its files and no name here."""
    rules: tuple[Rule, ...]
    """The first whose pattern begins a name turns it; other names stay."""
    variance: float = 0.0
    """Added to variances, where its norms have an epsilon larger by this."""
    background: str = ""
    """The layer whose first output is no class and is left out, if there is one more than here."""

    def renamed(self, name: str) -> str:
        """The name here of one in the file."""
        for pattern, new in self.rules:
            if found := re.match(pattern, name):
                return (found.expand(new) if isinstance(new, str) else new(found)) + name[found.end() :]
        return name


def naming_of(namings: Sequence[Naming], names: Iterable[str]) -> Naming | None:
    """The one of `namings` that a file's names have; `None` where they are torchvision's or unknown."""
    names = list(names)
    return next((each for each in namings if any(re.match(each.mark, name) for name in names)), None)


def gathered(naming: Naming, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The names here, each with those in the file whose arrays make it, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        here, _, part = naming.renamed(name).partition("#")
        found.setdefault(here, []).append((part, name))
    return {here: tuple(name for _, name in sorted(parts)) for here, parts in found.items()}


def placed_shape(
    naming: Naming, name: str, shapes: Sequence[tuple[int, ...]], wanted: tuple[int, ...]
) -> tuple[int, ...]:
    """The shape that arrays of a file have once they are joined and put in place: `wanted`, if they fit.

    Args:
        naming: Whose names they have.
        name: The name here.
        shapes: The arrays' shapes, in order.
        wanted: The shape that the network has there, in torchvision's layout.
    """
    first = shapes[0]
    if not first or any(each[1:] != first[1:] for each in shapes):
        return first
    joined = (sum(each[0] for each in shapes), *first[1:])
    if naming.background and name.startswith(f"{naming.background}.") and joined[0] == wanted[0] + 1:
        joined = (wanted[0], *joined[1:])
    return wanted if math.prod(joined) == math.prod(wanted) else joined


def placed(
    naming: Naming, name: str, arrays: Sequence[Shaped[np.ndarray, "..."]], wanted: tuple[int, ...]
) -> Shaped[np.ndarray, "..."]:
    """The arrays joined and put in place; see `placed_shape`, which said that they fit."""
    joined = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    joined = joined[-math.prod(wanted) // max(1, math.prod(joined.shape[1:])) :].reshape(wanted)
    return joined + np.asarray(naming.variance, joined.dtype) if name.endswith("running_var") else joined


def _blocks(counts: tuple[int, ...], place: str, first: dict[str, str], others: dict[str, str]) -> Rule:
    """timm's `blocks.STAGE.NUMBER.WORD`; `place` takes the stage from 1 on, the number, and the number over all stages,
    from 0 on (`block`) and from 1 on (`feature`)."""

    def new(found: re.Match[str]) -> str:
        stage, number = int(found[1]), int(found[2])
        words = first if stage == 0 else others
        block = sum(counts[:stage]) + number
        return place.format(stage=stage + 1, number=number, block=block, feature=block + 1) + words.get(
            found[3], found[3]
        )

    words = "|".join(sorted(map(re.escape, {*first, *others}), key=len, reverse=True))
    return rf"blocks\.(\d+)\.(\d+)\.({words})(?=\.)", new


def _stages(place: str) -> Callable[[re.Match[str]], str]:
    """ConvNeXt's stages, which torchvision counts with what halves the map before each."""
    return lambda found: place.format(before=2 * int(found[1]), stage=2 * int(found[1]) + 1, number=found[2])


def _convnext(block: str, words: dict[str, str]) -> tuple[Rule, ...]:
    return tuple((block + re.escape(word), _stages("features.{stage}.{number}." + new)) for word, new in words.items())


_INVERTED = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1"}
TIMM_MOBILE = Naming(
    "timm",
    r"blocks\.0\.0\.conv_dw",
    (
        (r"conv_stem", "features.0.0"),
        (r"bn1\.", "features.0.1."),
        (r"conv_head", "features.18.0"),
        (r"bn2\.", "features.18.1."),
        (r"classifier\.", "classifier.1."),
        _blocks(
            (1, 2, 3, 4, 3, 3, 1),
            "features.{feature}.conv.",
            {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"},
            _INVERTED | {"conv_pwl": "2", "bn3": "3"},
        ),
    ),
)
TIMM_EFFICIENT = Naming(
    "timm",
    r"blocks\.0\.0\.conv_dw",
    (
        (r"conv_stem", "features.0.0"),
        (r"bn1\.", "features.0.1."),
        (r"conv_head", "features.8.0"),
        (r"bn2\.", "features.8.1."),
        (r"classifier\.", "classifier.1."),
        _blocks(
            (1, 2, 2, 3, 3, 4, 1),
            "features.{stage}.{number}.block.",
            {
                "conv_dw": "0.0",
                "bn1": "0.1",
                "se.conv_reduce": "1.fc1",
                "se.conv_expand": "1.fc2",
                "conv_pw": "2.0",
                "bn2": "2.1",
            },
            _INVERTED | {"se.conv_reduce": "2.fc1", "se.conv_expand": "2.fc2", "conv_pwl": "3.0", "bn3": "3.1"},
        ),
    ),
)
TIMM_LITE = Naming(
    "timm",
    r"blocks\.0\.0\.conv_dw",
    (
        (r"bn1\.", "bn0."),
        (r"bn2\.", "bn1."),
        (r"classifier\.", "fc."),
        _blocks(
            (1, 2, 2, 3, 3, 4, 1),
            "blocks.{block}.",
            {"conv_dw": "depthwise_conv", "bn1": "bn1", "conv_pw": "project_conv", "bn2": "bn2"},
            {
                "conv_pw": "expand_conv",
                "bn1": "bn0",
                "conv_dw": "depthwise_conv",
                "bn2": "bn1",
                "conv_pwl": "project_conv",
                "bn3": "bn2",
            },
        ),
    ),
)
TIMM_VGG = Naming(
    "timm",
    r"pre_logits\.fc1",
    ((r"pre_logits\.fc1", "classifier.0"), (r"pre_logits\.fc2", "classifier.3"), (r"head\.fc", "classifier.6")),
)
TIMM_CONVNEXT = Naming(
    "timm",
    r"stages\.0\.blocks\.0\.",
    (
        (r"stem\.", "features.0."),
        (r"stages\.(\d+)\.downsample\.(\d+)", _stages("features.{before}.{number}")),
        *_convnext(
            r"stages\.(\d+)\.blocks\.(\d+)\.",
            {
                "conv_dw": "block.0",
                "norm": "block.2",
                "mlp.fc1": "block.3",
                "mlp.fc2": "block.5",
                "gamma": "layer_scale",
            },
        ),
        (r"head\.norm", "classifier.0"),
        (r"head\.fc", "classifier.2"),
    ),
)
TIMM_TRANSFORMER = Naming(
    "timm",
    r"blocks\.0\.attn\.qkv",
    (
        (r"cls_token", "class_token"),
        (r"pos_embed", "encoder.pos_embedding"),
        (r"patch_embed\.proj", "conv_proj"),
        (r"blocks\.(\d+)\.norm([12])", r"encoder.layers.encoder_layer_\1.ln_\2"),
        (r"blocks\.(\d+)\.attn\.qkv\.", r"encoder.layers.encoder_layer_\1.self_attention.in_proj_"),
        (r"blocks\.(\d+)\.attn\.proj", r"encoder.layers.encoder_layer_\1.self_attention.out_proj"),
        (r"blocks\.(\d+)\.mlp\.fc1", r"encoder.layers.encoder_layer_\1.mlp.0"),
        (r"blocks\.(\d+)\.mlp\.fc2", r"encoder.layers.encoder_layer_\1.mlp.3"),
        (r"norm\.", "encoder.ln."),
        (r"head\.", "heads.head."),
    ),
)


def _residual(found: re.Match[str]) -> str:
    place = f"layer{int(found[1]) + 1}.{found[2]}."
    kinds = {"convolution": "conv", "normalization": "bn"}
    if found[3] == "shortcut":
        return f"{place}downsample.{0 if found[5] == 'convolution' else 1}"
    return f"{place}{kinds[found[5]]}{int(found[4]) + 1}"


HF_RESNET = Naming(
    "transformers",
    r"resnet\.embedder\.",
    (
        (r"resnet\.embedder\.embedder\.convolution", "conv1"),
        (r"resnet\.embedder\.embedder\.normalization", "bn1"),
        (
            r"resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.(shortcut|layer\.(\d+))\.(convolution|normalization)",
            _residual,
        ),
        (r"classifier\.1", "fc"),
    ),
)
HF_CONVNEXT = Naming(
    "transformers",
    r"convnext\.embeddings\.",
    (
        (r"convnext\.embeddings\.patch_embeddings", "features.0.0"),
        (r"convnext\.embeddings\.layernorm", "features.0.1"),
        (r"convnext\.encoder\.stages\.(\d+)\.downsampling_layer\.(\d+)", _stages("features.{before}.{number}")),
        *_convnext(
            r"convnext\.encoder\.stages\.(\d+)\.layers\.(\d+)\.",
            {
                "dwconv": "block.0",
                "layernorm": "block.2",
                "pwconv1": "block.3",
                "pwconv2": "block.5",
                "layer_scale_parameter": "layer_scale",
            },
        ),
        (r"convnext\.layernorm", "classifier.0"),
        (r"classifier\.", "classifier.2."),
    ),
)
_LAYER = r"encoder.layers.encoder_layer_\1."


def _transformer(block: str, words: dict[str, str]) -> tuple[Rule, ...]:
    return tuple((rf"vit\.{block}\.(\d+)\.{re.escape(word)}", _LAYER + new) for word, new in words.items())


def _projections(block: str, names: tuple[str, str, str]) -> tuple[Rule, ...]:
    return tuple(
        (rf"vit\.{block}\.(\d+)\.{re.escape(name)}\.(weight|bias)$", rf"{_LAYER}self_attention.in_proj_\2#{place}")
        for place, name in enumerate(names)
    )


HF_TRANSFORMER = Naming(
    "transformers",
    r"vit\.embeddings\.",
    (
        (r"vit\.embeddings\.cls_token", "class_token"),
        (r"vit\.embeddings\.position_embeddings", "encoder.pos_embedding"),
        (r"vit\.embeddings\.patch_embeddings\.projection", "conv_proj"),
        # Its release 4, whose names published files have, then release 5.
        *_projections(
            r"encoder\.layer",
            ("attention.attention.query", "attention.attention.key", "attention.attention.value"),
        ),
        *_transformer(
            r"encoder\.layer",
            {
                "attention.output.dense": "self_attention.out_proj",
                "intermediate.dense": "mlp.0",
                "output.dense": "mlp.3",
                "layernorm_before": "ln_1",
                "layernorm_after": "ln_2",
            },
        ),
        *_projections("layers", ("attention.q_proj", "attention.k_proj", "attention.v_proj")),
        *_transformer(
            "layers",
            {
                "attention.o_proj": "self_attention.out_proj",
                "mlp.fc1": "mlp.0",
                "mlp.fc2": "mlp.3",
                "layernorm_before": "ln_1",
                "layernorm_after": "ln_2",
            },
        ),
        (r"vit\.layernorm", "encoder.ln"),
        (r"classifier\.", "heads.head."),
    ),
)


def _inverted(found: re.Match[str]) -> str:
    kinds = {"convolution": 0, "normalization": 1}
    part = {"expand_1x1": "0.{}", "conv_3x3": "1.{}"}.get(found[2])
    place = f"features.{int(found[1]) + 2}.conv."
    return place + (str(2 + kinds[found[3]]) if part is None else part.format(kinds[found[3]]))


HF_MOBILE = Naming(
    "transformers",
    r"mobilenet_v2\.conv_stem\.",
    (
        (r"mobilenet_v2\.conv_stem\.first_conv\.convolution", "features.0.0"),
        (r"mobilenet_v2\.conv_stem\.first_conv\.normalization", "features.0.1"),
        (r"mobilenet_v2\.conv_stem\.conv_3x3\.convolution", "features.1.conv.0.0"),
        (r"mobilenet_v2\.conv_stem\.conv_3x3\.normalization", "features.1.conv.0.1"),
        (r"mobilenet_v2\.conv_stem\.reduce_1x1\.convolution", "features.1.conv.1"),
        (r"mobilenet_v2\.conv_stem\.reduce_1x1\.normalization", "features.1.conv.2"),
        (
            r"mobilenet_v2\.layer\.(\d+)\.(expand_1x1|conv_3x3|reduce_1x1)\.(convolution|normalization)",
            _inverted,
        ),
        (r"mobilenet_v2\.conv_1x1\.convolution", "features.18.0"),
        (r"mobilenet_v2\.conv_1x1\.normalization", "features.18.1"),
        (r"classifier\.", "classifier.1."),
    ),
    variance=1e-3 - 1e-5,
    background="classifier.1",
)
