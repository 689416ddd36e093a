"""Exact incremental evaluation: when only a window of the image changes, only windows are recomputed.

`plan_windows` says what a sweep recomputes and why; `ChangedWindows` runs it; `place_groups` parts a long sweep. See
the section on windows in the README of `program`.
"""

from cnnviz_jax.program.incremental.evaluate import ChangedWindows
from cnnviz_jax.program.incremental.groups import PlaceGroup, TrueRegions, place_groups
from cnnviz_jax.program.incremental.plan import WindowPlan, plan_windows
from cnnviz_jax.program.incremental.regions import SweepPlace
from cnnviz_jax.program.incremental.spans import Interval, Places

__all__ = [
    "ChangedWindows",
    "Interval",
    "PlaceGroup",
    "Places",
    "SweepPlace",
    "TrueRegions",
    "WindowPlan",
    "place_groups",
    "plan_windows",
]
