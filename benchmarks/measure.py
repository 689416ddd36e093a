"""What every benchmark prints: one JSON line with rates, peak memory and the machine."""

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from timing import judged, spent
from timing import load as machine_load

import cnnviz_jax as cv


def arguments(description: str) -> argparse.ArgumentParser:
    """Return the options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", default="shapes", help="a registered model")
    parser.add_argument("--weights", default=None, help="its weights file, if it ships none")
    parser.add_argument("--images", type=int, default=4, help="images per run")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs; the median is reported")
    return parser


def load(options: argparse.Namespace) -> tuple[cv.Model, Any]:
    """Return the model and that many seeded noise images."""
    model = cv.load_model(options.model, options.weights)
    images = np.random.default_rng(0).uniform(size=(options.images, *model.input_shape)).astype(np.float32)
    return model, images


def report(name: str, options: argparse.Namespace, run: Callable[[], Any], images: int, evaluations: int) -> None:
    """Time `run` after one warm-up and print the JSON line.

    Args:
        name: The technique.
        options: From `arguments`.
        run: Does the work once and returns when it is done.
        images: Images (or targets) that one run handles.
        evaluations: Evaluations that one run makes.
    """
    begun = time.perf_counter()
    run()
    cold_s = time.perf_counter() - begun
    rounds = [spent(run) for _ in range(options.repeats)]
    times = [each.wall_s for each in rounds]
    median = statistics.median(times)
    line = {
        "benchmark": name,
        "model": options.model,
        "images": images,
        "images_per_s": round(images / median, 3),
        "evaluations_per_s": round(evaluations / median, 1),
        "median_s": round(median, 4),
        "spread_s": [round(min(times), 4), round(max(times), 4)],
        "cpu_s": round(statistics.median(each.cpu_s for each in rounds), 4),
        "final": judged(times)["final"],
        "load": machine_load(),
        "first_run_s": round(cold_s, 3),
        "peak_memory_mib": _peak_mib(),
        "device": jax.devices()[0].device_kind,
        "cores": len(_cores()),
        "jax": jax.__version__,
        "python": platform.python_version(),
    }
    print(json.dumps(line))


def _peak_mib() -> int:
    stats = jax.local_devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return int(stats["peak_bytes_in_use"] / 2**20)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _cores() -> set[int]:
    import os

    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
