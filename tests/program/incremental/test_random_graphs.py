"""Random graphs of convolutions, pools, joins and sums: windows equal the whole program at every place."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jax import lax

from cnnviz_jax.program import Program
from tests.program.incremental.test_exact import both

NUMBERS = ("NHWC", "HWIO", "NHWC")
STEP = st.tuples(
    st.sampled_from(["conv", "grouped", "pool", "mean", "sum", "join", "moved", "crop"]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(1, 2),
)


def built(steps):
    """A function of `(kernels, images)`: each step reads the last value and maybe the one before."""

    def forward(kernels, x):
        before = x
        for (kind, size, stride, (low, high), dilation), kernel in zip(steps, kernels, strict=True):
            pad, now = [(low, high), (high, low)], x
            reach = (size - 1) * dilation + 1
            if min(x.shape[1:3]) + low + high < reach or min(x.shape[1:3]) < 3:
                continue
            if kind in ("conv", "grouped"):
                groups = 2 if kind == "grouped" else 1
                x = lax.conv_general_dilated(
                    x, kernel[:size, :size, : 4 // groups], (stride, 1), pad, rhs_dilation=(dilation, dilation),
                    dimension_numbers=NUMBERS, feature_group_count=groups,
                )  # fmt: skip
            elif kind in ("pool", "mean"):
                start, function = (-jnp.inf, lax.max) if kind == "pool" else (0.0, lax.add)
                low, high = min(low, size - 1), min(high, size - 1)
                pads = ((0, 0), (low, high), (0, high), (0, 0))
                x = lax.reduce_window(x, start, function, (1, size, size, 1), (1, stride, 2, 1), pads)
            elif kind == "sum":
                same = lax.conv_general_dilated(x, kernel[:3, :3], (1, 1), "SAME", dimension_numbers=NUMBERS)
                x = jax.nn.relu(x + same)
            elif kind == "join":
                both_ = [before, x] if before.shape == x.shape else [jnp.roll(x, 1, -1), x]
                x = jnp.concatenate(both_, -1) @ kernel[0].reshape(-1, 4)[:8]
            elif kind == "moved":
                x = jnp.tanh(x.transpose(0, 3, 1, 2)).reshape(1, 2, 2, *x.shape[1:3]).sum(1).transpose(0, 2, 3, 1)
                x = jnp.concatenate([x, -x], -1)
            else:
                x = x[:, low % 2 :: stride, : x.shape[2] - high % 2]
            before = now
        return x.reshape(1, -1)

    return forward


@settings(
    max_examples=8, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(
    steps=st.lists(STEP, min_size=2, max_size=5),
    size=st.tuples(st.integers(9, 17), st.integers(9, 17)),
    window=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_windows_equal_the_whole_program(steps, size, window):
    rng = np.random.default_rng(0)
    forward = built(steps)
    kernels = [jnp.asarray(rng.normal(size=(4, 4, 4, 4)).astype(np.float32) / 6) for _ in steps]

    def four(kernels, x):
        return forward(kernels, jnp.concatenate([x, x[..., :1]], -1))

    program = Program.trace(four, kernels, jax.ShapeDtypeStruct((1, *size, 3), jnp.float32))
    rows, cols = ([(i, i + w) for i in range(n - w + 1)] for n, w in zip(size, window, strict=True))
    numbers = [(r, c) for r in {0, len(rows) // 2, len(rows) - 1} for c in {0, len(cols) // 3, len(cols) - 1}]
    found, expected, _ = both(program, four, kernels, rows, cols, size, numbers)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1e-3, np.abs(expected).max()))
