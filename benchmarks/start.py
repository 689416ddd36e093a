"""Cold and warm start of `cnnviz explain`: seconds from the command to the finished image."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import cnnviz_jax as cv

RUNS = 3


def elapsed_s(folder: Path, cache: Path) -> float:
    """Return the seconds of one `cnnviz explain saliency shapes`, compiled programs kept in `cache`."""
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    verb = [sys.executable, "-m", "cnnviz_jax.cli", "explain", "saliency", "shapes"]
    command = [*verb, str(folder / "image.png"), "--out", str(folder / "out.png")]
    begun = time.perf_counter()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return time.perf_counter() - begun


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    Image.fromarray((255 * cv.example_images("shapes", 1)[0][0]).astype(np.uint8)).save(folder / "image.png")
    cold = [elapsed_s(folder, folder / f"cache{i}") for i in range(RUNS)]
    warm = [elapsed_s(folder, folder / "cache0") for _ in range(RUNS)]
    line = {
        "benchmark": "start",
        "cold_s": round(statistics.median(cold), 2),
        "warm_s": round(statistics.median(warm), 2),
        "cold_spread_s": [round(min(cold), 2), round(max(cold), 2)],
        "warm_spread_s": [round(min(warm), 2), round(max(warm), 2)],
        "python": sys.version.split()[0],
    }
    print(json.dumps(line))
