"""Operations of the compiled program stand where the window bound of the published shapes has them; nothing is run."""

import jax
import jax.numpy as jnp
import pytest

from cnnviz_jax.program import Program
from tests.program.incremental.networks import forward_of, resnet50, shapes_of, vgg19

IMAGE = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
PLACES = 4


def flops(function, *shapes):
    return jax.jit(function).lower(*shapes).cost_analysis()["flops"]


# The bound counts the worst-case changed window of every layer; figures from the issue that asks for them.
@pytest.mark.parametrize(
    ("network", "bounds"), [(vgg19, {16: 5.1, 32: 4.1, 64: 2.7}), (resnet50, {16: 2.1, 32: 1.9, 64: 1.6})]
)
def test_a_window_costs_what_the_window_bound_says(network, bounds):
    shapes, forward = shapes_of(network, (224, 224)), forward_of(network)
    program = Program.trace(forward, shapes, IMAGE)
    dense = flops(forward, shapes, IMAGE)
    for window, bound in bounds.items():
        places = [(i, i + window) for i in range(0, 224 - window + 1, 2)]
        windows = program.windows((places, places))
        numbers = jax.ShapeDtypeStruct((PLACES,), jnp.int32)
        kept = jax.eval_shape(windows.prepare, shapes, IMAGE)

        def many(params, x, occluded, kept, rows, cols, windows=windows):
            return jax.vmap(lambda r, c: windows.evaluate(params, x, occluded, kept, (r, c)))(rows, cols)

        done = flops(many, shapes, IMAGE, IMAGE, kept, numbers, numbers) / PLACES
        assert dense / done == pytest.approx(bound, rel=0.15)
        assert windows.plan.dense_flops / windows.plan.flops == pytest.approx(bound, rel=0.05)
        assert done == pytest.approx(windows.plan.flops, rel=0.1)
