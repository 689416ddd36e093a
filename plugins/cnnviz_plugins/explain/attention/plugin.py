"""The attention family: how information flows between the tokens of a transformer."""

from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.plugin import UsageError, techniques_hook
from cnnviz_plugins.explain.declaring import explains


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """Which layers of attention are looked at."""

    layers: tuple[str, ...] = ()
    """Softmax layers of attention, as `cnnviz layers` lists them; all whose tokens are those of the map when not
    given."""


@explains("attention-rollout", ".rollout:AttentionRollout.build", "Abnar, Zuidema 2020, arXiv:2005.00928")
class AttentionRolloutConfig(AttentionConfig):
    """Attention of all layers multiplied up, half of each kept in place for the skip connection."""

    heads: Literal["mean", "max", "min"] = "mean"
    """How the heads of a layer become one; the paper takes the mean."""
    discard: float = 0.0
    """Share of the lowest attention of each layer that is set to 0 before; the paper discards none."""

    def __post_init__(self) -> None:
        if not 0 <= self.discard < 1:
            raise UsageError(f"discard is from 0 up to 1, got {self.discard}")


@explains("legrad", ".legrad:Legrad.build", "Bousselham et al. 2024, arXiv:2404.03214")
class LegradConfig(AttentionConfig):
    """Gradient of the score by the attention of every layer, as if the network ended there."""

    pooling: Literal["head", "mean"] = "head"
    """What the head reads of a layer's tokens: what it always reads, such as the class token, or their mean, as the
    authors' code and torch-cam have it."""
    scale: Literal["none", "min-max"] = "none"
    """`min-max`: run from 0 to 1, as the authors' code does."""


cnnviz_techniques = techniques_hook(__name__)
