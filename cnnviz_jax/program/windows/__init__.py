"""Exact incremental evaluation: when only a window of the image changes, only windows are recomputed.

`plan_windows` says what a sweep recomputes and why; `ChangedWindows` runs it. See the section on windows in the
README of `program`.
"""

from cnnviz_jax.program.windows.evaluate import ChangedWindows
from cnnviz_jax.program.windows.plan import Plan, Step, plan_windows
from cnnviz_jax.program.windows.spans import Interval, Span, Window

__all__ = ["ChangedWindows", "Interval", "Plan", "Span", "Step", "Window", "plan_windows"]
