"""The relevance family: a score handed back layer by layer until the pixels share it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from cnnviz_jax.plugin import UsageError, check_at_least, technique, techniques_hook
from cnnviz_plugins.explain.declaring import explains, figure_hook

# Light too: the words that options are made of.
from cnnviz_plugins.explain.relevance.composites import row_of
from cnnviz_plugins.explain.relevance.conditions import condition_of

STABILISERS = {"paper": 1e-6, "innvestigate": 1e-7, "captum": 1e-9}
"""Epsilon by whose convention: zennit's, innvestigate/analyzer/relevance_based, captum/attr/_utils/lrp_rules.py."""


@dataclass(frozen=True, kw_only=True)
class SharingConfig:
    """Which layer shares relevance by which rule."""

    is_attentive: ClassVar[bool] = False
    """Whether products, softmax layers and norms share as AttnLRP has it."""
    composite: Literal[
        "epsilon", "z+", "epsilon-plus", "epsilon-plus-flat", "epsilon-alpha2-beta1", "epsilon-alpha2-beta1-flat",
        "epsilon-gamma-box", "sequential-preset-a", "sequential-preset-a-flat", "sequential-preset-b",
        "sequential-preset-b-flat", "deep-taylor",
    ] = "epsilon"  # fmt: skip
    """Rules for all layers, by a published name; `sequential-preset-...` are iNNvestigate's."""
    rules: tuple[str, ...] = ()
    """Rules that go first, each `pattern=rule`: a layer's name (with `*`), `first`, `kind:conv` or `kind:dense`, and
    one of epsilon(e), gamma(g), z+, alpha-beta(a), z^B, flat, w^2, identity; beta is a - 1. `identity` passes relevance
    on place by place, for a layer whose output has its input's shape."""
    epsilon: float | None = None
    """Added to the size of every denominator, and the number of the plain rule epsilon; 0 is LRP-0. 1e-6, or the
    convention's (iNNvestigate: 1e-7, Captum: 1e-9), when not given."""
    bias: bool = True
    """Whether biases take their share of relevance, as in Bach et al.; without, layers conserve all of it."""

    @property
    def stabiliser(self) -> float:
        """The epsilon that is used."""
        return STABILISERS["paper"] if self.epsilon is None else self.epsilon

    def __post_init__(self) -> None:
        _check_epsilon(self.stabiliser)
        for text in self.rules:
            row_of(text)


@dataclass(frozen=True, kw_only=True)
class RulesConfig(SharingConfig):
    """The same, by a convention."""

    convention: Literal["paper", "innvestigate", "captum"] = "paper"
    """Whose epsilon. Captum's numbers are these for networks without skip connections, whose relevance it counts twice
    where ours is shared."""

    @property
    def stabiliser(self) -> float:
        """The epsilon that is used."""
        return STABILISERS[self.convention] if self.epsilon is None else self.epsilon


@dataclass(frozen=True, kw_only=True)
class PassingConfig(SharingConfig):
    """Where relevance is read, and by which channels it passes."""

    at: str | None = None
    """Layer whose units' relevance is returned, with its axes; the image when not given."""
    conditions: tuple[str, ...] = ()
    """Channels by which relevance may pass, `layer=channels`, such as `conv3=31,5` or, for two layers, `conv3=31;
    conv1=2`; in Python also `{"conv3": [31, 5]}`. Several conditions, all of the same layers, give one map each."""
    skip: Literal["exclude", "keep"] = "exclude"
    """What becomes of relevance that passes by a condition's layer, as through a skip connection."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for text in self.conditions:
            condition_of(text)


@explains("lrp", ".conditional:build", "Bach et al. 2015, doi:10.1371/journal.pone.0130140",
          "Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10", "Kohlbrenner et al. 2020, arXiv:1910.09840",
          "Achtibat et al. 2023, arXiv:2206.03208 (conditions)", evidence="rules", in_report=True)  # fmt: skip
class LrpConfig(RulesConfig, PassingConfig):
    """The score handed back layer by layer, by a rule for each: relevance of each pixel."""


@explains("attn-lrp", ".conditional:build", "Achtibat et al. 2024, arXiv:2402.05602", evidence="rules")
class AttnLrpConfig(PassingConfig):
    """LRP for transformers: relevance through attention too, its softmax, products and norms."""

    is_attentive = True
    epsilon: float = 1e-9
    """Added to the size of every denominator, and the number of the plain rule epsilon; 0 is LRP-0."""


@explains("concept-relevance", ".decomposition:ConceptRelevance.build", "Achtibat et al. 2023, arXiv:2206.03208",
          evidence="rules")  # fmt: skip
class ConceptRelevanceConfig(RulesConfig):
    """The score divided among a layer's channels, and where in the image each finds its share."""

    layer: str | None = None
    """The layer whose channels share the score; the last one with more than one position when not given."""
    channels: tuple[int, ...] | None = None
    """Channels that get a map, in this order; the strongest of each image when not given."""
    count: int = 8
    """How many of the strongest get a map."""
    order: Literal["size", "favour"] = "size"
    """What is strongest: relevance of the largest size, or the most in favour of the score."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, count=self.count)


@explains("attribution-graph", ".graph:Graph.build", "Achtibat et al. 2023, arXiv:2206.03208",
          result=".results:AttributionGraph", evidence="rules")  # fmt: skip
class AttributionGraphConfig(RulesConfig):
    """Which channels a score came from, and which channels below those came from, layer after layer."""

    layers: tuple[str, ...] = ()
    """The layers of the graph, in any order; the last three convolutions when not given."""
    count: int = 3
    """How many channels are followed from each channel above, those of the largest relevance."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, count=self.count)


@technique("relevance-maximization", "survey", ".maximization:build", "Achtibat et al. 2023, arXiv:2206.03208",
           result="Exemplars")  # fmt: skip
class RelevanceMaximizationConfig(RulesConfig):
    """The images, and the places in them, in which each unit mattered most for the class."""

    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""
    units: tuple[int, ...] | None = None
    """Units whose images are kept and drawn; the six of the largest mean relevance when not given. Numbers cover all
    units."""
    k: int = 9
    """Images per unit; the authors keep 40."""
    target: int | None = None
    """Index of the class whose score is handed back; the one that is predicted for each image when not given."""
    statistic: Literal["sum", "max"] = "sum"
    """A unit's relevance in an image: the sum over positions, or the largest of them."""
    abs_norm: bool = True
    """Whether it is divided by the sizes of all units' relevances in that image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, k=self.k)


@explains("excitation-backprop", ".excitation_backprop:ExcitationBackprop.build", "Zhang et al. 2016, arXiv:1608.00507",
          evidence="rules", in_report=True)  # fmt: skip
class ExcitationBackpropConfig:
    """Probability that a winner-take-all walk down from the target ends at each pixel or unit."""

    layer: str | None = None
    """The layer at which they are read and summed over channels; the image when not given."""
    contrastive: bool = False
    """Whether the walk down from the opposite of the class, its last weights negated, is subtracted, and what is
    left below 0 removed."""


@explains(
    "deep-taylor",
    ".deep_taylor:DeepTaylor.build",
    "Montavon et al. 2017, arXiv:1512.02479",
    evidence="rules",
    in_report=True,
)
class DeepTaylorConfig:
    """Deep Taylor decomposition of the score for bounded images and ReLU networks.

    The rules are fixed: z^B at the image, z+ elsewhere, no biases.
    """

    at: str | None = None
    """Layer whose units' relevance is returned, with its axes; the image when not given."""
    epsilon: float = 1e-6
    """Added to the size of every denominator."""

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)


def _check_epsilon(epsilon: float) -> None:
    if not 0 <= epsilon < float("inf"):
        raise UsageError(f"epsilon is a number from 0 on, got {epsilon}")


cnnviz_techniques = techniques_hook(__name__)
cnnviz_renderers = figure_hook(
    "graph-figure",
    "an attribution graph: a column of channels for each layer, with their maps and what flows between",
    "AttributionGraph",
    module="cnnviz_plugins.explain.relevance.figure",
)
