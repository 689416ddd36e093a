"""Kernels of networks that a file fills: drawn as Flax draws them, and not at all where shapes alone are asked for."""

import jax
import numpy as np
import pytest
from flax import nnx

from cnnviz_plugins.models import first_kernels
from cnnviz_plugins.models.first_kernels import Conv, Linear
from cnnviz_plugins.models.naming import abstract

MADE = [(Conv, nnx.Conv, (3, 4, (5, 5))), (Linear, nnx.Linear, (6, 2))]


@pytest.mark.parametrize(("ours", "flax", "args"), MADE)
def test_kernels_are_those_that_flax_draws(ours, flax, args):
    found, expected = ours(*args, rngs=nnx.Rngs(7)).kernel[...], flax(*args, rngs=nnx.Rngs(7)).kernel[...]
    np.testing.assert_array_equal(found, expected)
    assert np.std(found) > 0


@pytest.mark.parametrize(("ours", "flax", "args"), MADE)
def test_an_abstract_network_has_the_shapes_and_draws_nothing(ours, flax, args, monkeypatch):
    expected = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), nnx.state(flax(*args, rngs=nnx.Rngs(0))))

    def drawn(*_):
        raise AssertionError("a kernel was drawn")

    monkeypatch.setattr(first_kernels, "_drawn", drawn)
    found = nnx.state(abstract(lambda rngs: ours(*args, rngs=rngs)))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), found) == expected
    with pytest.raises(AssertionError, match="a kernel was drawn"):
        ours(*args, rngs=nnx.Rngs(0))
