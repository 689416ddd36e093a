"""Files of timm and of Hugging Face's transformers fill the networks here, by names alone.

Random networks of both libraries (timm 1.0.31, transformers 5.24.0) were saved by their own writers, read here, and
gave the same scores to 1e-5 of the largest; see docs/models.md. Here names stand as data, and where a library is
installed its own names are compared.
"""

import functools

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.naming import abstract, load_arrays, load_file, torch_slots
from cnnviz_plugins.models.published import PUBLISHED
from cnnviz_plugins.models.vision_transformer import VisionTransformer
from cnnviz_plugins.models.zoo_names import (
    HF_MOBILE,
    HF_TRANSFORMER,
    TIMM_TRANSFORMER,
    gathered,
    naming_of,
    placed,
    placed_shape,
)

THIRD = "encoder.layers.encoder_layer_3."
PAIRS = {
    "vgg16": {"pre_logits.fc1.weight": "classifier.0.weight", "head.fc.bias": "classifier.6.bias"},
    "resnet50": {
        "resnet.embedder.embedder.normalization.running_var": "bn1.running_var",
        "resnet.encoder.stages.2.layers.5.layer.1.convolution.weight": "layer3.5.conv2.weight",
        "resnet.encoder.stages.0.layers.0.shortcut.normalization.bias": "layer1.0.downsample.1.bias",
        "classifier.1.weight": "fc.weight",
    },
    "mobilenet_v2": {
        "conv_stem.weight": "features.0.0.weight",
        "blocks.0.0.conv_dw.weight": "features.1.conv.0.0.weight",
        "blocks.0.0.conv_pw.weight": "features.1.conv.1.weight",
        "blocks.2.1.bn3.bias": "features.5.conv.3.bias",
        "blocks.6.0.conv_pwl.weight": "features.17.conv.2.weight",
        "bn2.running_mean": "features.18.1.running_mean",
    },
    "mobilenet_v2_tf": {
        "mobilenet_v2.conv_stem.conv_3x3.convolution.weight": "features.1.conv.0.0.weight",
        "mobilenet_v2.layer.15.reduce_1x1.normalization.weight": "features.17.conv.3.weight",
        "mobilenet_v2.layer.0.conv_3x3.convolution.weight": "features.2.conv.1.0.weight",
    },
    "efficientnet_b0": {
        "blocks.0.0.se.conv_reduce.bias": "features.1.0.block.1.fc1.bias",
        "blocks.5.3.conv_pwl.weight": "features.6.3.block.3.0.weight",
        "classifier.bias": "classifier.1.bias",
    },
    "efficientnet_lite0": {
        "bn1.weight": "bn0.weight",
        "blocks.0.0.conv_pw.weight": "blocks.0.project_conv.weight",
        "blocks.3.2.bn2.bias": "blocks.7.bn1.bias",
        "classifier.weight": "fc.weight",
    },
    "convnext_tiny": {
        "stem.1.bias": "features.0.1.bias",
        "stages.0.blocks.0.gamma": "features.1.0.layer_scale",
        "stages.2.downsample.1.weight": "features.4.1.weight",
        "stages.3.blocks.2.mlp.fc2.weight": "features.7.2.block.5.weight",
        "head.fc.weight": "classifier.2.weight",
        "convnext.encoder.stages.1.downsampling_layer.0.bias": "features.2.0.bias",
        "convnext.encoder.stages.2.layers.8.pwconv1.weight": "features.5.8.block.3.weight",
        "convnext.layernorm.weight": "classifier.0.weight",
    },
    "vit_b_16": {
        "blocks.11.attn.qkv.bias": "encoder.layers.encoder_layer_11.self_attention.in_proj_bias",
        "pos_embed": "encoder.pos_embedding",
        "norm.weight": "encoder.ln.weight",
        "vit.encoder.layer.3.attention.attention.key.weight": f"{THIRD}self_attention.in_proj_weight#1",
        "vit.layers.3.attention.v_proj.bias": f"{THIRD}self_attention.in_proj_bias#2",
        "vit.encoder.layer.3.attention.output.dense.bias": f"{THIRD}self_attention.out_proj.bias",
        "vit.encoder.layer.3.output.dense.bias": f"{THIRD}mlp.3.bias",
        "vit.layernorm.bias": "encoder.ln.bias",
        "classifier.weight": "heads.head.weight",
    },
}  # fmt: skip


@functools.cache
def slots(name):
    return torch_slots(abstract(PUBLISHED[name].network))


@pytest.mark.parametrize("name", PAIRS)
def test_names_of_other_libraries_are_those_of_parameters_here(name):
    for there, here in PAIRS[name].items():
        found = {naming.renamed(there) for naming in PUBLISHED[name].namings}
        assert here in found, (there, found)
        assert here.partition("#")[0] in slots(name)


def transformer():
    return VisionTransformer(side=16, patch=8, depth=1, width=4, heads=2, classes=3, rngs=nnx.Rngs(0))


BLOCK = "encoder.layers.encoder_layer_0."
TIMM = {
    "class_token": "cls_token",
    "encoder.pos_embedding": "pos_embed",
    "conv_proj.": "patch_embed.proj.",
    f"{BLOCK}ln_": "blocks.0.norm",
    f"{BLOCK}self_attention.in_proj_": "blocks.0.attn.qkv.",
    f"{BLOCK}self_attention.out_proj.": "blocks.0.attn.proj.",
    f"{BLOCK}mlp.0.": "blocks.0.mlp.fc1.",
    f"{BLOCK}mlp.3.": "blocks.0.mlp.fc2.",
    "encoder.ln.": "norm.",
    "heads.head.": "head.",
}
HUGGING = {
    "class_token": "vit.embeddings.cls_token",
    "encoder.pos_embedding": "vit.embeddings.position_embeddings",
    "conv_proj.": "vit.embeddings.patch_embeddings.projection.",
    f"{BLOCK}ln_1.": "vit.encoder.layer.0.layernorm_before.",
    f"{BLOCK}ln_2.": "vit.encoder.layer.0.layernorm_after.",
    f"{BLOCK}self_attention.in_proj_": "vit.encoder.layer.0.attention.attention.",
    f"{BLOCK}self_attention.out_proj.": "vit.encoder.layer.0.attention.output.dense.",
    f"{BLOCK}mlp.0.": "vit.encoder.layer.0.intermediate.dense.",
    f"{BLOCK}mlp.3.": "vit.encoder.layer.0.output.dense.",
    "encoder.ln.": "vit.layernorm.",
    "heads.head.": "classifier.",
}


def written(arrays, names):
    """Arrays here under another library's names; transformers keeps query, key and value apart."""
    found = {}
    for name, array in arrays.items():
        start = next(each for each in names if name.startswith(each))
        there = names[start] + name.removeprefix(start)
        if start.endswith("in_proj_") and names is HUGGING:
            for word, part in zip(("query", "key", "value"), np.split(array, 3), strict=True):
                found[f"{names[start]}{word}.{name.removeprefix(start)}"] = np.ascontiguousarray(part)
        else:
            found[there] = array
    return found


@pytest.mark.parametrize(("names", "naming"), [(TIMM, TIMM_TRANSFORMER), (HUGGING, HF_TRANSFORMER)])
def test_a_transformers_file_gives_the_same_parameters_as_torchvisions(tmp_path, names, naming):
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=slot.shape).astype(np.float32) for name, slot in torch_slots(transformer()).items()}
    plain, other = transformer(), transformer()
    load_arrays(plain, arrays, source="torchvision")
    save_file(written(arrays, names), tmp_path / "w.safetensors")
    load_file(other, tmp_path / "w.safetensors", namings=(TIMM_TRANSFORMER, HF_TRANSFORMER))
    expected, found = (dict(nnx.to_flat_state(nnx.state(net))) for net in (plain, other))
    for path in expected:
        np.testing.assert_array_equal(found[path][...], expected[path][...], err_msg=str(path))
    assert naming_of((TIMM_TRANSFORMER, HF_TRANSFORMER), written(arrays, names)) is naming


def test_what_does_not_fit_is_told_with_whose_names_they_are(tmp_path):
    arrays = {"blocks.0.attn.qkv.weight": np.ones((12, 4), np.float32), "other": np.ones(2, np.float32)}
    save_file(arrays, tmp_path / "w.safetensors")
    with pytest.raises(
        WeightsError, match=r"names of timm\)' do not fit VisionTransformer: .* missing: .*1 extra: 'other'"
    ):
        load_file(transformer(), tmp_path / "w.safetensors", namings=(TIMM_TRANSFORMER, HF_TRANSFORMER))


def put(name, array, wanted):
    assert placed_shape(HF_MOBILE, name, [array.shape], wanted) == wanted
    return placed(HF_MOBILE, name, [array], wanted)


def test_transformers_background_class_is_left_out():
    wide = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(put("classifier.1.weight", wide, (3, 4)), wide[1:])
    np.testing.assert_array_equal(put("classifier.1.bias", wide[0], (3,)), [1, 2, 3])
    assert placed_shape(HF_MOBILE, "features.0.0.weight", [(4, 4)], (3, 4)) == (4, 4)


def test_a_larger_epsilon_goes_into_the_variances():
    np.testing.assert_allclose(put("features.0.1.running_var", np.ones(2, np.float32), (2,)), 1 + 0.001 - 1e-5)


TIMM_MODELS = {
    "vgg11": "vgg11", "resnet18": "resnet18", "densenet121": "densenet121", "mobilenet_v2": "mobilenetv2_100",
    "efficientnet_b0": "efficientnet_b0", "efficientnet_lite0": "tf_efficientnet_lite0",
    "convnext_tiny": "convnext_tiny", "vit_b_16": "vit_base_patch16_224", "inception_v3": "inception_v3",
}  # fmt: skip


@pytest.mark.parametrize("name", TIMM_MODELS)
def test_every_name_of_the_installed_timm_is_known(name):
    timm = pytest.importorskip("timm", reason="timm, whose names are read, is not installed")
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        state = timm.create_model(TIMM_MODELS[name]).state_dict()
    keys = [key for key in state if not key.endswith("num_batches_tracked")]
    keys = [key for key in keys if not key.startswith(PUBLISHED[name].left_out or ("-",))]
    naming = naming_of(PUBLISHED[name].namings, keys)
    found = set(keys) if naming is None else set(gathered(naming, keys))
    assert found == {each for each, slot in slots(name).items() if "rngs" not in slot.path}
