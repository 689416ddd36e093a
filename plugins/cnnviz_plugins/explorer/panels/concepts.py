"""Which concepts a unit detects: the overlap of its strongest places with their masks."""

from collections.abc import Callable

import numpy as np

from cnnviz_jax.plugin import Bars, Dissection, Facts, LayerCase, Part, Text

_SHOWN = 8


def build(case: LayerCase) -> Callable[[int], list[Part]]:
    """Return what shows the concepts of the largest overlap with a unit."""
    found: Dissection = case.results["dissection"]
    detectors = found.detectors

    def of(unit: int) -> list[Part]:
        order = np.argsort(-found.iou[unit], kind="stable")[:_SHOWN]
        order = order[found.iou[unit, order] > 0]
        rows = [(found.concepts[at], found.iou[unit, at], f"#/concepts/{at}") for at in order]
        told = f"it is a detector of {detectors[unit]}" if unit in detectors else "it is a detector of none"
        words = (
            f"Pixels where the unit is above its threshold and the concept is, over pixels where either is. Above"
            f" {found.detector_at:g} it counts as a detector: {told}."
        )
        threshold = found.threshold[unit]
        facts = Facts(rows=[(f"threshold, above which {found.share:.1%} of its values lie", threshold)])
        return [Text(text=words), *([Bars(rows=rows)] if rows else []), facts]

    return of
