"""timm through `torch.export`: small networks of each of its families, and deep ones with their blocks once."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoos.network import Architecture, Network


def architectures() -> Iterator[Architecture]:
    """Yield the networks of `SHALLOW` and `NETWORKS`, those of few parameters first."""
    for name in NETWORKS[:15]:
        yield Architecture("timm", name, partial(_built, name, {}))
    for option, value, names in SHALLOW:
        for name in names:
            yield Architecture("timm", f"{name}({option}={value})", partial(_built, name, {option: value}))
    for name in NETWORKS[15:]:
        yield Architecture("timm", name, partial(_built, name, {}))


def _built(name: str, own: dict[str, Any]) -> Network:
    import timm
    import torch

    from zoos import torch_modules

    torch.manual_seed(0)
    # 64 px are four patches of 14 px and a rest that no unit sees, so that a box of all patches is not the whole image.
    small = 56 if "patch14" in name else 64
    for size, options in ((small, {"img_size": small}), (small, {}), (None, {})):
        try:
            module = timm.create_model(name, num_classes=10, **own, **options).eval()
            pixels = size or module.default_cfg["input_size"][1]
            with torch.no_grad():
                module(torch.zeros(1, 3, pixels, pixels))
        except Exception:
            if size is None:
                raise
            continue
        return torch_modules.network(module, pixels)
    raise AssertionError("the last size is tried or raised")


SHALLOW: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("depths", (1, 1, 1, 1), (
        "inception_next_atto", "nf_regnet_b0", "nfnet_l0", "eca_nfnet_l0", "nf_seresnet26",
        "nf_ecaresnet26", "convnext_atto", "convnext_atto_ols", "convnext_atto_rms", "convnext_zepto_rms",
        "convnextv2_atto", "coatnet_pico_rw_224", "coatnet_bn_0_rw_224", "maxvit_rmlp_pico_rw_256",
        "maxvit_pico_rw_256", "coatnext_nano_rw_224", "davit_tiny", "edgenext_xx_small",
        "efficientformer_l1", "efficientformerv2_s0", "efficientvit_b0", "mambaout_femto", "pvt_v2_b0",
        "starnet_s050", "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "swinv2_cr_tiny_224",
        "tiny_vit_5m_224", "twins_pcpvt_small", "twins_svt_small", "lcnetv2_small",
    )),
    ("depth", 2, (
        "cait_xxs24_224", "convit_tiny", "deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224",
        "deit3_small_patch16_224", "eva02_tiny_patch14_224", "tnt_s_legacy_patch16_224", "visformer_tiny",
        "visformer_small", "vit_tiny_patch16_224", "vit_medium_patch16_gap_240", "vit_tiny_r_s16_p8_224",
        "vit_relpos_small_patch16_224", "vit_srelpos_small_patch16_224", "flexivit_small",
        "vit_wee_patch16_reg1_gap_256", "vit_pwee_patch16_reg1_gap_256", "vitamin_small_224",
        "xcit_nano_12_p16_224", "beit_base_patch16_224", "qwen3_vit_88m", "naflexvit_base_patch16_gap",
        "samvit_base_patch16_224",
    )),
    ("depths", (1, 1, 1), (
        "efficientvim_m1",
    )),
    ("layers", (1, 1, 1, 1), (
        "resnet34d", "resnetaa34d", "seresnet18", "ecaresnet26t", "seresnext26t_32x4d",
        "seresnext26d_32x4d", "skresnet18", "legacy_seresnet18", "resnest26d", "res2net50_48w_2s",
        "res2next50", "fastvit_t8", "fastvit_sa12", "sequencer2d_s", "swiftformer_xs", "tresnet_m",
    )),
)  # fmt: skip
"""An option of `create_model`, what leaves one block in each stage or two in all, and the networks that take it."""
NETWORKS = (
    "test_resnet", "test_efficientnet", "test_efficientnet_ln", "test_efficientnet_gn", "test_convnext2",
    "test_convnext3", "test_efficientnet_evos", "test_byobnet", "test_mambaout", "test_vit", "test_nfnet",
    "test_convnext", "test_vit4", "test_vit2", "test_vit3", "vgg11", "resnet10t", "vgg13_bn", "darknet17",
    "resnetv2_18", "resnet14t", "resnet18", "resnetblur18", "darknet21", "resnetv2_18d", "ese_vovnet19b_slim",
    "resnet18d", "fasternet_t0", "resnest14d", "mobilenetv1_100", "resnet26", "nf_resnet26",
    "ese_vovnet19b_slim_dw", "sedarknet21", "ese_vovnet19b_dw", "lcnet_035", "lcnet_050", "resnet26t",
    "resnext26ts", "cs3darknet_focus_s", "cs3darknet_s", "botnet26t_256", "mixer_s32_224", "mixer_s16_224",
    "eca_resnext26ts", "halonet26t", "poolformerv2_s12", "eca_botnext26ts_256",
    "tf_mobilenetv3_small_minimal_100", "eca_halonext26ts", "cspnext_tiny", "lambda_resnet26rpt_256",
    "resnet32ts", "lambda_resnet26t", "dla34", "resnet33ts", "vovnet39a", "hgnet_tiny", "eca_vovnet39b",
    "selecsls42", "selecsls42b", "eca_resnet33ts", "seresnext26ts", "cs3darknet_m", "poolformer_s12",
    "regnetx_002", "tinynet_e", "gernet_s", "hardcorenas_a", "mobilenetv4_conv_small_035",
    "mobilenetv4_conv_small", "mobilenetv3_small_050", "mobilenetv3_small_075", "dla46_c", "dla46x_c",
    "sebotnet33ts_256", "tinynet_d", "efficientnet_lite0", "efficientnet_es", "gmixer_12_224", "resmlp_12_224",
    "sehalonet33ts", "coat_lite_tiny", "seresnet33ts", "legacy_xception", "sam2_hiera_tiny", "hiera_tiny_224",
    "mobilenetv2_035", "mobilenetv2_050", "mobilenetv2_100", "mnasnet_050", "gcresnext26ts", "pit_ti_224",
    "pit_xs_224", "regnetx_006", "mobilenet_edgetpu_v2_xs", "nest_tiny", "nest_tiny_jx", "pit_ti_distilled_224",
    "convmixer_1024_20_ks9_p14", "cspresnet50", "repvgg_a0", "levit_128s", "levit_conv_128s",
    "mobilenetv3_large_075", "dpn48b", "mnasnet_small", "semnasnet_075", "lowformer_b0", "regnety_002",
    "dla60x_c", "cpubone_b0_bfrobust", "hgnetv2_b0", "hgnetv2_b1", "spnasnet_100", "mobilevitv2_050",
    "mobilevitv2_075", "gcresnet33ts", "fbnetc_100", "cspdarknet53", "caformer_s18", "regnety_006",
    "focalnet_tiny_srf", "efficientnet_b0", "tf_efficientnet_b0", "regnetx_004", "mobilevit_xxs",
    "mobilevit_xs", "repvgg_b0", "dpn68", "bat_resnext26ts", "regnety_004", "gcvit_xxtiny", "iformer_t",
    "rexnet_100", "rexnetr_100", "convformer_s18", "mvitv2_tiny", "tf_efficientnetv2_b0", "mixnet_s",
    "shvit_s1", "shvit_s2", "rdnet_tiny", "volo_d1_224", "xception41", "convmixer_768_32", "mobileone_s1",
    "ghostnet_050", "hrnet_w18_small", "inception_v3", "nextvit_small", "regnetz_b16", "crossvit_tiny_240",
    "gmlp_ti16_224", "efficientvit_m1", "coat_tiny", "fbnetv3_b", "repghostnet_050", "repghostnet_058",
    "mobilenetv4_hybrid_medium", "efficientvit_m0", "densenet121", "repvit_m1", "densenetblur121d",
    "repvit_m0_9", "csatv2", "ghostnetv2_100", "efficientnetv2_rw_t", "inception_v4", "hrnet_w18_small_v2",
    "mobileone_s0", "inception_resnet_v2", "ghostnetv3_050",
)  # fmt: skip
