"""A network whose recorded training the tests know by heart."""

import jax.numpy as jnp

from tests.explain.small_network import model, parameters


def make_model():
    return model()


def step_of(step):
    """The parameters, each grown by a tenth for every step."""
    import jax

    return jax.tree.map(lambda leaf: jnp.asarray(leaf) * (1 + 0.1 * step), parameters())
