"""Decorrelated colour: three channels in which the colours of natural images vary independently."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_SQUARE_ROOT = np.asarray([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)

CORRELATION = _SQUARE_ROOT / np.linalg.norm(_SQUARE_ROOT, axis=0).max()
"""Square root of the colour covariance of natural images, longest column of length 1. Source: Lucid,
`optvis/param/color.py`."""


def correlated(values: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Return decorrelated channels as red, green, blue; any other number of channels is returned as it is."""
    return values @ jnp.asarray(CORRELATION.T) if values.shape[-1] == 3 else values


def decorrelated(values: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Undo `correlated`."""
    return values @ jnp.asarray(np.linalg.inv(CORRELATION.T)) if values.shape[-1] == 3 else values
