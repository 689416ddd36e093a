"""Options of the techniques that begin from a baseline and are mostly asked of layers; light."""

from typing import Literal

from cnnviz_jax.plugin import check_at_least, check_positive
from cnnviz_plugins.explain.declaring import explains
from cnnviz_plugins.explain.gradient.baseline_options import (
    BaselineConfig,
    Quadrature,
    check_baselines,
    check_nodes,
)


@explains("conductance", ".conductance:Conductance.build", "Dhamdhere, Sundararajan, Yan 2018, arXiv:1805.12233",
          evidence="shares")  # fmt: skip
class ConductanceConfig(BaselineConfig):
    """Share of each unit of a layer in the difference of scores, while the image grows out of a baseline.

    With a target inside the network and no layer, the shares of the pixels in that unit.
    """

    at: str | None = None
    """The layer."""
    unit: tuple[int, ...] | None = None
    """One unit of it, (row, col, channel) or (channel,): what each pixel contributes to its conductance, a map of the
    image. (channel,) of a map stands for all its positions."""
    quadrature: Literal["mean", "left", "captum"] = "mean"
    """`mean`: equal parts of the path, each with the mean of the gradients at both ends. `left`: with the gradient at
    the left one. `captum`: that too, between `nodes` + 1 Gauss-Legendre nodes, so that both ends of the path are
    missed; for a unit, its trapezoid with weights that sum to 1 - 1/n."""
    nodes: int = 200
    """Parts of the path."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1 if self.quadrature != "captum" else 2, nodes=self.nodes)


@explains("internal-influence", ".conductance:InternalInfluence.build",
          "Leino, Sen, Datta, Fredrikson, Li 2018, arXiv:1802.03788", evidence="slope")  # fmt: skip
class InternalInfluenceConfig(BaselineConfig):
    """Gradient at each unit of a layer, averaged while the image grows out of a baseline.

    With a target inside the network and no layer, the mean gradient of that unit at the pixels.
    """

    at: str | None = None
    """The layer."""
    quadrature: Quadrature = "gausslegendre"
    """Rule of the integral."""
    nodes: int = 50
    """Gradients per image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nodes(self.quadrature, self.nodes)


@explains("deeplift-shap", ".deeplift_shap:DeepliftShap.build", "Lundberg, Lee 2017, arXiv:1705.07874",
          "Shrikumar, Greenside, Kundaje 2017, arXiv:1704.02685", evidence="shares")  # fmt: skip
class DeepliftShapConfig:
    """DeepLIFT averaged over many references: shares that sum to the difference to their mean score."""

    at: str | None = None
    """Layer whose units share the difference, with its axes; the image when not given."""
    baselines: tuple[str, ...] | str = ("zero", "value(1)", "noise")
    """Fills that are references; see the baseline of integrated-gradients; `noise` is uniform. In Python an array of
    several images, (k, h, w, c), such as some of the training's."""
    epsilon: float = 1e-6
    """Where a unit's input differs from the reference's by no more, its gradient stands in for the quotient."""

    def __post_init__(self) -> None:
        check_baselines(self.baselines)
        check_positive(epsilon=self.epsilon)
