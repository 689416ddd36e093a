"""A network whose gradients differ from place to place: conv, ReLU, flatten, dense; and the same in NumPy.

The convolution keeps the image's size, so masks and maps need no enlarging. Class 3 never depends on anything.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

SIZE = (4, 5)
_rng = np.random.default_rng(7)
KERNEL = _rng.normal(size=(3, 3, 1, 3)).astype(np.float32)
BIAS = np.array([0.2, -0.1, 0.4], np.float32)
HEAD = (_rng.normal(size=(*SIZE, 3, 4)) * [1, 1, 1, 0]).astype(np.float32)


def forward(params, x):
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(
            x, params["conv"]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = x + params["conv"]["bias"]
    x = jax.nn.relu(x)
    with jax.named_scope("head"):
        return x.reshape(len(x), -1) @ params["head"]["kernel"]


@functools.cache
def model() -> cv.Model:
    params = {
        "conv": {"kernel": jnp.asarray(KERNEL), "bias": jnp.asarray(BIAS)},
        "head": {"kernel": jnp.asarray(HEAD.reshape(-1, 4))},
    }
    return cv.adapt(forward, params, input_shape=(*SIZE, 1), name="spread")


def some_image(seed=3):
    return np.random.default_rng(seed).uniform(size=(*SIZE, 1)).astype(np.float32)


def conv(image):
    """The convolution's value, by loops."""
    padded = np.pad(image[..., 0].astype(np.float64), 1)
    out = np.zeros((*SIZE, 3))
    for row in range(SIZE[0]):
        for col in range(SIZE[1]):
            for k in range(3):
                out[row, col, k] = (padded[row : row + 3, col : col + 3] * KERNEL[:, :, 0, k]).sum() + BIAS[k]
    return out


def score(activation, target):
    """The score of the convolution's value."""
    return float((np.maximum(activation, 0) * HEAD[..., target]).sum())


def gradient(activation, target):
    """d score / d the convolution's value."""
    return np.where(activation > 0, HEAD[..., target], 0.0)
