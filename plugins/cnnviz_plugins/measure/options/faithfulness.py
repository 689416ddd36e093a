"""Options of the measures that change the image and watch the score; imports nothing heavy."""

from typing import Literal

from cnnviz_jax.plugin import (
    FIXED_FILL_WORDS,
    Fill,
    UsageError,
    check_at_least,
    check_fill,
    check_positive,
    technique,
    word_and_number,
)

_HERE = "cnnviz_plugins.measure.faithfulness"
Score = Literal["probability", "target"]
Convention = Literal["paper", "quantus"]
PARTS = {"grid": True, "slic": True}
"""Words for the segments of an image."""


@technique(
    "faithfulness-correlation",
    "measure",
    f"{_HERE}.correlations:FaithfulnessCorrelation.build",
    "Bhatt, Weller, Moura 2020, arXiv:2005.00631, definition 3",
)
class FaithfulnessCorrelationConfig:
    """Correlation of what the map says of random subsets with what their removal does."""

    samples: int = 100
    """Random subsets per image."""
    subset: int | None = None
    """Units in a subset; `None` for 224, or a quarter of a smaller image's."""
    fill: Fill = "zero"
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal["pixel", "element"] = "pixel"
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Score = "target"
    """`target`: the very score that was explained, or the `probability` of the explained class."""

    def __post_init__(self) -> None:
        check_at_least(3, samples=self.samples)
        check_at_least(1, subset=self.subset)
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)


@technique(
    "faithfulness-estimate",
    "measure",
    f"{_HERE}.correlations:FaithfulnessEstimate.build",
    "Alvarez-Melis, Jaakkola 2018, arXiv:1806.07538, section 4.2",
)
class FaithfulnessEstimateConfig:
    """Correlation of what the map says of groups of units with what the removal of each alone does."""

    step: int | None = None
    """Units in a group, of neighbours in the order of the map; `None` for a fiftieth of all."""
    fill: Fill = "zero"
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal["pixel", "element"] = "pixel"
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Score = "target"
    """`target`: the very score that was explained, or the `probability` of the explained class."""

    def __post_init__(self) -> None:
        check_at_least(1, step=self.step)
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)


@technique(
    "sensitivity-n",
    "measure",
    f"{_HERE}.sensitivity_n:sensitivity_n",
    "Ancona, Ceolini, Öztireli, Gross 2018, arXiv:1711.06104, section 4",
)
class SensitivityNConfig(FaithfulnessEstimateConfig):
    """Correlation, over images, of the map's sum over the n strongest units with what their removal does."""

    score: Score = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""
    largest: float = 0.8
    """The largest share of the units that is removed."""
    convention: Convention = "paper"
    """`quantus` correlates the fall of the score with the sum over the last group removed alone, and counts units
    without channels."""

    def __post_init__(self) -> None:
        FaithfulnessEstimateConfig.__post_init__(self)
        if not 0 < self.largest <= 1:
            raise UsageError(f"largest is a share above 0 and at most 1, got {self.largest}")


@technique("pixel-flipping", "measure", f"{_HERE}.curves:PixelFlipping.build",
           "Bach et al. 2015, doi:10.1371/journal.pone.0130140, section 4")  # fmt: skip
class PixelFlippingConfig(FaithfulnessEstimateConfig):
    """How fast the score falls as units are flipped, the strongest first: area under the curve."""

    score: Score = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""
    convention: Convention = "paper"
    """`quantus` leaves out the untouched image and does not divide the area by the number of steps."""


@technique("monotonicity", "measure", f"{_HERE}.curves:Monotonicity.build", "Arya et al. 2019, arXiv:1909.03012")
class MonotonicityConfig(FaithfulnessEstimateConfig):
    """Whether the score never falls as units are revealed, the weakest first."""

    score: Score = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""


@technique("monotonicity-correlation", "measure", f"{_HERE}.correlations:MonotonicityCorrelation.build",
           "Nguyen, Martínez 2020, arXiv:2007.07584, section 3")  # fmt: skip
class MonotonicityCorrelationConfig:
    """Rank correlation of the map's sizes with how uncertain the score is without what they stand on."""

    step: int | None = None
    """Units in a group, of neighbours in the order of the map; `None` for a fiftieth of all."""
    samples: int = 100
    """Fills drawn for every group; one where the fill is fixed."""
    fill: Fill = "uniform"
    """What removed units become: `uniform`, one number between the image's least and largest for each draw, or a
    number, one per channel, `zero`, `value(v)`, `mean`, `model-mean`, `blur(sigma)`."""
    unit: Literal["pixel", "element"] = "pixel"
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Score = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""

    def __post_init__(self) -> None:
        check_at_least(1, step=self.step, samples=self.samples)
        check_fill(self.fill, "fill", {**FIXED_FILL_WORDS, "uniform": False})


@technique("non-sensitivity", "measure", f"{_HERE}.sensitive:NonSensitivity.build",
           "Nguyen, Martínez 2020, arXiv:2007.07584, section 3")  # fmt: skip
class NonSensitivityConfig:
    """How many units the map calls negligible though the score needs them, or the other way round."""

    eps: float = 1e-5
    """Up to which share of the map's largest |value|, and up to which change of the score, a unit is negligible."""
    fill: Fill = "zero"
    """What removed units become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    unit: Literal["pixel", "element"] = "pixel"
    """What is removed at once: a `pixel` with all its channels, or an `element` of one channel, as Quantus does."""
    score: Score = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""

    def __post_init__(self) -> None:
        check_positive(eps=self.eps)
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)


@technique("region-perturbation", "measure", f"{_HERE}.regions:RegionPerturbation.build",
           "Samek et al. 2015, arXiv:1509.06321, section III")  # fmt: skip
class RegionPerturbationConfig:
    """How far the score has fallen, on average, as square regions are removed in the order of the map."""

    patch_px: int = 8
    """Side of a region, in pixels."""
    regions: int = 100
    """Regions that are removed at most."""
    order: Literal["morf", "lerf", "random"] = "morf"
    """The most relevant first (higher is better), the least relevant first (lower is better), or at random."""
    fill: Fill = "zero"
    """What removed regions become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Score = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""

    def __post_init__(self) -> None:
        check_at_least(1, patch_px=self.patch_px, regions=self.regions)
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)


@technique("selectivity", "measure", f"{_HERE}.regions:Selectivity.build",
           "Montavon, Samek, Müller 2018, arXiv:1706.07979, section 5")  # fmt: skip
class SelectivityConfig:
    """How fast the score falls as square regions are removed, the most relevant first: area under the curve."""

    patch_px: int = 8
    """Side of a region, in pixels."""
    fill: Fill = "zero"
    """What removed regions become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Score = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""
    convention: Convention = "paper"
    """`quantus` leaves out the untouched image and does not divide the area by the number of steps."""

    def __post_init__(self) -> None:
        check_at_least(1, patch_px=self.patch_px)
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)


@technique("irof", "measure", f"{_HERE}.regions:Irof.build", "Rieger, Hansen 2020, arXiv:2003.08747, section 3")
class IrofConfig:
    """Area over the curve of the score's share that is left as segments are removed, the most relevant first."""

    segments: str = "grid(8)"
    """`grid(n)`: n x n rectangles. `slic(n)`: about n superpixels, as the paper, with scikit-image."""
    fill: Fill = "mean"
    """What removed segments become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Score = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""
    convention: Convention = "paper"
    """`quantus` leaves out the untouched image and does not divide by the number of segments."""

    def __post_init__(self) -> None:
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)
        if not self.kind[1] >= 2:
            raise UsageError(f"segments takes a number of at least 2, got {self.segments!r}")

    @property
    def kind(self) -> tuple[str, int]:
        """The word and the number of `segments`."""
        word, number = word_and_number(self.segments, "segments", PARTS)
        return word, int(number or 0)


@technique("mu-fidelity", "measure", f"{_HERE}.correlations:MuFidelity.build",
           "Bhatt, Weller, Moura 2020, arXiv:2005.00631, definition 3")  # fmt: skip
class MuFidelityConfig:
    """Rank correlation of what the map says of random blocks with what their removal does."""

    samples: int = 200
    """Random masks per image."""
    grid: int = 9
    """Rows, and columns, of the blocks."""
    share: float = 0.2
    """Probability that a block is removed."""
    fill: Fill = "zero"
    """What removed blocks become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Score = "target"
    """`target`: the very score that was explained, or the `probability` of the explained class."""

    def __post_init__(self) -> None:
        check_at_least(3, samples=self.samples)
        check_at_least(1, grid=self.grid)
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)
        if not 0 < self.share < 1:
            raise UsageError(f"share lies between 0 and 1, got {self.share}")


@technique("sufficiency", "measure", f"{_HERE}.sufficiency:sufficiency",
           "Dasgupta, Frost, Moshkovitz 2022, arXiv:2202.00734, section 3")  # fmt: skip
class SufficiencyConfig:
    """Share of the other images with a map as near that are predicted alike."""

    threshold: float = 0.6
    """Up to which share of the largest distance among the maps two are near."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError(f"threshold is a share above 0 and at most 1, got {self.threshold}")


@technique("completeness", "measure", f"{_HERE}.completeness:Completeness.build",
           "Sundararajan, Taly, Yan 2017, arXiv:1703.01365, section 3")  # fmt: skip
class CompletenessConfig:
    """How far the map's sum is from the difference of the score to that of nothing, as a share of it."""

    fill: Fill = "zero"
    """Nothing, the baseline: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`, `blur(sigma)`."""
    score: Score = "target"
    """`target`: the very score that was explained, or the `probability` of the explained class."""

    def __post_init__(self) -> None:
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)
