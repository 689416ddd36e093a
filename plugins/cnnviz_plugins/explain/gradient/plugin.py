"""The gradient family: what a small change of each pixel does to a score, as it is, averaged, or along a path."""

from __future__ import annotations

from collections.abc import Iterable

from cnnviz_jax.hookspecs import hookimpl
from cnnviz_jax.records import TechniqueSpec

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

_TABLE: tuple[tuple[str, str, type, str, str], ...] = (
    (
        "saliency",
        "gradient of the score with respect to each pixel",
        SaliencyConfig,
        "saliency:Saliency",
        "Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034",
    ),
    (
        "smoothgrad",
        "gradient averaged over noisy copies of the picture",
        SmoothgradConfig,
        "smoothgrad:Smoothgrad",
        "Smilkov et al. 2017, arXiv:1706.03825",
    ),
    (
        "smoothgrad-squared",
        "squared gradient averaged over noisy copies of the picture",
        SmoothgradSquaredConfig,
        "smoothgrad:SmoothgradSquared",
        "Smilkov et al. 2017, arXiv:1706.03825; Hooker et al. 2019, arXiv:1806.10758",
    ),
    (
        "vargrad",
        "variance of the gradient over noisy copies of the picture",
        VargradConfig,
        "smoothgrad:Vargrad",
        "Adebayo et al. 2018, arXiv:1810.03292, appendix",
    ),
    (
        "guided-backprop",
        "gradient through ReLUs that pass only positive evidence of active units",
        GuidedBackpropConfig,
        "guided_backprop:GuidedBackprop",
        "Springenberg et al. 2014, arXiv:1412.6806",
    ),
    (
        "deconvnet",
        "gradient through ReLUs that pass only positive evidence",
        DeconvnetConfig,
        "deconvnet:Deconvnet",
        "Zeiler, Fergus 2013, arXiv:1311.2901",
    ),
    (
        "input-x-gradient",
        "picture times gradient: a first-order share of each pixel in the score",
        InputXGradientConfig,
        "input_x_gradient:InputXGradient",
        "Shrikumar et al. 2016, arXiv:1605.01713",
    ),
    (
        "integrated-gradients",
        "gradient integrated from a baseline to the picture: shares that sum to the difference of scores",
        IntegratedGradientsConfig,
        "integrated_gradients:IntegratedGradients",
        "Sundararajan, Taly, Yan 2017, arXiv:1703.01365",
    ),
    (
        "gradient-shap",
        "gradient at random points between random baselines and the picture",
        GradientShapConfig,
        "gradient_shap:GradientShap",
        "Lundberg, Lee 2017, arXiv:1705.07874; Erion et al. 2019, arXiv:1906.10670",
    ),
    (
        "deeplift",
        "difference of scores to a reference, shared out by the rescale rule",
        DeepliftConfig,
        "deeplift:Deeplift",
        "Shrikumar, Greenside, Kundaje 2017, arXiv:1704.02685",
    ),
    (
        "guided-ig",
        "integrated gradients along a path that moves the least sensitive values first",
        GuidedIgConfig,
        "guided_ig:GuidedIg",
        "Kapishnikov et al. 2021, arXiv:2106.09788",
    ),
    (
        "blur-ig",
        "integrated gradients along a path from a blurred picture to the sharp one",
        BlurIgConfig,
        "blur_ig:BlurIg",
        "Xu, Venugopalan, Sundararajan 2020, arXiv:2004.03383",
    ),
    (
        "xrai",
        "regions of the picture ranked by their integrated gradients",
        XraiConfig,
        "xrai:Xrai",
        "Kapishnikov et al. 2019, arXiv:1906.02825",
    ),
)


_IN_REPORT = frozenset({"saliency", "smoothgrad", "integrated-gradients", "guided-backprop", "deconvnet"})
"""The techniques that a page shows unasked; the others are close variants or take long."""


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the gradient family."""
    for name, summary, config, place, reference in _TABLE:
        yield TechniqueSpec(
            name=name,
            kind="explain",
            summary=summary,
            in_report=name in _IN_REPORT,
            config=config,
            build=f"cnnviz_plugins.explain.gradient.{place}.build",
            references=tuple(reference.split("; ")),
        )
