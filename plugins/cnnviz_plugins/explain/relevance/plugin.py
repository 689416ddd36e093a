"""The relevance family: a score handed back layer by layer until the pixels share it."""

from typing import Literal

from cnnviz_jax.plugin import UsageError, technique, techniques_hook

# Light too: the words that options are made of.
from cnnviz_plugins.explain.relevance.composites import row_of

STABILISERS = {"paper": 1e-6, "innvestigate": 1e-7, "captum": 1e-9}
"""Epsilon by whose convention: zennit's, innvestigate/analyzer/relevance_based, captum/attr/_utils/lrp_rules.py."""


@technique("lrp", "explain", ".lrp:Lrp.build", "Bach et al. 2015, doi:10.1371/journal.pone.0130140",
           "Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10",
           "Kohlbrenner et al. 2020, arXiv:1910.09840")  # fmt: skip
class LrpConfig:
    """The score handed back layer by layer, by a rule for each: relevance of each pixel."""

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
    convention: Literal["paper", "innvestigate", "captum"] = "paper"
    """Whose epsilon. Captum's numbers are these for networks without skip connections, whose relevance it counts twice
    where ours is shared."""

    @property
    def stabiliser(self) -> float:
        """The epsilon that is used."""
        return STABILISERS[self.convention] if self.epsilon is None else self.epsilon

    def __post_init__(self) -> None:
        _check_epsilon(self.stabiliser)
        for text in self.rules:
            row_of(text)


@technique("excitation-backprop", "explain", ".excitation_backprop:ExcitationBackprop.build",
           "Zhang et al. 2016, arXiv:1608.00507")  # fmt: skip
class ExcitationBackpropConfig:
    """Probability that a winner-take-all walk down from the target ends at each pixel or unit."""

    layer: str | None = None
    """The layer at which they are read and summed over channels; the image when not given."""
    contrastive: bool = False
    """Whether the walk down from the opposite of the class, its last weights negated, is subtracted, and what is
    left below 0 removed."""


@technique("deep-taylor", "explain", ".deep_taylor:DeepTaylor.build", "Montavon et al. 2017, arXiv:1512.02479")
class DeepTaylorConfig:
    """Deep Taylor decomposition of the score for bounded images and ReLU networks.

    The rules are fixed: z^B at the image, z+ elsewhere, no biases.
    """

    epsilon: float = 1e-6
    """Added to the size of every denominator."""

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)


def _check_epsilon(epsilon: float) -> None:
    if not 0 <= epsilon < float("inf"):
        raise UsageError(f"epsilon is a number from 0 on, got {epsilon}")


cnnviz_techniques = techniques_hook(__name__)
