"""What a warm call costs beyond its compiled program: CPU time of this process, both in turn, `shapes`, one image.

Prints one JSON line: CPU milliseconds of a call of `cv.explain("saliency", ...)`, of the one program that it runs, and
of the difference, medians over rounds of ten calls each; and the same of a synthesis of two steps, whole.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.engine import keys_for, root_key
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold_run import FoldRun
from cnnviz_jax.engine.techniques import resolve_technique
from cnnviz_jax.targets import resolve

_CALLS = 10


def cpu_ms(call: Callable[[], Any]) -> float:
    """Return the CPU milliseconds of a call, all threads of this process, the mean of ten."""
    begun = time.process_time()
    for _ in range(_CALLS):
        call()
    return 1e3 * (time.process_time() - begun) / _CALLS


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200, help="calls of each side")
    options = parser.parse_args()
    model = cv.load_model("shapes")
    images = np.asarray(cv.example_images("shapes", 1)[0])
    fold = resolve_technique("saliency", "explain", {}, model).built
    case = Case(model, resolve(3, model, images), keys_for(root_key(0), [0]), jax.device_put(images))
    program = FoldRun(fold, case).step
    layer = next(name for name, each in model.layers.items() if each.is_map)
    calls: dict[str, Callable[[], Any]] = {
        "explain": lambda: cv.explain("saliency", model, images, 3),
        "program": lambda: jax.block_until_ready(program.run(case)),
        "synthesis": lambda: cv.synthesize("activation-maximization", model, layer=layer, channels=[1], steps=2),
    }
    for call in calls.values():
        cpu_ms(call)
    rounds = [{name: cpu_ms(call) for name, call in calls.items()} for _ in range(max(1, options.calls // _CALLS))]
    beyond = [each["explain"] - each["program"] for each in rounds]
    line = {
        "benchmark": "fixed_cost",
        **{f"{name}_cpu_ms": round(statistics.median(each[name] for each in rounds), 2) for name in calls},
        "beyond_program_cpu_ms": round(statistics.median(beyond), 2),
        "quartiles": [round(each, 2) for each in statistics.quantiles(beyond, n=4)] if len(beyond) > 1 else [],
        "calls": _CALLS * len(rounds),
        "load": [round(each, 2) for each in os.getloadavg()],
        "jax": jax.__version__,
    }
    print(json.dumps(line))
