"""What `cv.recommend` answers: a technique, or none, in words, with what they rest on."""

from dataclasses import dataclass, field

from cnnviz_jax.results.measurement import Comparison
from cnnviz_jax.results.result import Result


@dataclass(frozen=True, kw_only=True, repr=False)
class Recommendation(Result):
    """Which technique to use on these images, or why none is recommended; `str` of it is the answer in words."""

    technique: str | None
    """The technique; `None` where the answer abstains."""
    reasons: tuple[str, ...]
    """The evidence, a sentence each."""
    alike: tuple[str, ...] = ()
    """Techniques that these images do not tell apart from the recommended one."""
    insensitive: tuple[str, ...] = ()
    """Techniques whose maps hardly change when all weights are random."""
    faithfulness: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Insertion less deletion of each technique: mean, and the ends of its 95 % interval."""
    control: float = 0.0
    """The same of the better of two random maps."""
    weights: dict[str, float] = field(default_factory=dict)
    """Rank correlation with the map of the network of random weights, of the techniques that were asked."""
    untried: tuple[str, ...] = ()
    """Techniques that the time did not suffice for."""
    comparison: Comparison | None
    """The techniques side by side: to be drawn, saved and looked at; `None` where none could be measured."""

    @property
    def abstains(self) -> bool:
        """Whether no technique is recommended."""
        return self.technique is None

    def __str__(self) -> str:
        """The answer in words."""
        first = "no recommendation" if self.technique is None else f"use {self.technique}"
        return "\n".join([first, *(f"- {reason}" for reason in self.reasons)])
