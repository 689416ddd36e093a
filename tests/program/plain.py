"""Networks as plain functions of `lax` operations: what the tests of the program reader read."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cnnviz_jax.program import Program

Padding = str | Sequence[tuple[int, int]]
SYMMETRIC = "symmetric"


def conv(
    x: Any,
    kernel: Any,
    stride: int = 1,
    padding: Padding = "VALID",
    *,
    layout: str = "NHWC",
    dilation: int = 1,
    base: int = 1,
    groups: int = 1,
) -> Any:
    """Convolve with an HWIO kernel, whatever the layout of the image."""
    if padding == SYMMETRIC:
        padding = [((size - 1) // 2, (size - 1) // 2) for size in kernel.shape[:2]]
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        lhs_dilation=(base, base),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=(layout, "HWIO", layout),
        feature_group_count=groups,
    )


def pool(x: Any, size: int, stride: int, padding: Padding = "VALID", *, layout: str = "NHWC") -> Any:
    """Max-pool over the two spatial axes."""
    window = [size if axis in "HW" else 1 for axis in layout]
    steps = [stride if axis in "HW" else 1 for axis in layout]
    if padding == SYMMETRIC:
        half = (size - 1) // 2
        padding = [(half, half) if axis in "HW" else (0, 0) for axis in layout]
    return lax.reduce_window(x, -jnp.inf, lax.max, window, steps, padding)


def traced(fn: Callable[[Any, Any], Any], params: Any, shape: Sequence[int], **options: Any) -> Program:
    """Trace for one image of `shape` (h, w, c)."""
    return Program.trace(fn, params, jax.ShapeDtypeStruct((1, *shape), jnp.float32), **options)


def ones(*shape: int, dtype: Any = jnp.float32) -> Any:
    """A kernel of ones."""
    return jnp.ones(shape, dtype)


def random_tree(tree: Any, seed: int = 0) -> Any:
    """Replace every leaf by small random numbers of its shape."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    return jax.tree.unflatten(
        structure,
        [0.5 * jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)],
    )


def numbers(*shape: int) -> Any:
    """Normal numbers, the same for the same shape."""
    return jnp.asarray(np.random.default_rng(shape).normal(size=shape), jnp.float32)


@jax.custom_vjp
def halved(x: Any) -> Any:
    """A ReLU by its values, with half the gradient."""
    return jnp.maximum(x, 0)


halved.defvjp(lambda x: (halved(x), x), lambda x, change: (jnp.where(x > 0, change / 2, 0),))


def check_convolutions(apply: Callable[[Any, Any], Any], params: Any, x: Any, left: int, atol: float) -> None:
    """Check that a program leaves so many convolutions to XLA, and gives the function's own values and gradients."""
    program = traced(apply, params, x.shape[1:])

    def score(x: Any) -> Any:
        return program.run(params, x)[0][0, 1]

    assert str(jax.make_jaxpr(score)(x)).count("conv_general_dilated") == left
    np.testing.assert_allclose(score(x), apply(params, x)[0, 1], rtol=1e-5)
    np.testing.assert_allclose(jax.grad(score)(x), jax.grad(lambda x: apply(params, x)[0, 1])(x), atol=atol)
