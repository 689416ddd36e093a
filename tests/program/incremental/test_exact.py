"""A window recomputed alone equals the whole network recomputed, at every place of a sweep."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax.program import Program
from cnnviz_jax.program.incremental import ChangedWindows, plan_windows
from tests.program.incremental.networks import NETWORKS, forward_of, random_params, shapes_of


@functools.cache
def traced(name, size, layout):
    network = NETWORKS[name]
    shapes = shapes_of(network, size, layout)
    forward = forward_of(network, layout)
    program = Program.trace(forward, shapes, jax.ShapeDtypeStruct((1, *size, 3), jnp.float32))
    return program, forward, random_params(shapes)


def both(program, forward, params, rows, cols, size, numbers, seed=0):
    """The outputs at some places, by windows and by the whole network, and the plan."""
    rng = np.random.default_rng(seed)
    x, occluded = (jnp.asarray(rng.uniform(size=(1, *size, 3)).astype(np.float32)) for _ in range(2))
    plan = plan_windows(program.graph, program.analysis, program.graph.output_ids, (tuple(rows), tuple(cols)))
    windows = ChangedWindows(plan, program.evaluator)

    def by_windows(params, x, occluded, places):
        kept = windows.prepare(params, x)
        run = jax.vmap(lambda r, c: windows.evaluate(params, x, occluded, kept, (r, c)))
        return run(*places)[program.graph.output_ids[0]][:, 0]

    def whole(params, x, occluded, masks):
        return jax.vmap(lambda mask: forward(params, jnp.where(mask, occluded, x))[0])(masks)

    masks = np.zeros((len(numbers), *size, 1), bool)
    for mask, (r, c) in zip(masks, numbers, strict=True):
        mask[slice(*rows[r]), slice(*cols[c])] = True
    places = tuple(jnp.asarray(number, jnp.int32) for number in zip(*numbers, strict=True))
    found = jax.jit(by_windows)(params, x, occluded, places)
    expected = jax.jit(whole)(params, x, occluded, jnp.asarray(masks))
    return np.asarray(found), np.asarray(expected), plan


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert np.ptp(expected, axis=0).max() > 0  # the window matters, else equality says nothing


def sliding(length, window, stride=1):
    return [(i, i + window) for i in range(0, length - window + 1, stride)]


def borders(rows, cols):
    ends = [(r, c) for r in (0, 1, len(rows) // 2, len(rows) - 2, len(rows) - 1) for c in (0, len(cols) // 2, -1)]
    return sorted({(r % len(rows), c % len(cols)) for r, c in ends})


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_windows_at_every_border_equal_the_whole_network(name, layout):
    size = (64, 48) if layout == "NHWC" else (44, 60)
    program, forward, params = traced(name, size, layout)
    rows, cols = sliding(size[0], 5), sliding(size[1], 6)
    found, expected, plan = both(program, forward, params, rows, cols, size, borders(rows, cols))
    assert_same(found, expected)
    assert plan.flops < 0.85 * plan.dense_flops
    unknown = {step.reason for step in plan.steps if step.reason.startswith("no window rule")}
    assert unknown == set()


@pytest.mark.parametrize("window", [1, 40, 48], ids=["one pixel", "wider than the field", "the image"])
def test_a_window_of_any_size_gives_the_same(window):
    size = (48, 48)
    program, forward, params = traced("squeezenet", size, "NHWC")
    rows = sliding(48, window)
    found, expected, plan = both(program, forward, params, rows, rows, size, [*borders(rows, rows), (0, 0)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    if window == 48:
        assert all(step.recipe is None for step in plan.steps)


def test_intervals_of_unequal_length_are_windows_too():
    size = (40, 40)
    program, forward, params = traced("inception", size, "NHWC")
    rows, cols = [(0, 7), (7, 13), (13, 40), (30, 40)], [(0, 3), (38, 40), (10, 30)]
    numbers = [(r, c) for r in range(4) for c in range(3)]
    found, expected, _ = both(program, forward, params, rows, cols, size, numbers)
    assert_same(found, expected)
