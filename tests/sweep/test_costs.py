"""What reducers, checkpoints and memory cost; loose limits, because machines are shared."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine.reducers import LogHistogram, TopK, read_batch, update_all
from tests.sweep import harness

WIDTHS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256)

timed = pytest.mark.skipif(
    "CNNVIZ_TIMED_TESTS" not in os.environ,
    reason="ratios of times tell nothing on a shared machine; CNNVIZ_TIMED_TESTS=1 measures them on a quiet one",
)


def stack(params, x):
    """The first seven convolutions of VGG-16: most of its activations, and a fair share of its work."""
    number = 0
    for width in WIDTHS:
        if width == "pool":
            x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            continue
        with jax.named_scope(f"conv{number}"):
            x = jax.lax.conv_general_dilated(
                x, params[f"conv{number}"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        x = jax.nn.relu(x)
        number += 1
    return x.mean((1, 2))


def network(pixels=64):
    rng, params, before = np.random.default_rng(0), {}, 3
    for width in WIDTHS:
        if width != "pool":
            kernel = rng.normal(size=(3, 3, before, width)) / np.sqrt(9 * before)
            params[f"conv{len(params)}"], before = jax.numpy.asarray(kernel, np.float32), width
    return cv.adapt(stack, params, input_shape=(pixels, pixels, 3), name="stack")


def quickest(functions, repeats=5):
    """Return the least CPU time of each function, taken in turns so that a busy moment hits all alike."""
    least = [np.inf] * len(functions)
    for _ in range(repeats):
        for i, function in enumerate(functions):
            begun_s = time.process_time()
            jax.block_until_ready(function())
            least[i] = min(least[i], time.process_time() - begun_s)
    return least


@timed
def test_reducers_cost_a_fraction_of_the_forward_pass():
    net, images = network(), np.random.default_rng(1).uniform(size=(8, 64, 64, 3)).astype(np.float32)
    layers = [layer for layer in net.layers.values() if layer.kind == "conv"]
    top = [TopK(layer=layer.name, shape=layer.shape, k=9) for layer in layers]
    spread = [LogHistogram(layer=layer.name, shape=layer.shape) for layer in layers]
    ids, valid = jax.numpy.arange(8, dtype=jax.numpy.uint32), jax.numpy.ones(8, bool)

    def maxima(model, images):
        """What any survey must do: the forward pass, and every channel's maximum."""
        batch = read_batch(top, model, images, ids, valid)
        return [value.max((1, 2)) for value in batch.values.values()], model.structure.apply(model.params, images)

    def with_reducers(reducers):
        def step(model, images, deltas):
            batch = read_batch(reducers, model, images, ids, valid)
            return update_all(reducers, deltas, batch), model.structure.apply(model.params, images)

        jitted, empty = jax.jit(step), [each.init() for each in reducers]
        return lambda: jitted(net, images, empty)

    bare = jax.jit(maxima)
    functions = [lambda: bare(net, images), with_reducers(top), with_reducers([*top, *spread])]
    for function in functions:
        jax.block_until_ready(function())
    forward_s, top_s, both_s = quickest(functions)
    print(f"top-k {top_s / forward_s:.3f}, with histograms {both_s / forward_s:.3f}")
    assert top_s <= 1.15 * forward_s * 1.1  # a tenth for a shared machine
    assert both_s <= 1.6 * forward_s * 1.1


@timed
def test_checkpoints_cost_next_to_nothing(tmp_path, env):
    """Every fifty steps, on a network of realistic size: the share of the run's time that goes into flushes."""
    words = ["--run", tmp_path / "run", "--model", "tests.sweep.test_costs:network", "--source"]
    words += [
        "tests.sweep.test_costs:noise",
        "--survey",
        "top-k k=9",
        "--device-batch",
        4,
        "--ckpt-every",
        "50steps",
        "--devices",
        1,
    ]
    code, told = harness.command(words, env)
    assert code == 0, told
    lines = [json.loads(line) for line in (tmp_path / "run" / "log" / "p00000.jsonl").read_text().splitlines()]
    whole_s = sum((4 * 50) / line["images_per_s"] for line in lines[:-1])
    flushes_s = sum(line["flush_s"] for line in lines[:-1])
    assert len(lines) >= 3
    print(f"flushes took {flushes_s / whole_s:.2%} of the time")
    assert flushes_s <= 0.03 * whole_s * 2  # twice over for a shared machine


class Noise:
    """Images for the network above."""

    def __len__(self):
        return 600

    def __getitem__(self, index):
        return np.random.default_rng(index).uniform(size=(64, 64, 3)).astype(np.float32)

    def digest(self):
        return "noise"


def noise():
    return Noise()


_MEASURE = """
import re, sys, json
from pathlib import Path
from cnnviz_jax.sweep.run import run_sweep
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.resolved import resolve_sweep
from tests.sweep.test_costs import network

def resident(which):
    return int(re.search(which + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

explain, device_batch = json.loads(sys.argv[1]), int(sys.argv[2])
spec = SweepSpec.from_mapping({"model": "m", "source": "tests.sweep.test_costs:noise", "device_batch": device_batch,
                               "inner_chunk": 16, "limit": device_batch, "explain": explain})
model = network()
need = resolve_sweep(spec, model, RunFolder(Path(sys.argv[3]))).step.need_bytes
Path("/proc/self/clear_refs").write_text("5")  # forget the peak of compiling
before = resident("VmRSS")
run_sweep(spec, model, sys.argv[3])
print(json.dumps([need, resident("VmHWM") - before]))
"""


@pytest.mark.parametrize(
    ("explain", "device_batch"),
    [
        ([{"technique": "saliency"}], 32),
        ([{"technique": "smoothgrad", "samples": 4}], 8),
        ([{"technique": "occlusion", "window": 16, "stride": 16}], 8),
    ],
)
def test_predicted_memory_is_what_a_process_grows_by(tmp_path, env, explain, device_batch):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of a process can be reset on Linux only")
    env = {name: value for name, value in env.items() if name != "XLA_FLAGS"}  # compiled as users compile it
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURE, json.dumps(explain), str(device_batch), str(tmp_path / "run")],
        env=env, cwd=harness.CHECKOUT, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    need, grown = json.loads(ended.stdout.splitlines()[-1])
    print(f"predicted {need / 2**20:.0f} MiB, grew by {grown / 2**20:.0f} MiB")
    assert grown > 150 * 2**20, "too small to say anything"
    assert 0.6 * grown <= need <= 1.7 * grown
