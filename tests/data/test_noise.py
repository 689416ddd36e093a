"""Noise is JAX's own to the bit, drawn in one row."""

import jax
import numpy as np
import pytest

from cnnviz_jax.data.noise import normal_noise, uniform_noise


@pytest.mark.parametrize(("ours", "theirs"), [(normal_noise, jax.random.normal), (uniform_noise, jax.random.uniform)])
@pytest.mark.parametrize("shape", [(5, 4, 3), (2, 6, 4, 3)])
def test_noise_has_the_bits_of_jax(ours, theirs, shape):
    keys = jax.random.split(jax.random.key(3), 2)
    ours_drawn = jax.vmap(lambda key: ours(key, shape))(keys)
    np.testing.assert_array_equal(ours_drawn, jax.vmap(lambda key: theirs(key, shape))(keys))
    assert ours_drawn.shape == (2, *shape)
