"""Two ways to the same numbers, run in turn in one process: A B A B, wall and CPU time, the ratio and its spread."""

import math
import os
import platform
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
from jaxtyping import Float

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from timing import Spent, judged, load, pinned, spent

Run = Callable[[], Float[np.ndarray, "..."]]

LEAST_S = 0.4
"""Seconds that each side of a round takes at least: a side that is done sooner runs several times.

After a call PyTorch's threads spin for some milliseconds for more work. In turns of one call of 17 ms that time is
taken from, and counted to, whoever comes next, and both find the caches full of the other's data.
"""


def alternate(peer: Run, ours: Run, *, repeats: int, peer_per: float = 1.0, ours_per: float = 1.0) -> dict[str, Any]:
    """Return the times of both after one uncounted run of each, and their ratio; `final` says whether it is one.

    Args:
        peer: Does the peer's work and returns when it is done.
        ours: The same of this project.
        repeats: Rounds of A B; each round gives one ratio. A side of a round is as many runs as fill `LEAST_S`.
        peer_per: Units of work in one run of the peer; times and ratios are of one unit.
        ours_per: The same of this project's run.
    """
    peer(), ours()
    sides = {
        "peer": (peer, _runs_of_a_round(peer), peer_per),
        "ours": (ours, _runs_of_a_round(ours), ours_per),
    }
    rounds: dict[str, list[Spent]] = {name: [] for name in sides}
    with pinned() as cores:
        # One process, so one set of cores; PyTorch keeps a number of threads of its own, which is set to theirs.
        torch.set_num_threads(cores)
        for _ in range(repeats):
            for name, (run, runs, work) in sides.items():
                found = spent(lambda run=run, runs=runs: [run() for _ in range(runs)])
                rounds[name].append(Spent(found.wall_s / runs / work, found.cpu_s / runs / work))
    pairs = list(zip(rounds["peer"], rounds["ours"], strict=True))
    wall = judged([a.wall_s / b.wall_s for a, b in pairs])
    return {
        "peer_s": round(statistics.median(each.wall_s for each in rounds["peer"]), 4),
        "ours_s": round(statistics.median(each.wall_s for each in rounds["ours"]), 4),
        "peer_cpu_s": round(statistics.median(each.cpu_s for each in rounds["peer"]), 4),
        "ours_cpu_s": round(statistics.median(each.cpu_s for each in rounds["ours"]), 4),
        "peer_over_ours": wall["ratio"],
        "spread": wall["spread"],
        "final": wall["final"],
        "cpu": judged([a.cpu_s / max(b.cpu_s, 1e-9) for a, b in pairs]),
        "rounds": repeats,
        "runs": [runs for _, runs, _ in sides.values()],
    }


def _runs_of_a_round(run: Run) -> int:
    """Runs that fill `LEAST_S`, from the time of one that is warm."""
    return max(1, math.ceil(LEAST_S / spent(run).wall_s))


def difference(peer: Float[np.ndarray, "..."], ours: Float[np.ndarray, "..."]) -> float:
    """Return the largest difference over the largest value of the peer's.

    Raises:
        ValueError: Their shapes differ, or the peer's are all zero, which compares nothing.
    """
    if peer.shape != ours.shape:
        raise ValueError(f"results differ in shape: {peer.shape} of the peer, {ours.shape} here")
    largest = float(np.abs(peer).max())
    if not largest > 0:
        raise ValueError("the peer's result is zero everywhere; nothing is compared")
    return float(np.abs(peer - ours).max() / largest)


def machine() -> dict[str, Any]:
    """Return where and with what this ran."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "device": jax.devices()[0].device_kind,
        "cores": cores,
        "load": load(),
        "jax": jax.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
