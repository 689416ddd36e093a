"""Two ways to the same numbers, run in turn in one process: A B A B, medians, the ratio and its spread."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
from jaxtyping import Float

Run = Callable[[], Float[np.ndarray, "..."]]


def alternate(peer: Run, ours: Run, *, repeats: int, peer_per: float = 1.0, ours_per: float = 1.0) -> dict[str, Any]:
    """Return the times of both after one uncounted run of each, and their ratio.

    Args:
        peer: Does the peer's work and returns when it is done.
        ours: The same of this project.
        repeats: Rounds of A B; each round gives one ratio.
        peer_per: Units of work in one run of the peer; times and ratios are of one unit.
        ours_per: The same of this project's run.
    """
    peer(), ours()
    times: dict[str, list[float]] = {"peer": [], "ours": []}
    for _ in range(repeats):
        for name, run, work in (("peer", peer, peer_per), ("ours", ours, ours_per)):
            begun = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - begun) / work)
    ratios = [a / b for a, b in zip(times["peer"], times["ours"], strict=True)]
    return {
        "peer_s": round(statistics.median(times["peer"]), 4),
        "ours_s": round(statistics.median(times["ours"]), 4),
        "peer_over_ours": round(statistics.median(ratios), 3),
        "spread": [round(min(ratios), 3), round(max(ratios), 3)],
        "rounds": repeats,
    }


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
        "load": [round(value, 2) for value in os.getloadavg()],
        "jax": jax.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
