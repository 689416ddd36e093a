"""Measures of faithfulness, robustness and sanity, as plugins; imports nothing heavy."""

from collections.abc import Iterable
from typing import Literal

from cnnviz_jax.plugin import (
    FIXED_FILL_WORDS,
    Fill,
    TechniqueSpec,
    UsageError,
    check_at_least,
    check_fill,
    hookimpl,
    technique,
    techniques_in,
    word_and_number,
)
from cnnviz_plugins.measure.options import (
    complexity,
    faithfulness,
    information,
    localization,
    randomization,
    robustness,
)

Unit = Literal["probability", "target"]


@technique("deletion", "measure", ".curves:Deletion.build", "Petsiuk, Das, Saenko 2018, arXiv:1806.07421, section 3.4")
class DeletionConfig:
    """How fast the score falls as the strongest pixels are deleted: area under the curve."""

    steps: int = 50
    """Steps from the whole image to nothing; each takes the same number of pixels, the strongest first."""
    fill: Fill = "zero"
    """What deleted pixels become: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`,
    `blur(sigma)`."""
    score: Unit = "probability"
    """`probability` of the explained class, as the paper, or `target`: the very score that was explained."""

    def __post_init__(self) -> None:
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)
        check_at_least(1, steps=self.steps)


@technique(
    "insertion", "measure", ".curves:Insertion.build", "Petsiuk, Das, Saenko 2018, arXiv:1806.07421, section 3.4"
)
class InsertionConfig(DeletionConfig):
    """How fast the score rises as the strongest pixels are inserted: area under the curve."""

    fill: Fill = "blur(5)"
    """What is there before pixels are inserted: a number, one per channel, or `zero`, `value(v)`, `mean`,
    `model-mean`, `blur(sigma)`."""


@technique(
    "average-drop", "measure", ".drop:AverageDrop.build", "Chattopadhay et al. 2018, arXiv:1710.11063, section 4"
)
class DropConfig:
    """Share of the score that is lost where only the map's pixels are kept."""

    score: Unit = "probability"
    """`probability` of the explained class, as the paper, or `target`: the very score that was explained."""


@technique("increase-in-confidence", "measure", ".drop:IncreaseInConfidence.build",
           "Chattopadhay et al. 2018, arXiv:1710.11063, section 4")  # fmt: skip
class IncreaseConfig(DropConfig):
    """Whether the score rises where only the map's pixels are kept."""


@technique("average-gain", "measure", ".drop:AverageGain.build", "Zhang et al. 2024, arXiv:2301.07002, section 4.3")
class GainConfig(DropConfig):
    """Share of what the probability lacks that is gained where only the map's pixels are kept."""

    score: Unit = "probability"
    """`probability` of the explained class, or `target`, which must be one: the very score that was explained."""


@technique("infidelity", "measure", ".infidelity:Infidelity.build", "Yeh et al. 2019, arXiv:1901.09392, definition 2.1")
class InfidelityConfig:
    """Squared error of the map as a linear forecast of what a perturbation does."""

    samples: int = 100
    """Random perturbations per image."""
    perturbation: str = "gaussian(0.1)"
    """`gaussian(sigma)`: noise on every value. `square(side in pixels)`: one square becomes black."""
    scale: Literal["none", "optimal"] = "none"
    """`optimal` multiplies the map by the number that makes the error least, so that units do not count."""
    score: Unit = "target"
    """`target`: the very score that was explained, or the `probability` of the explained class."""

    def __post_init__(self) -> None:
        check_at_least(1, samples=self.samples)
        if not self.kind[1] > 0:
            raise UsageError(f"perturbation takes a positive number, got {self.perturbation!r}")

    @property
    def kind(self) -> tuple[str, float]:
        """The word and the number of `perturbation`."""
        word, number = word_and_number(self.perturbation, "perturbation", {"gaussian": True, "square": True})
        return word, number or 0.0


@technique(
    "max-sensitivity",
    "measure",
    ".robustness.sensitivity:max_sensitivity",
    "Yeh et al. 2019, arXiv:1901.09392, definition 2.2",
)
class MaxSensitivityConfig(robustness.ShakenConfig):
    """Largest relative change of the map when the image is shaken a little."""


@technique("road", "measure", ".road:Road.build", "Rong et al. 2022, arXiv:2202.00449")
class RoadConfig:
    """Score as pixels are replaced by what their neighbours suggest, least against most relevant first."""

    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    """Shares of the pixels that are imputed."""
    order: Literal["combined", "morf", "lerf"] = "combined"
    """`morf`: the most relevant first (lower is better). `lerf`: the least relevant first (higher is better).
    `combined`: half of lerf less morf."""
    noise: float = 0.01
    """Standard deviation of the noise on imputed pixels, so that they cannot be told by their smoothness."""
    score: Unit = "probability"
    """`probability` of the explained class, or `target`: the very score that was explained."""

    def __post_init__(self) -> None:
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise UsageError(f"shares lie between 0 and 1, got {self.shares!r}")
        check_at_least(0, noise=self.noise)


@technique("pointing-game", "measure", ".pointing:PointingGame.build", "Zhang et al. 2016, arXiv:1608.00507, section 4")
class PointingGameConfig:
    """Whether the strongest pixel lies on the object."""

    tolerance: int = 0
    """How many pixels the strongest one may be off the object; the paper allows 15 on images of some 500."""

    def __post_init__(self) -> None:
        check_at_least(0, tolerance=self.tolerance)


@technique("sparseness", "measure", ".sparseness:Sparseness.build", "Chalasani et al. 2020, arXiv:1810.06583")
class SparsenessConfig:
    """The Gini index of the map: 0 evenly spread, towards 1 on one pixel."""


@technique("parameter-randomization", "measure", ".randomization.parameters:parameter_randomization",
           "Adebayo et al. 2018, arXiv:1810.03292, section 4.1")  # fmt: skip
class ParameterRandomizationConfig:
    """How alike the map stays as layers are randomised from the top down."""

    draw: Literal["normal", "permute"] = "normal"
    """`normal`: numbers of the same mean and spread as each array's. `permute`: its own numbers in another order."""
    sign: Literal["keep", "drop"] = "keep"
    """Whether maps are compared as they are, or by their absolute values."""


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the measures of this module and of the folders beside it."""
    for module in (
        __name__,
        *(each.__name__ for each in (localization, complexity, faithfulness, information, robustness, randomization)),
    ):
        yield from techniques_in(module)
