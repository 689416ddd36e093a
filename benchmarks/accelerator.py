"""What a device does in ten minutes, one command: `python benchmarks/accelerator.py --minutes 10 --peer`.

Peaks of the device in float32, TF32 and bfloat16; gradients at batch 1, 32 and 128; occlusion, dense and incremental;
the gradient of max pools both ways; a synthesis of 256 steps; SmoothGrad and integrated gradients at 50, SmoothDiff; a
survey of 10,000 images. With `--peer` the gradients beside PyTorch, eager and compiled, and occlusion beside Captum,
where they are installed and see the same kind of device. One JSON line each, with the device, seconds to compile,
seconds warm, its spread, the share of the peak where operations are known, and the ratio to what it is compared with.
A line for which no time is left says so. `--small` is the same with a small network and small numbers, for CPUs.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from timing import judged, load, spent

import cnnviz_jax as cv
from cnnviz_jax.program import Override
from cnnviz_jax.program.rewrites.max_pool import PoolWindows, max_pool

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.program.incremental.networks import forward_of, random_params, resnet50, shapes_of, vgg19

_ROUNDS = 5


class Work(NamedTuple):
    """One line: what is run, how many operations that is, and what it is held against."""

    name: str
    run: Callable[[], Any]
    flops: float | None = None
    against: str | None = None
    """The line whose warm seconds are divided by this one's."""
    per: float = 1.0
    """Units of work in one run."""


class Sizes(NamedTuple):
    """How large everything is."""

    pixels: int
    square: int
    batches: tuple[int, ...]
    window: int
    stride: int
    samples: int
    steps: int
    images: int


LARGE = Sizes(224, 8192, (1, 32, 128), 32, 32, 50, 256, 10_000)
SMALL = Sizes(32, 256, (1, 4), 8, 8, 4, 4, 64)


def peaks(size: int) -> Iterator[Work]:
    """Products of two square matrices, as many operations as a device does at most."""
    ones = jnp.ones((size, size), jnp.float32)
    for name, dtype, precision in (
        ("float32", jnp.float32, "highest"),
        ("tf32", jnp.float32, "tensorfloat32"),
        ("bfloat16", jnp.bfloat16, "default"),
    ):
        product = jax.jit(partial(jnp.matmul, precision=precision))
        given = ones.astype(dtype)
        yield Work(f"peak {name}", lambda p=product, g=given: jax.block_until_ready(p(g, g)), 2.0 * size**3)


def works(model: cv.Model, pooled: cv.Model, sizes: Sizes, peer: bool) -> Iterator[Work]:
    """Everything else, one after another."""
    noise = np.random.default_rng(0).uniform(size=(max(sizes.batches), *model.input_shape)).astype(np.float32)
    for batch in sizes.batches:
        explain = partial(cv.explain, "saliency", model, noise[:batch], 3)
        yield Work(f"gradient, batch {batch}", explain, per=batch)
        if peer:
            yield from _torch_gradients(noise[:batch], sizes)
    image = noise[:1]
    window = {"window": sizes.window, "stride": sizes.stride}
    for engine in ("dense", "incremental"):
        run = partial(cv.explain, "occlusion", model, image, 3, engine=engine, **window)
        yield Work(f"occlusion, {engine}", run, against="occlusion, dense" if engine == "incremental" else None)
    if peer:
        yield from _captum_occlusion(image, sizes)
    xla = "max-pool gradient, XLA's"
    yield Work(xla, _pool_gradient(pooled, is_compared=False))
    yield Work("max-pool gradient, compared", _pool_gradient(pooled, is_compared=True), against=xla)
    layer = next(name for name, each in model.layers.items() if each.is_map)
    synthesis = partial(cv.synthesize, "activation-maximization", model, layer=layer, channels=[0], steps=sizes.steps)
    yield Work(f"synthesis, {sizes.steps} steps", synthesis, per=sizes.steps)
    yield Work(
        "smoothgrad", partial(cv.explain, "smoothgrad", model, image, 3, samples=sizes.samples), per=sizes.samples
    )
    paths = partial(cv.explain, "integrated-gradients", model, image, 3, nodes=sizes.samples)
    yield Work("integrated gradients", paths, per=sizes.samples)
    diff = partial(cv.explain, "smoothdiff", model, image, 3, samples=max(1, sizes.samples // 5))
    yield Work("smoothdiff", diff, against="smoothgrad")
    many = np.resize(noise, (sizes.images, *model.input_shape))
    yield Work("survey", partial(cv.survey, "exemplars", model, many, layer=layer), per=sizes.images)


def _pool_gradient(model: cv.Model, is_compared: bool) -> Callable[[], Any]:
    """The gradient of a network of max pools, taken by XLA or by comparing, whatever this backend would take."""
    program, overrides = model.program, {}
    for leaf in program.graph.leaves if is_compared else ():
        windows = PoolWindows.of(leaf) if leaf.name == "reduce_window_max" else None
        if windows is not None:
            overrides[leaf.outputs[0]] = Override(leaf.inputs, partial(max_pool, windows=windows))
    image = jnp.ones((1, *model.input_shape))
    network = program.with_overrides(overrides)
    gradient = jax.jit(jax.grad(lambda params, x: jax.tree.leaves(network(params, x))[0].sum(), 1))
    return lambda: jax.block_until_ready(gradient(model.params, image))


def _torch_gradients(images: Any, sizes: Sizes) -> Iterator[Work]:
    """PyTorch's gradients of the same kind of network, where it sees the same kind of device."""
    torch, made, given = _torch_side(images, sizes)
    for name, call in (("eager", made), ("compiled", torch.compile(made))):

        def run(call: Any = call) -> Any:
            x = given.clone().requires_grad_()
            call(x)[:, 3].sum().backward()
            return x.grad.cpu()

        yield Work(
            f"PyTorch {name}, batch {len(images)}", run, against=f"gradient, batch {len(images)}", per=len(images)
        )


def _captum_occlusion(image: Any, sizes: Sizes) -> Iterator[Work]:
    from captum import attr

    _, made, given = _torch_side(image, sizes)
    patch = (3, sizes.window, sizes.window)

    def run() -> Any:
        found = attr.Occlusion(made).attribute(
            given, target=3, sliding_window_shapes=patch, strides=(3, sizes.stride, sizes.stride),
            perturbations_per_eval=32,
        )  # fmt: skip
        return found.cpu()

    yield Work("occlusion, Captum", run, against="occlusion, incremental")


def _torch_side(images: Any, sizes: Sizes) -> tuple[Any, Any, Any]:
    sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
    import torch
    from networks import TorchResNet

    device = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
    counts, width = ((3, 4, 6, 3), 64) if sizes is LARGE else ((1, 1, 1, 1), 4)
    made = TorchResNet(counts, width).eval().requires_grad_(False).to(device)
    return torch, made, torch.as_tensor(np.moveaxis(images, -1, 1).copy(), device=device)


def line(work: Work, rounds: int, seen: dict[str, list[float]], peak: float | None) -> dict[str, Any]:
    """Run one and return its line."""
    begun = time.perf_counter()
    work.run()
    first = time.perf_counter() - begun
    found = [spent(work.run) for _ in range(rounds)]
    walls = seen[work.name] = [each.wall_s / work.per for each in found]
    warm = statistics.median(walls)
    rate = None if work.flops is None else work.flops / work.per / warm
    told: dict[str, Any] = {
        "first_s": round(first, 3),
        "compile_s": round(max(0.0, first - warm * work.per), 3),
        "warm_s": float(f"{warm:.4g}"),
        "cpu_s": float(f"{statistics.median(each.cpu_s for each in found) / work.per:.4g}"),
        "spread_s": [float(f"{min(walls):.4g}"), float(f"{max(walls):.4g}")],
        "tflop_per_s": None if rate is None else float(f"{rate / 1e12:.4g}"),
        "share_of_peak": None if rate is None or peak is None else round(rate / peak, 3),
    }
    if work.against in seen and work.against != work.name:
        ratios = [a / b for a, b in zip(seen[work.against], walls, strict=False)]
        told |= {"over_this": work.against, **judged(ratios)}
    return told


def random_network(network: Callable[..., Any], pixels: int) -> cv.Model:
    """Return a network of a published shape with seeded weights."""
    shapes = shapes_of(network, (pixels, pixels))
    return cv.adapt(forward_of(network), random_params(shapes), input_shape=(pixels, pixels, 3))


def main(options: argparse.Namespace) -> int:
    """Print every line that there is time for; return how many failed."""
    failures = 0
    sizes = SMALL if options.small else LARGE
    ends = time.monotonic() + 60 * options.minutes
    if options.small:
        model = pooled = random_network(partial(vgg19, width=2, hidden=8, classes=10), sizes.pixels)
    else:
        model, pooled = random_network(resnet50, sizes.pixels), random_network(vgg19, sizes.pixels)
    has_peer = options.peer and all(importlib.util.find_spec(name) for name in ("torch", "captum"))
    about = {"device": jax.devices()[0].device_kind, "devices": jax.device_count(), "jax": jax.__version__}
    seen: dict[str, list[float]] = {}
    peak = None
    for work in (*peaks(sizes.square), *works(model, pooled, sizes, has_peer)):
        head = {"benchmark": "accelerator", "line": work.name, **about}
        if time.monotonic() > ends:
            print(json.dumps({**head, "skipped": f"the {options.minutes:g} minutes are over"}), flush=True)
            continue
        try:
            told = line(work, 1 if options.small else _ROUNDS, seen, peak)
        except Exception as error:  # a line that a device cannot run must not cost the others
            told = {"failed": f"{type(error).__name__}: {error}"[:300]}
            failures += 1
        if work.name == "peak float32" and "tflop_per_s" in told:
            peak = 1e12 * told["tflop_per_s"]
        print(json.dumps({**head, **told, "load": load()}), flush=True)
    if options.peer and not has_peer:
        print(json.dumps({"benchmark": "accelerator", "line": "peer", "skipped": "torch and captum are not installed"}))
    return failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="no line begins after them")
    parser.add_argument("--peer", action="store_true", help="PyTorch and Captum beside, where they are installed")
    parser.add_argument("--small", action="store_true", help="a small network and small numbers, one round")
    sys.exit(1 if main(parser.parse_args()) else 0)
