"""Occlusion by windows against occlusion by whole images: A B A B in one process, random networks at 224 px.

Prints one JSON line for each network and window: seconds of both engines for as many positions, wall and CPU, their
ratios (`timing.py`), operations as the compiler counts them, and the peak of memory against what was predicted.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax import targets
from cnnviz_jax.engine import keys_for, root_key
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold_run import FoldRun
from cnnviz_plugins.explain.perturbation.occlusion import Occlusion
from cnnviz_plugins.explain.perturbation.plugin import OcclusionConfig

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from timing import Spent, compared, in_turn

from tests.program.incremental.networks import forward_of, random_params, resnet50, shapes_of, vgg19

NETWORKS = {"vgg19": vgg19, "resnet50": resnet50}


def network(name: str, size: int, layout: str) -> cv.Model:
    """Return a random network of a published shape."""
    shapes = shapes_of(NETWORKS[name], (size, size), layout)
    return cv.adapt(
        forward_of(NETWORKS[name], layout), random_params(shapes), input_shape=(size, size, 3), name=f"{name}-shaped"
    )


def resident_mib() -> float:
    """Return the memory that this process holds now."""
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def forget_peak() -> None:
    """Let the peak of memory begin anew, where the system can."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_mib() -> float:
    """Return the peak of memory since `forget_peak`."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


class Engine:
    """One engine on one image: its compiled programs, ready to run some chunks of the sweep."""

    def __init__(
        self, model: cv.Model, image: Any, window: int, stride: int, engine: str, options: Any, *, warm: bool = True
    ) -> None:
        config = OcclusionConfig(window=window, stride=stride, engine=engine)
        self.fold = Occlusion.build(config, model)
        chunk = "auto" if options.chunk is None else options.chunk
        target = targets.resolve(0, model, image)
        self.fold = self.fold.in_groups(model, target, options.images)
        case = Case(model, target, keys_for(root_key(0), [0]), jnp.asarray(image))
        self.run = FoldRun(self.fold, case, chunk, options.budget)
        # All positions cost the same where whole images are computed.
        positions = options.positions if self.run.fold.group_ends[1:] else min(64, options.positions)
        self.apart = -(-self.fold.evaluations // min(positions, self.fold.evaluations)) * self.run.chunk
        if warm:
            self.warmed()

    def warmed(self) -> "Engine":
        """Compute the unchanged activations and run all chunks once; return the engine."""
        self.positions, self.chunks = self.run.every(self.apart)
        self.seconds_per_position()
        return self

    def seconds_per_position(self) -> float:
        """Run chunks spread over the whole sweep, each group of windows in its share, and return a position's time."""
        begun = time.perf_counter()
        jax.block_until_ready(self.chunks())
        return (time.perf_counter() - begun) / self.positions

    def flops_per_position(self) -> float:
        """Return the operations of one position as the compiler counts them, each group in its share."""
        run = self.run
        done = [(run.flops_of(group) or 0.0) * share for group, share in enumerate(_shares(run.fold.group_ends))]
        return sum(done)


def _shares(ends: tuple[int, ...]) -> list[float]:
    """Which part of all evaluations each group is."""
    return [(end - begin) / ends[-1] for begin, end in pairwise((0, *ends))]


def compare(name: str, window: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the line of one network and window."""
    model = network(name, options.size, options.layout)
    image = np.random.default_rng(0).uniform(size=(1, options.size, options.size, 3)).astype(np.float32)
    engines = {kind: Engine(model, image, window, options.stride, kind, options) for kind in ("dense", "incremental")}
    measured = in_turn({kind: engine.seconds_per_position for kind, engine in engines.items()}, options.repeats)
    counts = {kind: engine.positions for kind, engine in engines.items()}
    times = {
        kind: [Spent(each.wall_s / counts[kind], each.cpu_s / counts[kind]) for each in own]
        for kind, own in measured.items()
    }
    plan = engines["dense"].fold.windows.sweep.plan(model)
    fastest = {kind: min(each.wall_s for each in own) for kind, own in times.items()}
    flops = {kind: engine.flops_per_position() for kind, engine in engines.items()}
    return {
        "benchmark": "occlusion_engines",
        "network": f"{name}-shaped {options.layout}",
        "pixels": options.size,
        "window": window,
        "stride": options.stride,
        "positions_timed": counts,
        "groups": {kind: len(engine.run.fold.group_ends) for kind, engine in engines.items()},
        "positions": engines["dense"].fold.evaluations,
        "chunk": {kind: engine.run.chunk for kind, engine in engines.items()},
        "fastest_ms_per_position": {kind: round(1e3 * seconds, 3) for kind, seconds in fastest.items()},
        "gflops_per_s": {kind: round(flops[kind] / fastest[kind] / 1e9, 1) for kind in engines},
        "per_position": compared(times, "dense", "incremental"),
        "images": options.images,
        "flops_ratio_compiled": round(flops["dense"] / max(flops["incremental"], 1.0), 3),
        "flops_ratio_of_one_program": round(plan.dense_flops / plan.flops, 3),
        "predicted_mib": {kind: round(engine.run.step.need_bytes / 2**20) for kind, engine in engines.items()},
        "resident_mib": round(resident_mib()),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "device": jax.devices()[0].device_kind,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "jax": jax.__version__,
        "python": platform.python_version(),
    }


def peak(name: str, window: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run one engine alone and set the process's peak of memory while it sweeps beside the planner's prediction.

    The prediction is of parameters, kept activations and one chunk; what the interpreter and the compiler hold is not.
    """
    model = network(name, options.size, options.layout)
    image = np.random.default_rng(0).uniform(size=(1, options.size, options.size, 3)).astype(np.float32)
    jax.block_until_ready(model.params)
    parameters = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(model.params)) / 2**20
    run = Engine(model, image, window, options.stride, options.engine, options, warm=False)
    before = resident_mib() - parameters
    forget_peak()
    engine = run.warmed()
    for _ in range(2):
        engine.seconds_per_position()
    top = peak_mib()
    predicted = engine.run.step.need_bytes / 2**20
    return {
        "benchmark": "occlusion_engines_memory",
        "network": f"{name}-shaped {options.layout}",
        "window": window,
        "engine": dict(engine.fold.notes)["engine"],
        "chunk": engine.run.chunk,
        "budget_mib": None if options.budget is None else round(options.budget / 2**20),
        "parameters_mib": round(parameters),
        "predicted_mib": round(predicted),
        "without_sweep_mib": round(before),
        "peak_memory_mib": round(top),
        "peak_over_predicted": round((top - before) / predicted, 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--windows", nargs="+", type=int, default=[16, 32, 64])
    parser.add_argument("--stride", type=int, default=2, help="step between windows in pixels")
    parser.add_argument("--size", type=int, default=224, help="pixels of the image's side")
    parser.add_argument("--layout", default="NHWC", choices=["NHWC", "NCHW"])
    parser.add_argument("--positions", type=int, default=1000, help="windows that are timed, spread over the sweep")
    parser.add_argument("--chunk", type=int, default=None, help="windows at once; what memory allows when left out")
    parser.add_argument("--images", type=int, default=1, help="of the call whose groups of windows are taken")
    parser.add_argument("--budget", type=int, default=None, help="bytes one compiled program may need")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of A B; the median ratio is reported")
    parser.add_argument("--memory", action="store_true", help="one engine alone: peak of memory against its prediction")
    parser.add_argument("--engine", default="incremental", choices=["auto", "dense", "incremental"])
    options = parser.parse_args()
    for name in options.networks:
        for window in options.windows:
            print(json.dumps((peak if options.memory else compare)(name, window, options)), flush=True)
