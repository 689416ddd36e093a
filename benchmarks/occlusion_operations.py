"""Operations of an occlusion sweep, counted: whole images, one program for all windows, groups, and the true regions.

Nothing runs and no time is taken; the network's numbers do not matter and are zeros. What is scored is the logit of one
class. Prints one JSON line for each network, window and number of programs, and one for the groups that `cv.explain`
would take of so many images.
"""

import argparse
import json
from typing import Any

import jax
import numpy as np
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.model.window_sweep import WindowSweep
from cnnviz_jax.program import TrueRegions, place_groups
from cnnviz_plugins.models.naming import abstract
from cnnviz_plugins.models.published import PUBLISHED

_PROGRAMS = (1, 4, 9, 16, 64)


def network(name: str) -> cv.Model:
    """Return a published network with zeros for weights."""
    entry = PUBLISHED[name]
    module = abstract(entry.network)
    module.eval()
    graph, state = nnx.split(module)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), state)
    return cv.adapt(nnx.merge(graph, zeros), input_shape=entry.input_shape, mean=entry.mean, std=entry.std)


def counted(name: str, model: cv.Model, window: int, stride: int, images: int) -> list[dict[str, Any]]:
    """Return the lines of one network and window."""
    intervals = tuple((i, i + window) for i in range(0, model.input_shape[0] - window + 1, stride))
    sweep = WindowSweep((intervals, intervals))
    target = cv.targets.class_score(0)
    plan = sweep.plan(model, target)
    regions = TrueRegions.of(plan)

    def parted(groups: tuple[WindowSweep, ...]) -> float:
        return sum(group.count * group.plan(model, target).flops for group in groups)

    def line(what: str, groups: tuple[WindowSweep, ...]) -> dict[str, Any]:
        done = parted(groups)
        return {
            "benchmark": "occlusion_operations",
            "network": name,
            "window": window,
            "stride": stride,
            "positions": regions.count,
            "choice": what,
            "programs": len(groups),
            "gflop_per_window": {
                "dense": round(plan.dense_flops / 1e9, 3),
                "one_program": round(plan.flops / 1e9, 3),
                "groups": round(done / regions.count / 1e9, 3),
                "true_regions": round(regions.flops / regions.count / 1e9, 3),
            },
            "one_program_over_groups": round(regions.count * plan.flops / done, 3),
            "one_program_over_true": round(regions.count * plan.flops / regions.flops, 3),
            "groups_over_true": round(done / regions.flops, 3),
        }

    lines = [line("chosen", sweep.groups(model, target, images))]
    for most in _PROGRAMS:
        found = place_groups(regions, lambda saved, done: saved > 0, most)
        groups = tuple(
            WindowSweep(tuple(tuple(intervals[i] for i in numbers) for numbers in group.along)) for group in found
        )
        lines.append(line(f"{most} at most", groups))
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    networks = ["vgg19", "squeezenet1_1", "resnet50", "densenet121", "mobilenet_v2"]
    parser.add_argument("--networks", nargs="+", default=networks, choices=sorted(PUBLISHED))
    parser.add_argument("--windows", nargs="+", type=int, default=[8, 16, 32, 64])
    parser.add_argument("--stride", type=int, default=2, help="step between windows in pixels")
    parser.add_argument("--images", type=int, default=1, help="of the call whose groups are chosen")
    options = parser.parse_args()
    for name in options.networks:
        model = network(name)
        for window in options.windows:
            for each in counted(name, model, window, options.stride, options.images):
                print(json.dumps(each), flush=True)
