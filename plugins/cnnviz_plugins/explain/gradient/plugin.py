"""The gradient family: what a small change of each pixel does to a score, as it is, averaged, or along a path."""

from __future__ import annotations

from collections.abc import Iterable

from cnnviz_jax.plugin import TechniqueSpec, hookimpl

# Light too, and apart from this file only for its length.
from cnnviz_plugins.explain.gradient.configs import (
    BlurIgConfig,
    DeconvnetConfig,
    DeepliftConfig,
    GradientShapConfig,
    GuidedBackpropConfig,
    GuidedIgConfig,
    InputXGradientConfig,
    IntegratedGradientsConfig,
    SaliencyConfig,
    SmoothgradConfig,
    SmoothgradSquaredConfig,
    VargradConfig,
    XraiConfig,
)


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the gradient family."""
    yield TechniqueSpec(
        name="saliency",
        kind="explain",
        summary="gradient of the score with respect to each pixel",
        config=SaliencyConfig,
        build="cnnviz_plugins.explain.gradient.saliency:Saliency.build",
        references=("Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034",),
    )
    yield TechniqueSpec(
        name="smoothgrad",
        kind="explain",
        summary="gradient averaged over noisy copies of the image",
        config=SmoothgradConfig,
        build="cnnviz_plugins.explain.gradient.smoothgrad:Smoothgrad.build",
        references=("Smilkov et al. 2017, arXiv:1706.03825",),
    )
    yield TechniqueSpec(
        name="smoothgrad-squared",
        kind="explain",
        summary="squared gradient averaged over noisy copies of the image",
        config=SmoothgradSquaredConfig,
        build="cnnviz_plugins.explain.gradient.smoothgrad:SmoothgradSquared.build",
        references=("Smilkov et al. 2017, arXiv:1706.03825", "Hooker et al. 2019, arXiv:1806.10758"),
        in_report=False,
    )
    yield TechniqueSpec(
        name="vargrad",
        kind="explain",
        summary="variance of the gradient over noisy copies of the image",
        config=VargradConfig,
        build="cnnviz_plugins.explain.gradient.smoothgrad:Vargrad.build",
        references=("Adebayo et al. 2018, arXiv:1810.03292, appendix",),
        in_report=False,
    )
    yield TechniqueSpec(
        name="guided-backprop",
        kind="explain",
        summary="gradient through ReLUs that pass only positive evidence of active units",
        config=GuidedBackpropConfig,
        build="cnnviz_plugins.explain.gradient.guided_backprop:GuidedBackprop.build",
        references=("Springenberg et al. 2014, arXiv:1412.6806",),
    )
    yield TechniqueSpec(
        name="deconvnet",
        kind="explain",
        summary="gradient through ReLUs that pass only positive evidence",
        config=DeconvnetConfig,
        build="cnnviz_plugins.explain.gradient.deconvnet:Deconvnet.build",
        references=("Zeiler, Fergus 2013, arXiv:1311.2901",),
    )
    yield TechniqueSpec(
        name="input-x-gradient",
        kind="explain",
        summary="image times gradient: a first-order share of each pixel in the score",
        config=InputXGradientConfig,
        build="cnnviz_plugins.explain.gradient.input_x_gradient:InputXGradient.build",
        references=("Shrikumar et al. 2016, arXiv:1605.01713",),
        in_report=False,
    )
    yield TechniqueSpec(
        name="integrated-gradients",
        kind="explain",
        summary="gradient integrated from a baseline to the image: shares that sum to the difference of scores",
        config=IntegratedGradientsConfig,
        build="cnnviz_plugins.explain.gradient.integrated_gradients:IntegratedGradients.build",
        references=("Sundararajan, Taly, Yan 2017, arXiv:1703.01365",),
    )
    yield TechniqueSpec(
        name="gradient-shap",
        kind="explain",
        summary="gradient at random points between random baselines and the image",
        config=GradientShapConfig,
        build="cnnviz_plugins.explain.gradient.gradient_shap:GradientShap.build",
        references=("Lundberg, Lee 2017, arXiv:1705.07874", "Erion et al. 2019, arXiv:1906.10670"),
        in_report=False,
    )
    yield TechniqueSpec(
        name="deeplift",
        kind="explain",
        summary="difference of scores to a reference, shared out by the rescale rule",
        config=DeepliftConfig,
        build="cnnviz_plugins.explain.gradient.deeplift:Deeplift.build",
        references=("Shrikumar, Greenside, Kundaje 2017, arXiv:1704.02685",),
        in_report=False,
    )
    yield TechniqueSpec(
        name="guided-ig",
        kind="explain",
        summary="integrated gradients along a path that moves the least sensitive values first",
        config=GuidedIgConfig,
        build="cnnviz_plugins.explain.gradient.guided_ig:GuidedIg.build",
        references=("Kapishnikov et al. 2021, arXiv:2106.09788",),
        in_report=False,
    )
    yield TechniqueSpec(
        name="blur-ig",
        kind="explain",
        summary="integrated gradients along a path from a blurred image to the sharp one",
        config=BlurIgConfig,
        build="cnnviz_plugins.explain.gradient.blur_ig:BlurIg.build",
        references=("Xu, Venugopalan, Sundararajan 2020, arXiv:2004.03383",),
        in_report=False,
    )
    yield TechniqueSpec(
        name="xrai",
        kind="explain",
        summary="regions of the image ranked by their integrated gradients",
        config=XraiConfig,
        build="cnnviz_plugins.explain.gradient.xrai:Xrai.build",
        references=("Kapishnikov et al. 2019, arXiv:1906.02825",),
        in_report=False,
    )
