"""Sweeps: whole data sets on any number of devices and hosts, killed and resumed without losing a bit.

The data set is a fixed list 0 to n - 1, cut into device batches of consecutive examples. A device batch is the unit of
compute shape, randomness, storage and resume; a global step does one on each device. Progress is one integer.
Reducers merge exactly. Nothing that is saved depends on the number of devices or processes.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnviz_jax.sweep.run import run_sweep as run_sweep
    from cnnviz_jax.sweep.run_options import RunOptions as RunOptions
    from cnnviz_jax.sweep.spec import SweepSpec as SweepSpec

_HOME = {"RunOptions": "run_options", "SweepSpec": "spec", "run_sweep": "run"}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cnnviz_jax.sweep' has no attribute {name!r}")
    return getattr(importlib.import_module(f"cnnviz_jax.sweep.{_HOME[name]}"), name)
