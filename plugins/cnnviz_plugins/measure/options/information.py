"""Options of the measures that weigh the score against what the image says; imports nothing heavy."""

from cnnviz_jax.plugin import UsageError, technique

_HERE = "cnnviz_plugins.measure.faithfulness.information"


@technique("softmax-information-curve", "measure", f"{_HERE}:softmax_information",
           "Kapishnikov et al. 2019, arXiv:1906.02825, section 4")  # fmt: skip
class SoftmaxInformationCurveConfig:
    """How much of the probability comes back for how much of the image's information: area under the curve."""

    shares: tuple[float, ...] = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.13, 0.21, 0.34, 0.5, 0.75)
    """Shares of the pixels that are revealed, the strongest first."""
    start: float = 0.01
    """Share of the pixels, drawn at random, that the blurred image is made of; the four corners come with them."""
    least: float = 0.8
    """Images whose class has a smaller probability are left out."""
    growing: bool = True
    """Whether the most that came back with fewer pixels counts, as in the paper; so more pixels never lower it."""

    def __post_init__(self) -> None:
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise UsageError(f"shares lie between 0 and 1, got {self.shares!r}")
        if tuple(sorted(self.shares)) != tuple(self.shares):
            raise UsageError(f"shares go from the least to the largest, got {self.shares!r}")
        if not 0 <= self.start < 1:
            raise UsageError(f"start is a share from 0 to less than 1, got {self.start!r}")
        if not 0 <= self.least <= 1:
            raise UsageError(f"least is a probability, got {self.least!r}")


@technique("accuracy-information-curve", "measure", f"{_HERE}:accuracy_information",
           "Kapishnikov et al. 2019, arXiv:1906.02825, section 4")  # fmt: skip
class AccuracyInformationCurveConfig(SoftmaxInformationCurveConfig):
    """For how much of the image's information its class comes back as the best one: area under the curve."""
