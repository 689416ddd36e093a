"""The relevance family: a score handed back layer by layer until the pixels share it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.plugin import TechniqueSpec, UsageError, hookimpl

# Light too: the words that options are made of.
from cnnviz_plugins.explain.relevance.composites import row_of


@dataclass(frozen=True, kw_only=True)
class LrpConfig:
    """Which rule goes to which layer."""

    composite: Literal[
        "epsilon", "z+", "epsilon-plus", "epsilon-plus-flat", "epsilon-alpha2-beta1", "epsilon-alpha2-beta1-flat",
        "epsilon-gamma-box", "sequential-preset-a", "sequential-preset-a-flat", "sequential-preset-b",
        "sequential-preset-b-flat", "deep-taylor",
    ] = "epsilon"  # fmt: skip
    """Rules for all layers, by a published name; `sequential-preset-...` are iNNvestigate's."""
    rules: tuple[str, ...] = ()
    """Rules that go first, each `pattern=rule`: a layer's name (with `*`), `first`, `kind:conv` or `kind:dense`, and
    one of epsilon(e), gamma(g), z+, alpha-beta(a), z^B, flat, w^2; beta is a - 1."""
    epsilon: float | None = None
    """Added to the size of every denominator, and the number of the plain rule epsilon; 0 is LRP-0. 1e-6, or the
    convention's (iNNvestigate: 1e-7), when not given."""
    bias: bool = True
    """Whether biases take their share of relevance, as in Bach et al.; without, layers conserve all of it."""
    convention: Literal["paper", "innvestigate"] = "paper"
    """Whose epsilon."""

    @property
    def stabiliser(self) -> float:
        """The epsilon that is used."""
        usual = 1e-7 if self.convention == "innvestigate" else 1e-6
        return usual if self.epsilon is None else self.epsilon

    def __post_init__(self) -> None:
        _check_epsilon(self.stabiliser)
        for text in self.rules:
            row_of(text)


@dataclass(frozen=True, kw_only=True)
class ExcitationBackpropConfig:
    """Where the probabilities are read, and what they are set against."""

    layer: str | None = None
    """The layer at which they are read and summed over channels; the image when not given."""
    contrastive: bool = False
    """Whether the walk down from the opposite of the class, its last weights negated, is subtracted, and what is
    left below 0 removed."""


@dataclass(frozen=True, kw_only=True)
class DeepTaylorConfig:
    """How denominators are kept from zero; the rules are fixed: z^B at the image, z+ elsewhere, no biases."""

    epsilon: float = 1e-6
    """Added to the size of every denominator."""

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)


def _check_epsilon(epsilon: float) -> None:
    if not 0 <= epsilon < float("inf"):
        raise UsageError(f"epsilon is a number from 0 on, got {epsilon}")


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the relevance family."""
    yield TechniqueSpec(
        name="lrp",
        kind="explain",
        summary="the score handed back layer by layer, by a rule for each: relevance of each pixel",
        config=LrpConfig,
        build="cnnviz_plugins.explain.relevance.lrp:Lrp.build",
        references=(
            "Bach et al. 2015, doi:10.1371/journal.pone.0130140",
            "Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10",
            "Kohlbrenner et al. 2020, arXiv:1910.09840",
        ),
    )
    yield TechniqueSpec(
        name="excitation-backprop",
        kind="explain",
        summary="probability that a winner-take-all walk down from the target ends at each pixel or unit",
        config=ExcitationBackpropConfig,
        build="cnnviz_plugins.explain.relevance.excitation_backprop:ExcitationBackprop.build",
        references=("Zhang et al. 2016, arXiv:1608.00507",),
    )
    yield TechniqueSpec(
        name="deep-taylor",
        kind="explain",
        summary="deep Taylor decomposition of the score for bounded images and ReLU networks",
        config=DeepTaylorConfig,
        build="cnnviz_plugins.explain.relevance.deep_taylor:DeepTaylor.build",
        references=("Montavon et al. 2017, arXiv:1512.02479",),
    )
