"""Two real sweeps from the command line, in images per second, against the bare forward pass of the same device batch.

`python benchmarks/sweep.py shapes` sweeps 2,000 generated test images with SmoothGrad, Grad-CAM, exemplars and
distributions; `python benchmarks/sweep.py squeezenet1_1 --weights FILE` sweeps the images of
../shared/data/images repeated to 500 with Grad-CAM and exemplars. One JSON line comes out, and the run folder stays.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

import cnnviz_jax as cv

SWEEPS = {
    "shapes": {
        "source": "benchmarks.sweep_sources:shapes_2000",
        "explain": ["smoothgrad samples=10", "grad-cam"],
        "survey": ["exemplars", "distributions"],
    },
    "squeezenet1_1": {
        "source": "benchmarks.sweep_sources:images_500",
        "explain": ["grad-cam"],
        "survey": ["exemplars"],
    },
}


def forward_seconds(model: cv.Model, device_batch: int, repeats: int) -> float:
    """Return seconds per image of the bare forward pass, a device batch at a time, the quickest of some."""
    images = np.random.default_rng(0).uniform(size=(device_batch, *model.input_shape)).astype(np.float32)
    forward = jax.jit(lambda model, images: model.structure.apply(model.params, images))
    jax.block_until_ready(forward(model, images))
    times = []
    for _ in range(repeats):
        begun_s = time.perf_counter()
        jax.block_until_ready(forward(model, images))
        times.append(time.perf_counter() - begun_s)
    return min(times) / device_batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=SWEEPS)
    parser.add_argument("--weights")
    parser.add_argument("--run", required=True, help="the run folder")
    parser.add_argument("--device-batch", type=int, default=16)
    options = parser.parse_args()
    sweep = SWEEPS[options.model]
    words = ["sweep", "--run", options.run, "--model", options.model, "--source", str(sweep["source"])]
    words += ["--weights", options.weights] if options.weights else []
    words += [word for kind in ("explain", "survey") for each in sweep[kind] for word in (f"--{kind}", each)]
    words += ["--device-batch", str(options.device_batch), "--ckpt-every", "30s"]
    checkout = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), os.environ.get("PYTHONPATH", "")])}
    begun_s = time.perf_counter()
    subprocess.run([sys.executable, "-m", "cnnviz_jax.cli", *words], check=True, env=environment)
    whole_s = time.perf_counter() - begun_s
    run = cv.open_run(options.run)
    lines = [json.loads(line) for line in (Path(options.run) / "log" / "p00000.jsonl").read_text().splitlines()]
    swept = len(run) / sum((line["next_index"] - before) / line["images_per_s"] for before, line in _spans(lines))
    forward = forward_seconds(cv.load_model(options.model, options.weights), options.device_batch, 10)
    result = {
        "benchmark": "sweep",
        "model": options.model,
        "images": len(run),
        "parts": [*sweep["explain"], *sweep["survey"]],
        "device_batch": options.device_batch,
        "images_per_s": round(swept, 2),
        "forward_images_per_s": round(1 / forward, 2),
        "times_forward": round(1 / forward / swept, 2),
        "command_s": round(whole_s, 1),
        "flush_s": round(sum(line["flush_s"] for line in lines), 2),
        "peak_memory_mib": max(line["peak_rss_mib"] for line in lines),
        "counts": run.manifest["counts"],
        "device": jax.devices()[0].device_kind,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "jax": jax.__version__,
        "python": platform.python_version(),
    }
    print(json.dumps(result))


def _spans(lines: list[dict]) -> list[tuple[int, dict]]:
    return [(before["next_index"] if before else 0, line) for before, line in zip([None, *lines], lines, strict=False)]


main()
