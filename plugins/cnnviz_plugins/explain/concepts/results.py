"""What the surveys of the concept family return."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_jax.plugin import Provenance, Result


@dataclass(frozen=True, kw_only=True, repr=False)
class ConceptScores(Result):
    """How a class's score changes towards each concept, over many random sets (TCAV)."""

    layer: str
    target: str
    """The class that was asked about."""
    concepts: tuple[str, ...]
    """Names of the k concepts."""
    score: Float[np.ndarray, "k runs"]
    """Share of the examined images whose class score rises towards the concept; a column for each random set."""
    random_score: Float[np.ndarray, " runs"]
    """The same for directions between two random sets: what chance gives."""
    p_value: Float[np.ndarray, " k"]
    """Two-sided t-test of `score` against `random_score`."""
    accuracy: Float[np.ndarray, "k runs"]
    """How well the direction tells concept from random images, on the third of both that it was not fitted to."""
    vectors: Float[np.ndarray, "k *shape"]  # noqa: F821  # a jaxtyping shape
    """Mean direction of each concept, of length 1, in the layer's own shape, or (k, c) where places were pooled."""
    derivative: Float[np.ndarray, "k n"]
    """Derivative of the score along `vectors`, for each examined image."""
    examined: Int[np.ndarray, " n"]
    """Numbers of the examined images."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    @property
    def significant(self) -> Bool[np.ndarray, " k"]:
        """Whether each concept differs from chance at p < 0.05 after Bonferroni's correction for their number."""
        is_so: np.ndarray = self.p_value < 0.05 / len(self.p_value)
        return is_so


@dataclass(frozen=True, kw_only=True, repr=False)
class ConceptBank(Result):
    """Concepts found in a layer's activations on one class, the one that matters most first (CRAFT)."""

    layer: str
    target: str
    """The class that was taken apart."""
    bank: Float[np.ndarray, "k c"]
    """Each concept's non-negative direction; activations are sums of these."""
    importance: Float[np.ndarray, " k"]
    """Total Sobol index: the share of the score's variance in which the concept has a hand, mean over images."""
    error: float
    """Size of what the concepts leave of the crops' activations, as a share of their size."""
    crops: Float[np.ndarray, "k shown rows cols ch"]
    """The crops that show each concept most, strongest first; black where there are fewer."""
    weight: Float[np.ndarray, "k shown"]
    """How strongly they show it."""
    image_ids: Int[np.ndarray, " n"]
    """Numbers of the images used: those that the model puts in the class."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()
