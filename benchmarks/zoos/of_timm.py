"""timm through `torch.export`: the smallest networks of each of its families."""

from collections.abc import Iterator
from functools import partial

from zoos.network import Architecture, Network


def architectures() -> Iterator[Architecture]:
    """Yield the networks of `NETWORKS`."""
    for name in NETWORKS:
        yield Architecture("timm", name, partial(_built, name))


def _built(name: str) -> Network:
    import timm
    import torch

    from zoos import torch_modules

    torch.manual_seed(0)
    for size, options in ((64, {"img_size": 64}), (64, {}), (None, {})):
        try:
            module = timm.create_model(name, num_classes=10, **options).eval()
            pixels = size or module.default_cfg["input_size"][1]
            with torch.no_grad():
                module(torch.zeros(1, 3, pixels, pixels))
        except Exception:
            if size is None:
                raise
            continue
        return torch_modules.network(module, pixels)
    raise AssertionError("the last size is tried or raised")


NETWORKS = (
    "test_vit", "test_vit2", "test_vit3", "test_vit4", "test_resnet", "test_efficientnet", "test_efficientnet_ln",
    "test_efficientnet_gn", "test_efficientnet_evos", "test_byobnet", "test_convnext", "test_convnext2",
    "test_convnext3", "test_nfnet", "test_mambaout", "resnet10t", "resnet14t", "resnet18", "resnet18d", "resnet26",
    "resnet26d", "resnet26t", "resnet34", "resnet34d", "resnetblur18", "resnetaa34d", "seresnet18", "seresnet33ts",
    "seresnet34", "resnet32ts", "resnet33ts", "gcresnet33ts", "ecaresnet26t", "eca_resnet33ts", "lambda_resnet26t",
    "lambda_resnet26rpt_256", "botnet26t_256", "halonet26t", "bat_resnext26ts", "eca_botnext26ts_256",
    "eca_halonext26ts", "sebotnet33ts_256", "sehalonet33ts", "resnext26ts", "seresnext26t_32x4d",
    "seresnext26d_32x4d", "seresnext26ts", "eca_resnext26ts", "gcresnext26ts", "skresnet18", "skresnet34",
    "legacy_seresnet18", "legacy_seresnet34", "resnest14d", "resnest26d", "res2net50_48w_2s", "res2next50",
    "selecsls42", "selecsls42b", "vovnet39a", "ese_vovnet19b_slim", "ese_vovnet19b_slim_dw", "ese_vovnet19b_dw",
    "eca_vovnet39b", "hrnet_w18_small", "hrnet_w18_small_v2", "dla34", "dla46_c", "dla46x_c", "dla60x_c", "darknet17",
    "darknet21", "sedarknet21", "cs3darknet_s", "cs3darknet_m", "cs3darknet_focus_s", "cspresnet50", "cspdarknet53",
    "regnetx_002", "regnetx_004", "regnetx_006", "regnety_002", "regnety_004", "regnety_006", "regnetz_b16",
    "efficientnet_b0", "efficientnet_lite0", "efficientnet_es", "tf_efficientnet_b0", "tf_efficientnetv2_b0",
    "efficientnetv2_rw_t", "mixnet_s", "mobilenetv1_100", "mobilenetv2_035", "mobilenetv2_050", "mobilenetv2_100",
    "mobilenetv3_small_050", "mobilenetv3_small_075", "mobilenetv3_large_075", "tf_mobilenetv3_small_minimal_100",
    "mnasnet_050", "mnasnet_small", "semnasnet_075", "fbnetc_100", "fbnetv3_b", "spnasnet_100", "lcnet_035",
    "lcnet_050", "tinynet_e", "tinynet_d", "hardcorenas_a", "mobilenetv4_conv_small_035", "mobilenetv4_conv_small",
    "mobilenetv4_hybrid_medium", "mobilenet_edgetpu_v2_xs", "gernet_s", "repvgg_a0", "repvgg_b0", "mobileone_s0",
    "mobileone_s1", "ghostnet_050", "ghostnetv2_100", "ghostnetv3_050", "rexnet_100", "rexnetr_100", "dpn48b",
    "dpn68", "densenet121", "densenetblur121d", "inception_v3", "inception_v4", "inception_next_atto", "xception41",
    "nf_resnet26", "nf_regnet_b0", "nfnet_l0", "eca_nfnet_l0", "nf_seresnet26", "nf_ecaresnet26", "convnext_atto",
    "convnext_atto_ols", "convnext_atto_rms", "convnext_femto", "convnext_pico", "convnext_zepto_rms",
    "convnext_zepto_rms_ols", "convnextv2_atto", "convnextv2_femto", "convmixer_768_32", "convmixer_1024_20_ks9_p14",
    "crossvit_tiny_240", "cait_xxs24_224", "coat_tiny", "coat_lite_tiny", "convit_tiny", "coatnet_pico_rw_224",
    "coatnet_nano_rw_224", "coatnet_bn_0_rw_224", "maxvit_rmlp_pico_rw_256", "maxvit_pico_rw_256",
    "coatnext_nano_rw_224", "davit_tiny", "deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224",
    "deit3_small_patch16_224", "edgenext_xx_small", "edgenext_x_small", "efficientformer_l1", "efficientformerv2_s0",
    "efficientvit_b0", "efficientvit_m0", "efficientvit_m1", "eva02_tiny_patch14_224", "fasternet_t0", "fastvit_t8",
    "fastvit_t12", "fastvit_sa12", "focalnet_tiny_srf", "gcvit_xxtiny", "hgnet_tiny", "hgnetv2_b0", "hgnetv2_b1",
    "hiera_tiny_224", "inception_next_tiny", "levit_128s", "levit_conv_128s", "mambaout_femto", "mambaout_kobe",
    "poolformer_s12", "poolformerv2_s12", "convformer_s18", "caformer_s18", "mixer_s32_224", "mixer_s16_224",
    "gmixer_12_224", "gmlp_ti16_224", "resmlp_12_224", "mobilevit_xxs", "mobilevit_xs", "mobilevitv2_050",
    "mobilevitv2_075", "mvitv2_tiny", "nest_tiny", "nest_tiny_jx", "nextvit_small", "pit_ti_224",
    "pit_ti_distilled_224", "pit_xs_224", "pvt_v2_b0", "pvt_v2_b1", "rdnet_tiny", "repghostnet_050",
    "repghostnet_058", "repvit_m0_9", "repvit_m1", "sequencer2d_s", "shvit_s1", "shvit_s2", "starnet_s050",
    "starnet_s100", "starnet_s1", "swin_tiny_patch4_window7_224", "swin_s3_tiny_224", "swinv2_tiny_window8_256",
    "swinv2_cr_tiny_224", "swiftformer_xs", "tiny_vit_5m_224", "tnt_s_legacy_patch16_224", "tresnet_m",
    "twins_pcpvt_small", "twins_svt_small", "visformer_tiny", "visformer_small", "vgg11", "vgg13_bn",
    "vit_tiny_patch16_224", "vit_medium_patch16_gap_240", "vit_tiny_r_s16_p8_224", "vit_small_patch32_224",
    "vit_relpos_small_patch16_224", "vit_srelpos_small_patch16_224", "flexivit_small", "vit_wee_patch16_reg1_gap_256",
    "vit_little_patch16_reg1_gap_256", "vit_pwee_patch16_reg1_gap_256", "vitamin_small_224", "volo_d1_224",
    "xcit_nano_12_p16_224", "xcit_tiny_12_p16_224", "beit_base_patch16_224", "csatv2", "resnetv2_18", "resnetv2_18d",
    "cpubone_b0_bfrobust", "cspnext_tiny", "efficientvim_m1", "iformer_t", "legacy_xception", "lcnetv2_small",
    "lowformer_b0", "qwen3_vit_88m", "naflexvit_base_patch16_gap", "samvit_base_patch16_224", "sam2_hiera_tiny",
    "inception_resnet_v2",
)  # fmt: skip
