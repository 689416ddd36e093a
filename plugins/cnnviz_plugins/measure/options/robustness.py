"""Options of the measures that explain changed images; imports nothing heavy."""

from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.plugin import FIXED_FILL_WORDS, Fill, UsageError, check_at_least, check_fill, check_positive, technique

_HERE = "cnnviz_plugins.measure.robustness"


@dataclass(frozen=True, kw_only=True)
class ShakenConfig:
    """How an image is shaken."""

    samples: int = 10
    """Shaken copies of each image."""
    radius: float = 0.02
    """Largest change of any value; images are in [0, 1]."""

    def __post_init__(self) -> None:
        check_at_least(1, samples=self.samples)
        check_positive(radius=self.radius)


@technique("avg-sensitivity", "measure", f"{_HERE}.sensitivity:avg_sensitivity",
           "Bhatt, Weller, Moura 2020, arXiv:2005.00631, definition 1")  # fmt: skip
class AvgSensitivityConfig(ShakenConfig):
    """Mean relative change of the map when the image is shaken a little."""


@technique("local-lipschitz-estimate", "measure", f"{_HERE}.lipschitz:local_lipschitz_estimate",
           "Alvarez-Melis, Jaakkola 2018, arXiv:1806.08049, section 3")  # fmt: skip
class LocalLipschitzEstimateConfig:
    """Largest change of the map for the change of the image, over noisy copies."""

    samples: int = 200
    """Noisy copies of each image."""
    std: float = 0.1
    """Standard deviation of the noise; images are in [0, 1]."""
    norm: Literal["euclidean", "manhattan"] = "euclidean"
    """How large a change of the map is: root of the sum of squares, or sum of absolute values."""

    def __post_init__(self) -> None:
        check_at_least(1, samples=self.samples)
        check_positive(std=self.std)


@technique("average-stability", "measure", f"{_HERE}.lipschitz:average_stability",
           "Bhatt, Weller, Moura 2020, arXiv:2005.00631, definition 1")  # fmt: skip
class AverageStabilityConfig(ShakenConfig):
    """Mean change of the map, in its own unit, over noisy copies of the image."""

    samples: int = 20
    """Noisy copies of each image."""
    radius: float = 0.1
    """Noise is uniform from 0 up to this; images are in [0, 1]."""


@technique("relative-input-stability", "measure", f"{_HERE}.relative:relative_input_stability",
           "Agarwal et al. 2022, arXiv:2203.06877, definition 1")  # fmt: skip
class RelativeInputStabilityConfig(ShakenConfig):
    """Largest relative change of the map for the relative change of the image."""

    samples: int = 200
    """Shaken copies of each image; those whose top class changes do not count."""
    radius: float = 0.05
    """Largest change of any value; images are in [0, 1]."""


@technique("relative-output-stability", "measure", f"{_HERE}.relative:relative_output_stability",
           "Agarwal et al. 2022, arXiv:2203.06877, equation 5")  # fmt: skip
class RelativeOutputStabilityConfig(RelativeInputStabilityConfig):
    """Largest relative change of the map for the change of the logits."""


@technique("relative-representation-stability", "measure", f"{_HERE}.relative:relative_representation_stability",
           "Agarwal et al. 2022, arXiv:2203.06877, equation 3")  # fmt: skip
class RelativeRepresentationStabilityConfig(RelativeInputStabilityConfig):
    """Largest relative change of the map for the relative change of a layer's values."""

    layer: str | None = None
    """The layer; `None` for the last with a map."""


@technique("continuity", "measure", f"{_HERE}.continuity:continuity",
           "Montavon, Samek, Müller 2018, arXiv:1706.07979, section 5")  # fmt: skip
class ContinuityConfig:
    """Largest change of the map for the change of the image, as it is shifted from side to side."""

    steps: int = 28
    """Shifts, from all but out on the left to out on the right."""
    fill: Fill = "zero"
    """What comes in: a number, one per channel, or `zero`, `value(v)`, `mean`, `model-mean`, `blur(sigma)`."""

    def __post_init__(self) -> None:
        check_at_least(1, steps=self.steps)
        check_fill(self.fill, "fill", FIXED_FILL_WORDS)


@technique("consistency", "measure", f"{_HERE}.consistency:consistency",
           "Dasgupta, Frost, Moshkovitz 2022, arXiv:2202.00734, section 3")  # fmt: skip
class ConsistencyConfig:
    """Share of the other images with the same map, made coarse, that are predicted alike."""

    first: int = 5
    """How many pixels, in reading order, make the coarse map: their signs."""

    def __post_init__(self) -> None:
        check_at_least(1, first=self.first)


@technique("input-invariance", "measure", f"{_HERE}.invariance:input_invariance",
           "Kindermans et al. 2019, arXiv:1711.00867, section 2")  # fmt: skip
class InputInvarianceConfig:
    """Whether the map stays when a constant is added to the image and taken off again inside the network."""

    shift: float = 0.5
    """What is added to every value; images are in [0, 1]."""
    tolerance: float = 1e-4
    """The largest difference that still counts as none, as a share of the map's largest |value|."""

    def __post_init__(self) -> None:
        check_positive(tolerance=self.tolerance)
        if self.shift == 0:
            raise UsageError("shift is a number other than 0")
