"""Synthesis on a network of VGG16's shape: the five-layer figure, and a neuron on its own canvas.

The weights are seeded noise: time does not depend on them. `--figure` makes 25 images of each of five layers by the
recipe chollet2016 at 128 x 128 and prints the time, the compilations and the share of the machine's peak rate, measured
with a matrix product. `--neuron` times one unit of conv3_1 on its receptive field and on the whole 224 x 224.
"""

import argparse
import functools
import json
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations

WIDTHS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
FIGURE = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")


def forward(params: dict[str, Any], x: jax.Array) -> jax.Array:
    """Score a batch by VGG16's convolutions, pools and a global mean in place of its dense layers."""
    for block, (_, count) in enumerate(WIDTHS, 1):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            with jax.named_scope(name):
                x = jax.lax.conv_general_dilated(
                    x, params[name]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                x = x + params[name]["bias"]
            x = jax.nn.relu(x)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return x.mean((1, 2))


def network(size: int) -> cv.Model:
    """Return the network with seeded weights."""
    random, params, inputs = np.random.default_rng(0), {}, 3
    for block, (width, count) in enumerate(WIDTHS, 1):
        for number in range(1, count + 1):
            kernel = random.normal(size=(3, 3, inputs, width)).astype(np.float32) * np.sqrt(2 / (9 * inputs))
            params[f"block{block}_conv{number}"] = {"kernel": jnp.asarray(kernel), "bias": jnp.zeros(width)}
            inputs = width
    return cv.adapt(forward, params, input_shape=(size, size, 3), name="vgg16-shaped")


def peak_flops() -> float:
    """Return the rate of a large float32 matrix product, operations per second, the best of five."""
    side = 2048
    a = jnp.ones((side, side))
    product = jax.jit(functools.partial(jnp.matmul, precision="highest"))
    product(a, a).block_until_ready()
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        product(a, a).block_until_ready()
        times.append(time.perf_counter() - begun)
    return float(2 * side**3 / min(times))


def forward_flops(layer: str, size: int) -> float:
    """Return the operations of one forward pass to a layer's convolution."""
    total, inputs, side = 0.0, 3, size
    for block, (width, count) in enumerate(WIDTHS, 1):
        for number in range(1, count + 1):
            total += 2.0 * 9 * inputs * width * side * side
            inputs = width
            if layer == f"block{block}_conv{number}":
                return total
        side //= 2
    raise KeyError(layer)


def figure(channels: int) -> dict[str, Any]:
    """Time the five-layer figure."""
    model, before, begun = network(128), compilations(), time.perf_counter()
    work, each = 0.0, {}
    for layer in FIGURE:
        start = time.perf_counter()
        made = cv.synthesize(
            "activation-maximization", model, layer=layer, channels=list(range(channels)), recipe="chollet2016"
        )
        each[layer] = round(time.perf_counter() - start, 2)
        work += forward_flops(layer, 128) * channels * (2 * 20 + 2)  # backward to the image costs as much as forward
        if not (made.activation > made.curves[:, 0]).any():
            raise SystemExit(f"{layer}: nothing rose")
    elapsed = time.perf_counter() - begun
    return {
        "benchmark": "five-layer figure",
        "images": channels * len(FIGURE),
        "elapsed_s": round(elapsed, 1),
        "by_layer_s": each,
        "compilations": compilations() - before,
        "share_of_peak": round(work / elapsed / peak_flops(), 3),
    }


def neuron(steps: int) -> dict[str, Any]:
    """Time a unit of conv3_1 on its own canvas and on the whole image, with equal starts and no views."""
    model = network(224)
    start = np.random.default_rng(1).uniform(0.4, 0.6, (1, 224, 224, 3)).astype(np.float32)
    target = cv.targets.neuron("block3_conv1", 28, 28, 7)
    options = {"recipe": "lucid", "transforms": "none", "parametrization": "pixel", "steps": steps, "images": start}
    seconds, made = {}, {}
    for name, size in (("field", None), ("whole", 224)):
        run = functools.partial(cv.synthesize, "activation-maximization", model, target=target, size=size, **options)
        run()  # compiles
        begun = time.perf_counter()
        made[name] = run()
        seconds[name] = time.perf_counter() - begun
    (corner,) = dict(made["field"].provenance.notes)["offsets"]
    top, left, bottom, right = model.layers["block3_conv1"].receptive_field.box(28, 28)
    own = made["field"].raw[0][top - corner[0] : bottom + 1 - corner[0], left - corner[1] : right + 1 - corner[1]]
    inside = slice(top, bottom + 1), slice(left, right + 1)
    a, b = (own - start[0][inside]).ravel(), (made["whole"].raw[0] - start[0])[inside].ravel()
    return {
        "benchmark": "neuron on its field",
        "canvas": list(made["field"].raw.shape[1:3]),
        "steps": steps,
        "field_s": round(seconds["field"], 3),
        "whole_s": round(seconds["whole"], 3),
        "faster": round(seconds["whole"] / seconds["field"], 1),
        "cosine_inside": round(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", action="store_true", help="the five-layer figure")
    parser.add_argument("--neuron", action="store_true", help="a neuron on its field and on the whole image")
    parser.add_argument("--channels", type=int, default=25, help="images of each layer")
    parser.add_argument("--steps", type=int, default=10, help="steps of the neuron's image")
    given = parser.parse_args()
    if given.figure or not given.neuron:
        print(json.dumps(figure(given.channels)))
    if given.neuron or not given.figure:
        print(json.dumps(neuron(given.steps)))
