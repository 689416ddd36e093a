"""Which classes a unit answers to, by the mean over each class's images of its largest value."""

from collections.abc import Callable

import numpy as np

from cnnviz_jax.plugin import Bars, Exemplars, Facts, LayerCase, Part

_SHOWN = 12


def build(case: LayerCase) -> Callable[[int], list[Part]] | None:
    """Return what shows a unit's class profile; nothing without labels."""
    found: Exemplars = case.results["exemplars"]
    means, selective, names = found.class_means, found.selectivity, found.class_names
    if means is None or selective is None:
        return None

    def of(unit: int) -> list[Part]:
        order = np.argsort(-means[:, unit], kind="stable")[:_SHOWN]
        rows = [(names[index], means[index, unit], f"#/class/{index}") for index in order]
        return [Bars(rows=rows), Facts(rows=[("selectivity", selective[unit])])]

    return of
