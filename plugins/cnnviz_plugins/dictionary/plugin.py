"""The family of dictionaries: features of a layer that are learned from its values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar, dataclass_transform

from cnnviz_jax.plugin import UsageError, check_at_least, technique, techniques_hook

_MOST = 16_384
"""Features, where nothing is said."""
Config = TypeVar("Config", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _learner(name: str, build: str, *references: str, codec: str) -> Callable[[Config], Config]:
    """Make a class the config of what learns a dictionary, as `technique` does; `codec` is the class that encodes."""
    return technique(name, "dictionary", build, *references, holds=(f"cnnviz_plugins.dictionary.codecs:{codec}",))


@dataclass(frozen=True, kw_only=True)
class DictionaryConfig:
    """Of which layer, and how many features."""

    layer: str | None = None
    """Layer whose values are taken apart; the last one with more than one position when not given."""
    size: int | None = None
    """Features; 8 times the layer's channels, at most 16384, when not given."""

    def __post_init__(self) -> None:
        if self.size is not None:
            check_at_least(2, size=self.size)


def size_of(config: DictionaryConfig, channels: int) -> int:
    """Return how many features a dictionary of so many channels has."""
    return config.size or min(8 * channels, _MOST)


@dataclass(frozen=True, kw_only=True)
class FactorConfig(DictionaryConfig):
    """How a factorisation runs."""

    rows: int = 16_384
    """Rows that are factorised, drawn by the seed; all where there are fewer."""
    iterations: int = 500
    """Sweeps, at most."""
    tolerance: float = 1e-4
    """Change of the codes by a sweep, as a share of their size, below which it stops."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, rows=self.rows, iterations=self.iterations)


@_learner("nmf", ".factorising:build_nmf", "Cichocki, Phan 2009, IEICE Trans. E92-A(3)",
          "Boutsidis, Gallopoulos 2008 (start)", codec="FactorCodec")  # fmt: skip
class NmfConfig(FactorConfig):
    """Non-negative factors of a layer: values as sums of directions, nothing taken away."""


@_learner("semi-nmf", ".factorising:build_semi_nmf", "Ding, Li, Jordan 2010, TPAMI 32(1), section 3",
          codec="FactorCodec")  # fmt: skip
class SemiNmfConfig(FactorConfig):
    """Factors whose codes are not negative and whose directions may have any sign."""


@_learner("convex-nmf", ".factorising:build_convex_nmf", "Ding, Li, Jordan 2010, TPAMI 32(1), section 4",
          codec="FactorCodec")  # fmt: skip
class ConvexNmfConfig(FactorConfig):
    """Factors whose directions are sums of the layer's own values, weighted by numbers that are not negative."""

    rows: int = 2048
    """Rows that are factorised, drawn by the seed; their products with each other are held, rows x rows."""


@dataclass(frozen=True, kw_only=True)
class TrainedConfig(DictionaryConfig):
    """How a dictionary is trained."""

    steps: int = 2000
    """Steps of the training."""
    batch_rows: int = 4096
    """Rows of a step; all where there are fewer."""
    rate: float | None = None
    """Learning rate at its highest; 2e-4 times the root of 16384 / size when not given."""
    warmup: int = 1000
    """Steps in which the rate rises from 0, at most a quarter of all; it falls to 0 over the last fifth."""
    clip: float = 1.0
    """Length to which a longer gradient is shortened."""
    dead: Literal["auxk", "none"] = "auxk"
    """`auxk`: features that do not fire any more learn from what the others leave. `none`: they stay."""
    dead_after: int | None = None
    """Rows without firing after which a feature counts as dead; a million, at most a tenth of all rows of the training,
    when not given."""
    scale: Literal["rms", "mean-norm", "unit-power", "none"] = "rms"
    """What the rows are divided by before: `rms` makes their mean square 1 a channel, `mean-norm` their mean length the
    root of the channels, `unit-power` their mean squared length 1. What is learned is in the layer's own units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, steps=self.steps, batch_rows=self.batch_rows)
        check_at_least(0, warmup=self.warmup)
        if not self.clip > 0 or (self.rate is not None and not self.rate > 0):
            raise UsageError(f"rate and clip lie above 0, got {self.rate} and {self.clip}")


@dataclass(frozen=True, kw_only=True)
class CountedConfig(TrainedConfig):
    """How many features a row may use."""

    k: int | None = None
    """Features of a row; 32, at most a quarter of the channels, when not given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k is not None:
            check_at_least(1, k=self.k)
            if self.size is not None and self.k > self.size:
                raise UsageError(f"{self.k} features of a row in a dictionary of {self.size}; k is at most the size")


def count_of(config: CountedConfig, channels: int) -> int:
    """Return how many features of a row a dictionary of so many channels uses.

    Raises:
        UsageError: There are fewer features.
    """
    k = config.k or max(1, min(32, channels // 4))
    if k > size_of(config, channels):
        raise UsageError(f"{k} features of a row in a dictionary of {size_of(config, channels)}; k is at most the size")
    return k


@_learner("topk", ".training:build", "Gao et al. 2024, arXiv:2406.04093, sections 2.3 and A.2", codec="SparseCodec")
class TopkConfig(CountedConfig):
    """A sparse autoencoder that keeps the k strongest features of each row."""


@_learner("batch-topk", ".training:build", "Bussmann et al. 2024, arXiv:2412.06410, section 3", codec="SparseCodec")
class BatchTopkConfig(CountedConfig):
    """A sparse autoencoder with k features a row on average: a row that needs more may have them."""


@_learner("jump-relu", ".training:build", "Rajamanoharan et al. 2024, arXiv:2407.14435, sections 3 and 4",
          codec="SparseCodec")  # fmt: skip
class JumpReluConfig(TrainedConfig):
    """A sparse autoencoder that learns for each feature from where on it counts."""

    sparsity: float = 0.01
    """What a feature of a row costs, beside a squared error of a row of about 1; it rises over the warm-up."""
    bandwidth: float = 0.05
    """Width around a threshold within which rows say how it should move."""
    threshold: float = 0.05
    """Where the thresholds start."""
    scale: Literal["rms", "mean-norm", "unit-power", "none"] = "unit-power"
    """As for the others; the three numbers above are in these units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.sparsity >= 0 and self.bandwidth > 0 and self.threshold > 0):
            raise UsageError("sparsity is 0 or more, bandwidth and threshold lie above 0")


@_learner("matching-pursuit", ".training:build", "Costa et al. 2025, arXiv:2506.03093", codec="PursuitCodec")
class MatchingPursuitConfig(CountedConfig):
    """A dictionary that takes a row apart one feature after the other, each the one that what is left points along."""

    refit: bool = False
    """Whether the amounts of all features of a row are fitted anew after each (orthogonal matching pursuit)."""


@_learner("archetypal", ".training:build", "Fel et al. 2025, arXiv:2502.12892, section 4", codec="SparseCodec")
class ArchetypalConfig(CountedConfig):
    """A topk autoencoder whose features are mixtures of the layer's own values, so that trainings agree better."""

    delta: float = 1.0
    """How far a feature may lie from its mixture."""
    centres: int | None = None
    """Centres of the values that are mixed; as many as features when not given."""
    centre_rows: int = 32_000
    """Rows whose centres are taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, centre_rows=self.centre_rows)
        if self.centres is not None:
            check_at_least(1, centres=self.centres)
        if self.delta < 0:
            raise UsageError(f"delta is 0 or more, got {self.delta}")


cnnviz_techniques = techniques_hook(__name__)
