"""The gradient family: what a small change of each pixel does to a score, as it is, averaged, or along a path.

An option of `None` takes the paper's value, or that of the peer whose `convention` is named; the result's
provenance lists the values used.
"""

from typing import Literal

from cnnviz_jax.plugin import (
    Noise,
    TechniqueSpec,
    UsageError,
    check_at_least,
    check_positive,
    hookimpl,
    techniques_in,
)
from cnnviz_plugins.explain.declaring import explains
from cnnviz_plugins.explain.gradient import layer_options
from cnnviz_plugins.explain.gradient.baseline_options import (
    BaselineConfig,
    Quadrature,
    check_baselines,
    check_nodes,
)

GradientMethod = Literal[
    "saliency", "guided-backprop", "deconvnet", "input-x-gradient", "integrated-gradients", "deeplift"
]

PATHS: dict[str, tuple[Quadrature, int]] = {
    "paper": ("gausslegendre", 50),
    "captum": ("gausslegendre", 50),
    "pair": ("endpoints", 25),
    "xplique": ("trapezoid", 50),
    "tf-explain": ("endpoints", 10),
}
"""Quadrature and nodes of integrated gradients, by whose convention."""

NOISES: dict[str, tuple[int, str]] = {
    "paper": (50, "relative(0.15)"),
    "captum": (5, "absolute(1.0)"),
    "pair": (25, "relative(0.15)"),
    "xplique": (50, "absolute(0.2)"),
    "tf-explain": (5, "absolute(1.0)"),
    "innvestigate": (64, "absolute(1.0)"),
}
"""Noisy copies and their noise, by whose convention."""


@explains(
    "saliency",
    ".saliency:Saliency.build",
    "Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034",
    evidence="slope",
    in_report=True,
)
class SaliencyConfig:
    """Gradient of the score with respect to each pixel.

    The gradient is stored signed; how channels are shown is the renderer's policy.
    """

    at: str | None = None
    """Layer at whose values the gradient is taken, with its axes; the image when not given."""
    convention: Literal["paper", "captum"] = "paper"
    """`captum`: absolute values, as its `Saliency` gives by default (`abs=True`)."""


@explains(
    "guided-backprop",
    ".saliency:GuidedBackprop.build",
    "Springenberg et al. 2014, arXiv:1412.6806",
    evidence="rules",
    in_report=True,
)
class GuidedBackpropConfig:
    """Gradient through ReLUs that pass only positive evidence of active units."""

    at: str | None = None
    """Layer at whose values the gradient is taken, with its axes; the image when not given."""


@explains(
    "deconvnet", ".saliency:Deconvnet.build", "Zeiler, Fergus 2013, arXiv:1311.2901", evidence="rules", in_report=True
)
class DeconvnetConfig:
    """Gradient through ReLUs that pass only positive evidence."""

    at: str | None = None
    """Layer at whose values the gradient is taken, with its axes; the image when not given."""


@explains("input-x-gradient", ".saliency:InputXGradient.build", "Shrikumar et al. 2016, arXiv:1605.01713",
          evidence="slope")  # fmt: skip
class InputXGradientConfig:
    """Image times gradient: a first-order share of each pixel in the score."""

    at: str | None = None
    """Layer whose values are multiplied by their gradients, with its axes; the image when not given."""


@explains(
    "smoothgrad",
    ".smoothgrad:Smoothgrad.build",
    "Smilkov et al. 2017, arXiv:1706.03825",
    evidence="slope",
    in_report=True,
)
class SmoothgradConfig:
    """Gradient averaged over noisy copies of the image."""

    samples: int | None = None
    """Noisy copies of each image; 50, or the convention's, when not given."""
    noise: str | None = None
    """Standard deviation of the Gaussian noise: `relative(share)` of each image's max - min, or `absolute(value)`;
    `relative(0.15)`, or the convention's, when not given."""
    method: GradientMethod = "saliency"
    """Which gradient method is averaged; one with a baseline or nodes takes its own defaults."""
    convention: Literal["paper", "captum", "pair", "xplique", "tf-explain", "innvestigate"] = "paper"
    """Whose number of copies and noise."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... copies, `samples` at most, once the map's standard error is at most this
    share of its size, both as root mean squares over the map; all `samples` when not given."""

    def __post_init__(self) -> None:
        check_at_least(1, samples=self.samples)
        check_positive(tolerance=self.tolerance)
        _ = self.used_noise  # refuses what cannot be read

    @property
    def copies(self) -> int:
        """How many noisy copies are used."""
        return NOISES[self.convention][0] if self.samples is None else self.samples

    @property
    def used_noise(self) -> Noise:
        """The noise that is used."""
        return Noise.of(NOISES[self.convention][1] if self.noise is None else self.noise)


@explains("smoothgrad-squared", ".smoothgrad:SmoothgradSquared.build", "Smilkov et al. 2017, arXiv:1706.03825",
          "Hooker et al. 2019, arXiv:1806.10758", evidence="slope")  # fmt: skip
class SmoothgradSquaredConfig(SmoothgradConfig):
    """Squared gradient averaged over noisy copies of the image."""


@explains("vargrad", ".smoothgrad:Vargrad.build", "Adebayo et al. 2018, arXiv:1810.03292, appendix", evidence="slope")
class VargradConfig(SmoothgradConfig):
    """Variance of the gradient over noisy copies of the image."""

    ddof: int | None = None
    """Divide by copies - ddof; 0 (the variance of these copies), or the convention's (Xplique: 1), when not given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tolerance is not None:
            raise UsageError("vargrad has no tolerance: it is a variance, not a mean of its copies")
        if not 0 <= self.subtracted < self.copies:
            raise UsageError(f"ddof is from 0 to samples - 1 = {self.copies - 1}, got {self.subtracted}")

    @property
    def subtracted(self) -> int:
        """The ddof that is used."""
        return int(self.convention == "xplique") if self.ddof is None else self.ddof


@explains("smoothdiff", ".smoothdiff:Smoothdiff.build", "Hill et al. 2025, NeurIPS, Smoothed Differentiation",
          evidence="slope")  # fmt: skip
class SmoothdiffConfig:
    """Gradient through the mean Jacobians of noisy copies: SmoothGrad's smoothness by one backward pass."""

    samples: int = 20
    """Noisy copies of each image, each one forward pass."""
    noise: str = "relative(0.15)"
    """Standard deviation of the Gaussian noise: `relative(share)` of each image's max - min, or `absolute(value)`."""

    def __post_init__(self) -> None:
        check_at_least(1, samples=self.samples)
        _ = self.used_noise  # refuses what cannot be read

    @property
    def used_noise(self) -> Noise:
        """The noise that is used."""
        return Noise.of(self.noise)


@explains("integrated-gradients", ".integrated_gradients:IntegratedGradients.build",
          "Sundararajan, Taly, Yan 2017, arXiv:1703.01365", evidence="shares", in_report=True)  # fmt: skip
class IntegratedGradientsConfig(BaselineConfig):
    """Gradient integrated from a baseline to the image: shares that sum to the difference of scores."""

    at: str | None = None
    """Layer that moves from its value for the baseline to that for the image, and is given shares; the image when not
    given."""
    quadrature: Quadrature | None = None
    """Rule of the integral; `gausslegendre`, or the convention's, when not given. `endpoints` is n equally spaced
    nodes from 0 to 1 with weights 1/n, as PAIR has it."""
    nodes: int | None = None
    """Gradients per image; 50, or the convention's, when not given."""
    convention: Literal["paper", "captum", "pair", "xplique", "tf-explain"] = "paper"
    """Whose defaults. Captum's trapezoid has weights that sum to 1 - 1/n; here that holds under its name only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nodes(*self.rule)

    @property
    def rule(self) -> tuple[Quadrature, int]:
        """The quadrature and the number of nodes that are used."""
        quadrature, nodes = PATHS[self.convention]
        return self.quadrature or quadrature, nodes if self.nodes is None else self.nodes


@explains("gradient-shap", ".gradient_shap:GradientShap.build", "Lundberg, Lee 2017, arXiv:1705.07874",
          "Erion et al. 2019, arXiv:1906.10670", evidence="shares")  # fmt: skip
class GradientShapConfig:
    """Gradient at random points between random baselines and the image."""

    at: str | None = None
    """Layer whose units are given shares, with its axes; the image when not given. The points stay images."""
    samples: int | None = None
    """Random points per image; 50, or the convention's (Captum: 5), when not given."""
    baselines: tuple[str, ...] | str = ("zero", "value(1)", "noise")
    """Fills of which each point draws one; see the baseline of integrated-gradients; `noise` is uniform. In Python an
    array of several images, (k, h, w, c), such as some of the training's."""
    noise: str = "absolute(0)"
    """Gaussian noise on the image: `relative(share)` of its max - min, or `absolute(value)`."""
    convention: Literal["paper", "captum"] = "paper"
    """Whose number of points."""
    tolerance: float | None = None
    """Stop each image after 16, 32, 64, ... points, `samples` at most, once the map's standard error is at most this
    share of its size, both as root mean squares over the map; all `samples` when not given."""

    def __post_init__(self) -> None:
        check_at_least(1, samples=self.samples)
        check_positive(tolerance=self.tolerance)
        check_baselines(self.baselines)
        Noise.of(self.noise)

    @property
    def points(self) -> int:
        """How many points are used."""
        return (5 if self.convention == "captum" else 50) if self.samples is None else self.samples


@explains("deeplift", ".deeplift:Deeplift.build", "Shrikumar, Greenside, Kundaje 2017, arXiv:1704.02685",
          evidence="shares")  # fmt: skip
class DeepliftConfig(BaselineConfig):
    """Difference of scores to a reference, shared out by the rescale rule."""

    at: str | None = None
    """Layer whose units share the difference, with its axes; the image when not given."""
    epsilon: float = 1e-6
    """Where a unit's input differs from the reference's by no more, its gradient stands in for the quotient."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(epsilon=self.epsilon)


@explains("guided-ig", ".guided_ig:GuidedIg.build", "Kapishnikov et al. 2021, arXiv:2106.09788", evidence="shares")
class GuidedIgConfig(BaselineConfig):
    """Integrated gradients along a path that moves the least sensitive values first."""

    steps: int = 200
    """Gradients per image, one after another."""
    fraction: float = 0.25
    """Share of the values, those with the smallest gradients, that move at once."""
    max_distance: float = 0.02
    """How far a value may be from the straight path, as a share of the path; 0 is integrated gradients."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, steps=self.steps)
        if not 0.01 <= self.fraction <= 1:
            raise UsageError(f"fraction is from 0.01 to 1, got {self.fraction}")
        if not 0 <= self.max_distance <= 1:
            raise UsageError(f"max_distance is from 0 to 1, got {self.max_distance}")


@explains("blur-ig", ".blur_ig:BlurIg.build", "Xu, Venugopalan, Sundararajan 2020, arXiv:2004.03383", evidence="shares")
class BlurIgConfig:
    """Integrated gradients along a path from a blurred image to the sharp one."""

    max_sigma: float = 50.0
    """Standard deviation in pixels of the blur at the path's beginning."""
    steps: int = 100
    """Gradients per image."""
    spacing: Literal["linear", "sqrt"] = "linear"
    """Whether sigma or its square grows evenly along the path."""
    convention: Literal["paper", "pair"] = "paper"
    """`paper`: differences of the blurred images, borders renormalised. `pair`: derivative at the left end of each
    step, borders black, as PAIR's saliency computes it."""

    def __post_init__(self) -> None:
        check_positive(max_sigma=self.max_sigma)
        check_at_least(1, steps=self.steps)


@explains("xrai", ".xrai:Xrai.build", "Kapishnikov et al. 2019, arXiv:1906.02825", evidence="shares")
class XraiConfig:
    """Regions of the image ranked by their integrated gradients."""

    quadrature: Quadrature | None = None
    """Rule of integrated gradients; `gausslegendre`, or PAIR's `endpoints`, when not given."""
    nodes: int | None = None
    """Gradients per baseline, of which there are two; 50, or PAIR's 100, when not given."""
    scales: tuple[float, ...] = (50, 100, 150, 250, 500, 1200)
    """Felzenszwalb's scales; each is one segmentation."""
    sigma: float = 0.8
    """Smoothing before the segmentation, in pixels of the resized image."""
    min_size: int = 150
    """Least pixels of a segment, of the resized image."""
    size: int = 224
    """Side to which images are resized for the segmentation."""
    dilation: int = 5
    """By how many pixels of the resized image each segment grows."""
    min_share: float = 0.001
    """A segment that adds a smaller share of the image is left out."""
    convention: Literal["paper", "pair"] = "paper"
    """Whose quadrature and nodes."""

    def __post_init__(self) -> None:
        check_nodes(*self.rule)
        if not self.scales or min(self.scales) <= 0:
            raise UsageError(f"scales is one or more positive numbers, got {self.scales!r}")
        if self.size < 8 or self.min_size < 1 or self.dilation < 0:
            raise UsageError("size is at least 8, min_size at least 1, dilation at least 0")
        if not 0 <= self.min_share < 1:
            raise UsageError(f"min_share is from 0 up to 1, got {self.min_share}")

    @property
    def rule(self) -> tuple[Quadrature, int]:
        """The quadrature and the number of nodes that are used."""
        pair = self.convention == "pair"
        quadrature = self.quadrature or ("endpoints" if pair else "gausslegendre")
        return quadrature, (100 if pair else 50) if self.nodes is None else self.nodes


@hookimpl
def cnnviz_techniques() -> list[TechniqueSpec]:
    """Return the records of the family."""
    return [*techniques_in(__name__), *techniques_in(layer_options.__name__)]
