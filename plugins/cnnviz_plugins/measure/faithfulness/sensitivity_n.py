"""Sensitivity-n: what the map says of the n strongest units against what their removal does, over images."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Case, HostCase, HostMetric, Measured, Model
from cnnviz_plugins.measure.faithfulness.units import InGroups, grouping
from cnnviz_plugins.measure.options.faithfulness import SensitivityNConfig


@dataclass(frozen=True, kw_only=True)
class _Removed(InGroups):
    """The fall of the score as groups are removed one after the other, and the map's sum over each group."""

    def is_gone(self, case: Case) -> Bool[Array, "h w k"]:
        """Whether each unit is removed by then."""
        return case.context.place < case.index * self.step

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return the falls as the curve, and the sums."""
        return Measured(values=gathered[0], curve=gathered[0] - gathered[1:], extras={"sums": self.sums(case)})


def sensitivity_n(config: SensitivityNConfig, model: Model) -> HostMetric:
    """Return the measure: Pearson's correlation over images, mean over n = step, 2 step, ... up to `largest`.

    All images have the same number, since it takes several to make one; `curve` is the correlation at each n. It is
    undefined with fewer than three images and where no n has scores or sums that differ.

    Cost: one forward pass per group, and one, for each image.
    Source: Ancona, Ceolini, Öztireli, Gross 2018, section 4; that the strongest go, in place of random ones, and the
    mean over n are Quantus'.
    """
    step, groups, units = grouping(config, model)
    if config.convention == "quantus":
        units = model.input_shape[0] * model.input_shape[1]
    points = max(1, min(groups, int(np.floor(config.largest * units / step))))
    fold = _Removed(config=config, step=step, groups=groups)

    def run(case: HostCase) -> Measured:
        found = case.folded(fold)
        sums, falls = (np.asarray(each, np.float64)[:, :points] for each in (found.extras["sums"], found.curve))
        if config.convention == "paper":
            sums = sums.cumsum(1)
        curve = np.asarray([_correlation(*pair) for pair in zip(sums.T, falls.T, strict=True)], np.float32)
        known = curve[~np.isnan(curve)]
        value = known.mean() if known.size else np.nan
        count = len(case.images)
        # A curve with a hole in it could not be drawn; its other points are in the value.
        shown = np.broadcast_to(curve, (count, points)) if known.size == points else None
        return Measured(values=np.full(count, value, np.float32), curve=shown)

    return HostMetric(
        run=run,
        better="higher",
        at=tuple((point + 1) * step / units for point in range(points)),
        axis="share of the image removed",
        undefined="it takes three images and more, whose scores and maps differ",
        pooled=True,
        notes=(("units in a step", step),),
    )


def _correlation(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
