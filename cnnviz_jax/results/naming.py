"""What units may be called, with the numbers that stand for and against each name."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.result import Result
from cnnviz_jax.results.tables import Tabular


@dataclass(frozen=True, kw_only=True, repr=False)
class UnitNames(Tabular, Result):
    """Names of a layer's units: chosen on half of the images and scored on the other half."""

    layer: str
    image_count: int
    """Images that were read."""
    concepts: tuple[str, ...]
    """What names are made of."""
    kind: str
    """`labels`, `masks` or `texts`."""
    scored_by: str
    value: str
    """How a unit's map becomes one number per image: `max` or `mean`."""
    units: tuple[int, ...]
    best: tuple[str, ...]
    """The best name of each unit, refused ones too."""
    second: tuple[str, ...]
    """The best name that is not related to it; empty where there is none."""
    status: tuple[str, ...]
    """`named`; `two names`: the second is as good; or refused: `chance`, `rare`, `silent`."""
    chosen: Float[np.ndarray, " u"]
    """The score where the name was chosen, which flatters it."""
    score: Float[np.ndarray, " u"]
    """The score on the other images."""
    threshold: Float[np.ndarray, " u"]
    """What 99 % of the same searches stay below with the unit's values permuted over images."""
    low: Float[np.ndarray, " u"]
    """95 % interval of the score, by bootstrap over images."""
    high: Float[np.ndarray, " u"]
    second_score: Float[np.ndarray, " u"]
    """nan where there is none."""
    p_value: Float[np.ndarray, " u"]
    """Mann-Whitney, two-sided, on the other images, times the names tried; nan for texts."""
    positives: Int[np.ndarray, " u"]
    """Images that show the best name; -1 for texts."""
    missing_fall: float
    """By which share the score of a perfect unit falls when half of a concept's labels are missing; nan for texts."""
    extra_fall: float
    """The same when as many wrong ones are added."""
    shown: tuple[int, ...]
    """Units that are drawn."""
    ids: Int[np.ndarray, "k m"]
    """Numbers of the images that excite them most."""
    images: Float[np.ndarray, "k m h w ch"]
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each unit, two joined by `or` where two are as good; empty where it is refused."""
        given = {"named": "{0}", "two names": "{0} or {1}"}
        return tuple(
            given.get(status, "").format(best, second)
            for status, best, second in zip(self.status, self.best, self.second, strict=True)
        )

    def sentence(self, k: int) -> str:
        """Return the name of the k-th unit, or why it has none."""
        best = f"best: {self.best[k]}, {self.score[k]:.3f}"
        refused = {
            "chance": f"no concept found ({best}, by chance up to {self.threshold[k]:.3f})",
            "rare": f"no concept found ({best}, which {self.positives[k]} images show)",
            "silent": "no concept found (the unit has one value for all images)",
        }
        return refused.get(self.status[k], self.names[k])

    def table(self) -> list[dict[str, Any]]:
        """Return one row per unit: its name or why it has none, the score and what it is held against."""
        return [
            {
                "unit": unit,
                "name": self.sentence(k),
                "status": self.status[k],
                "score": float(self.score[k]),
                "low": float(self.low[k]),
                "high": float(self.high[k]),
                "threshold": float(self.threshold[k]),
                "p_value": float(self.p_value[k]),
                "second": self.second[k],
                "second_score": float(self.second_score[k]),
            }
            for k, unit in enumerate(self.units)
        ]
