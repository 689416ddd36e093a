"""A program at another image size: every elementwise primitive, exactly as tracing at that size computes it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnnviz_jax.errors import ModelError
from cnnviz_jax.program.graph.primitives import ELEMENTWISE
from cnnviz_jax.program.rewrites.resized import resized
from tests.program.plain import SYMMETRIC, conv, halved, random_tree, traced

PARAMS = random_tree({"first": {"kernel": jnp.ones((3, 3, 3, 4))}, "second": {"kernel": jnp.ones((3, 3, 4, 2))}})


def bits(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function on whole numbers, in between of two roundings."""
    return lambda x: function(jnp.round(8 * x).astype(jnp.int32)).astype(jnp.float32)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "acos": jnp.arccos,
    "acosh": lambda x: jnp.arccosh(x + 2),
    "asin": jnp.arcsin,
    "asinh": jnp.arcsinh,
    "atan": jnp.arctan,
    "atanh": jnp.arctanh,
    "clz": bits(lax.clz),
    "complex": lambda x: jnp.real(lax.complex(x, x) * lax.complex(x, x)),
    "cosh": jnp.cosh,
    "digamma": lambda x: lax.digamma(x + 2),
    "erf_inv": lax.erf_inv,
    "lgamma": lambda x: lax.lgamma(x + 2),
    "population_count": bits(lax.population_count),
    "shift_left": bits(lambda n: lax.shift_left(n, 2)),
    "shift_right_arithmetic": bits(lambda n: lax.shift_right_arithmetic(n, 1)),
    "shift_right_logical": bits(lambda n: lax.shift_right_logical(n, 1)),
    "sinh": jnp.sinh,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementwise_primitives_run_at_another_size_as_if_traced_there(name: str) -> None:
    def net(p: Any, x: Any) -> Any:
        y = conv(x, p["first"]["kernel"], 1, SYMMETRIC)
        return conv(FUNCTIONS[name](y / (1 + jnp.abs(y).sum(-1, keepdims=True))), p["second"]["kernel"])

    program = traced(net, PARAMS, (8, 8, 3))
    assert name in {leaf.name for leaf in program.graph.leaves} & ELEMENTWISE
    images = jax.random.uniform(jax.random.key(0), (1, 11, 9, 3))
    found = resized(program, ["second"])(PARAMS, images)[0]
    np.testing.assert_array_equal(found, net(PARAMS, images))
    assert np.isfinite(np.asarray(found)).all()


def test_an_array_as_large_as_the_map_ties_a_program_to_its_size() -> None:
    def net(p: Any, x: Any) -> Any:
        return conv(jnp.sinh(x) + jnp.arange(64.0).reshape(1, 8, 8, 1), p["first"]["kernel"])

    with pytest.raises(ModelError, match=r"add with an array of 1x8x8x1 is tied to it"):
        resized(traced(net, PARAMS, (8, 8, 3)), ["first"])(PARAMS, jnp.ones((1, 11, 9, 3)))


@pytest.mark.parametrize(("relu", "is_kept"), [(jax.nn.relu, True), (halved, False)], ids=["jax", "own"])
def test_a_relu_with_a_derivative_of_its_own_is_not_run_as_jaxs(relu: Any, is_kept: bool) -> None:
    def net(p: Any, x: Any) -> Any:
        return conv(relu(conv(x, p["first"]["kernel"], 1, SYMMETRIC)), p["second"]["kernel"])

    program, images = traced(net, PARAMS, (8, 8, 3)), jax.random.uniform(jax.random.key(0), (1, 11, 9, 3))
    if is_kept:
        gradient = jax.grad(lambda x: resized(program, ["second"])(PARAMS, x)[0].sum())(images)
        np.testing.assert_allclose(gradient, jax.grad(lambda x: net(PARAMS, x).sum())(images), rtol=1e-5)
    else:
        with pytest.raises(ModelError, match=r"on 11 x 9 pixels.*has a derivative of its own"):
            resized(program, ["second"])(PARAMS, images)
