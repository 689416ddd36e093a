"""What has no window is recomputed whole: the result stays exact, and the plan says why."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnnviz_jax.program import Program
from tests.program.incremental.test_exact import assert_same, both, sliding

SIZE = (20, 16)
KERNEL = np.random.default_rng(3).normal(size=(3, 3, 3, 4)).astype(np.float32)


def conv(x, kernel, **options):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), **options)


def gated(params, x):
    y = conv(x, params)
    gate = jax.nn.sigmoid(y.mean((1, 2), keepdims=True))
    return (y * gate).max((1, 2))


def attention(params, x):
    y = conv(x, params).reshape(1, -1, 4)
    weights = jax.nn.softmax(y @ jnp.swapaxes(y, 1, 2))
    return (weights @ y).sum(1)


def mirrored(params, x):
    y = conv(x, params)
    return (y + y[:, ::-1]).reshape(1, -1) @ jnp.ones((SIZE[0] * SIZE[1] * 4, 2))


def upsampled(params, x):
    y = conv(x[:, 1::2, ::2], params)
    y = lax.conv_transpose(y, jnp.ones((2, 2, 4, 3)), (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return conv(y, params).max((1, 2))


def placed(params, x):
    """Position embeddings, explicit padding, a crop, a stack of both halves of the channels, a prefix sum."""
    place = jnp.arange(SIZE[0] * SIZE[1], dtype=jnp.float32).reshape(1, *SIZE, 1) / 100
    y = conv(x, params) + jnp.sin(place)
    y = jnp.pad(y, ((0, 0), (2, 0), (1, 3), (0, 0)), constant_values=0.5)[:, 1:-1:2, 3:]
    a, b = jnp.split(y, 2, axis=-1)
    y = jnp.cumsum(jnp.concatenate([a * b, jnp.stack([a, b], -1).max(-1)], -1), axis=-1)
    return jnp.tanh(y.transpose(0, 3, 1, 2).sum(1)).reshape(1, -1)


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (gated, "all of what it reads may have changed"),
        (attention, "mixes places"),
        (mirrored, "no window rule for rev"),
        (upsampled, "no window rule for this conv_general_dilated"),
        (placed, "mixes places"),
    ],
)
def test_stays_exact_and_says_why(forward, reason):
    params = jnp.asarray(KERNEL)
    program = Program.trace(forward, params, jax.ShapeDtypeStruct((1, *SIZE, 3), jnp.float32))
    rows, cols = sliding(SIZE[0], 4), sliding(SIZE[1], 3)
    numbers = [(0, 0), (3, 5), (len(rows) - 1, 2), (8, len(cols) - 1), (len(rows) - 1, len(cols) - 1)]
    found, expected, plan = both(program, forward, params, rows, cols, SIZE, numbers)
    assert_same(found, expected)
    assert reason in {step.reason for step in plan.steps}
    assert any(step.recipe is not None for step in plan.steps)


def test_a_layer_can_be_read_in_place_of_the_outputs():
    def forward(params, x):
        with jax.named_scope("first"):
            y = conv(x, params)
        return y.sum((1, 2))

    params = jnp.asarray(KERNEL)
    program = Program.trace(forward, params, jax.ShapeDtypeStruct((1, *SIZE, 3), jnp.float32))
    name = next(iter(program.layers))
    windows = program.windows(([(2, 5)], [(0, 4)]), read=[name], need_outputs=False)
    x, occluded = jnp.ones((1, *SIZE, 3)), jnp.zeros((1, *SIZE, 3))
    place = (jnp.int32(0), jnp.int32(0))
    found = windows.evaluate(params, x, occluded, windows.prepare(params, x), place)
    changed = x.at[:, 2:5, 0:4].set(0)
    np.testing.assert_allclose(found[program.layer_node(name).value], conv(changed, params), atol=1e-5)
    assert len(windows.plan.steps) < len(program.graph.leaves)
