"""How near SmoothDiff and SmoothGrad come to SmoothGrad with very many samples (SSIM), and the CPU time of both.

Prints one JSON line for each network and image. SSIM (Wang et al. 2004, Gaussian window of 1.5 pixels) is of what maps
show: absolute values, summed over channels, over their own 99th percentile. Times are those of `timing.py`, both sides
in turn, after one warm call of each. Weights and images are read from a folder like `../shared/data`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

import cnnviz_jax as cv
from cnnviz_jax.data.images import load_image
from cnnviz_jax.downloads import packaged_file
from cnnviz_jax.plugins import plugins
from cnnviz_plugins.models.published import PUBLISHED, load_network

sys.path.insert(0, str(Path(__file__).resolve().parent))
from timing import compared, in_turn


def network(name: str, data: Path, pixels: int) -> cv.Model:
    """Return a published network that takes images of so many pixels."""
    file = packaged_file(plugins().model(name).weights, check=True) or data / "weights" / f"{name}.safetensors"
    entry = PUBLISHED[name]
    module = load_network(name, file)
    return cv.adapt(module, input_shape=(pixels, pixels, 3), mean=entry.mean, std=entry.std, name=name)


def shown(maps: Float[np.ndarray, "1 h w c"]) -> Float[np.ndarray, "h w"]:
    """Return what a map shows."""
    strength = np.abs(maps[0]).sum(-1).astype(np.float64)
    return np.clip(strength / np.percentile(strength, 99), 0, 1)


def ssim(one: Float[np.ndarray, "h w"], other: Float[np.ndarray, "h w"]) -> float:
    """Return the mean structural similarity of two maps in [0, 1]."""

    def smooth(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, 1.5, truncate=3.5)

    means = smooth(one), smooth(other)
    spreads = smooth(one * one) - means[0] ** 2, smooth(other * other) - means[1] ** 2
    joint = smooth(one * other) - means[0] * means[1]
    small, smaller = 0.01**2, 0.03**2
    likeness = (2 * means[0] * means[1] + small) * (2 * joint + smaller)
    return float((likeness / ((means[0] ** 2 + means[1] ** 2 + small) * (spreads[0] + spreads[1] + smaller))).mean())


def line_of(name: str, model: cv.Model, file: Path, reference: int, repeats: int) -> dict[str, Any]:
    """Return the line of one network and image."""
    image = load_image(file, model)[None]
    target = int(np.argmax(model(image)))
    calls = {
        "smoothdiff_10": lambda: cv.explain("smoothdiff", model, image, target, samples=10, key=1),
        "smoothgrad_50": lambda: cv.explain("smoothgrad", model, image, target, samples=50, key=1),
    }
    maps = {what: shown(call().values) for what, call in calls.items()}
    times = in_turn(calls, repeats)
    truth = shown(cv.explain("smoothgrad", model, image, target, samples=reference, key=2).values)
    return {
        "benchmark": "smoothdiff",
        "network": name,
        "image": file.name,
        "pixels": model.input_shape[0],
        "reference_samples": reference,
        "ssim": {what: round(ssim(each, truth), 4) for what, each in maps.items()},
        **compared(times, "smoothgrad_50", "smoothdiff_10"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["squeezenet1_1", "efficientnet_lite0"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--images", nargs="+", default=["chelsea.png", "coffee.png", "elephant.jpg"])
    parser.add_argument("--pixels", type=int, default=224, help="side of the images")
    parser.add_argument("--reference", type=int, default=10_000, help="samples of the reference")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of CPU time")
    options = parser.parse_args()
    for name in options.networks:
        model = network(name, options.data, options.pixels)
        for image in options.images:
            file = options.data / "images" / image
            print(json.dumps(line_of(name, model, file, options.reference, options.repeats)), flush=True)
