"""A small transformer whose weights are a formula, so that peers can have the same."""

import functools

import jax.numpy as jnp
import numpy as np
from flax import nnx

from cnnviz_plugins.models.vision_transformer import VisionTransformer

SIDE, PATCH, HEADS, WIDTH = 12, 4, 2, 8
IMAGE = (0.5 + 0.5 * np.sin(np.arange(SIDE * SIDE * 3))).reshape(SIDE, SIDE, 3).astype(np.float32)


@functools.cache
def transformer():
    """Two blocks; entry k of the n-th parameter is ((7 k + 3 + n) mod 11 - 5) / 16, scales are 1 more."""
    network = VisionTransformer(side=SIDE, patch=PATCH, depth=2, width=WIDTH, heads=HEADS, classes=4, rngs=nnx.Rngs(0))
    state = nnx.state(network)
    for n, (path, variable) in enumerate(nnx.to_flat_state(state)):
        entries = ((7 * np.arange(variable[...].size) + 3 + n) % 11 - 5) / 16 + float(path[-1] == "scale")
        variable[...] = jnp.asarray(entries.reshape(variable.shape), jnp.float32)
    nnx.update(network, state)
    network.eval()
    return network
