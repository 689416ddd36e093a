"""What finding shortcuts returns: for each class the features it stands or falls with, on the object or beside it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.result import Result
from cnnviz_jax.results.tables import Tabular


@dataclass(frozen=True, kw_only=True, repr=False)
class Shortcuts(Tabular, Result):
    """Features whose removal costs classes most of their accuracy, the class that rests most on them first.

    Chosen on half of the images; every number is of the other half.
    """

    layer: str
    """The layer that the features are of."""
    classes: tuple[str, ...]
    """Names of the classes, one for each row."""
    labels: Int[np.ndarray, " rows"]
    """Their numbers."""
    features: Int[np.ndarray, "rows most"]
    """What is removed, in this order: a set of one, of two and so on."""
    accuracy: Float[np.ndarray, " rows"]
    """Share of the class's images that are named rightly."""
    without: Float[np.ndarray, "rows most"]
    """The same with the first features removed everywhere: the first, the first two and so on."""
    outside: Float[np.ndarray, "rows most"] | None
    """The same with them removed outside of the object only; `None` where no mask was given."""
    margin_lost: Float[np.ndarray, " rows"]
    """By how much the class's margin, the log-odds of the label, falls without the whole set, outside of the object
    where there is a mask; mean over images."""
    others: Float[np.ndarray, " rows"]
    """Share of the other classes' images that are named rightly."""
    others_without: Float[np.ndarray, " rows"]
    """The same without the whole set, outside of the object where there is a mask: what is needed for all classes is
    no shortcut to one."""
    p_value: Float[np.ndarray, " rows"]
    """That as many images of the class change sides by chance (sign test), times the classes."""
    erased: Float[np.ndarray, " rows"]
    """Share of the class's images that are named so with their object painted out; without a mask, as they are."""
    erased_others: Float[np.ndarray, " rows"]
    """The same of the other classes' images."""
    p_erased: Float[np.ndarray, " rows"]
    """That so many are by chance, at the rate of the others, times the classes."""
    is_alarm: Bool[np.ndarray, " rows"]
    """Whether the class stands or falls with what is no part of the object."""
    ids: Int[np.ndarray, "rows m"]
    """Numbers of the class's images in which the first feature is strongest."""
    boxes: Int[np.ndarray, "rows m 4"]
    """Top, left, bottom, right (inclusive) of what it sees there."""
    images: Float[np.ndarray, "rows m h w ch"]
    """These images."""
    image_count: int
    held_out_count: int
    """Images that the numbers are of."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    @property
    def alarms(self) -> tuple[str, ...]:
        """Classes with a shortcut."""
        return tuple(name for name, is_alarm in zip(self.classes, self.is_alarm, strict=True) if is_alarm)

    @property
    def lost(self) -> Float[np.ndarray, " rows"]:
        """By how much the class's accuracy falls without the whole set, outside of the object where there is a mask."""
        return self.accuracy - (self.without if self.outside is None else self.outside)[:, -1]

    def table(self) -> list[dict[str, float | int | str | bool]]:
        """Return a row for each class, the one that loses most first."""
        return [
            {
                "class": name,
                "features": " ".join(str(k) for k in self.features[row]),
                "accuracy": float(self.accuracy[row]),
                "without": float(self.without[row, -1]),
                **({} if self.outside is None else {"outside": float(self.outside[row, -1])}),
                "others": float(self.others[row]),
                "others_without": float(self.others_without[row]),
                "p_value": float(self.p_value[row]),
                **({} if self.outside is None else {"erased": float(self.erased[row])}),
                "alarm": bool(self.is_alarm[row]),
            }
            for row, name in enumerate(self.classes)
        ]
