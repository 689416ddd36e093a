"""The network that peers were run on: 17 x 14 images of two channels, maps of 8 x 6, in NHWC and NCHW.

Weights and image follow from formulas, so that numbers of peers can be made anew from this page.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

SIZE = (17, 14)


def formula(shape, shift):
    """w_k = (((7 k + 3 + shift) mod 11) - 5) / 4 over flat row-major k."""
    k = np.arange(np.prod(shape))
    return ((((7 * k + 3 + shift) % 11) - 5) / 4).reshape(shape).astype(np.float32)


def parameters():
    """PyTorch's layouts: OIHW kernels, dense rows are classes."""
    return {
        "conv1": (formula((4, 2, 3, 3), 0), np.float32([0.25, -0.5, 0.5, 0.1])),
        "conv2": (formula((5, 4, 3, 3), 4) / 4, np.float32([-0.5, 0.25, 0.1, -0.2, 0.3])),
        "fc": (formula((3, 5), 2), np.float32([0.5, -0.25, 0])),
    }


def forward(params, x, layout):
    """conv1 3 x 3 stride 2 VALID to 4, ReLU, conv2 3 x 3 SAME to 5, ReLU, mean over places, dense to 3."""
    spec = ("NCHW", "OIHW", "NCHW") if layout == "nchw" else ("NHWC", "OIHW", "NHWC")
    for name, stride, padding in (("conv1", 2, "VALID"), ("conv2", 1, "SAME")):
        kernel, bias = params[name]
        with jax.named_scope(name):
            x = jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=spec)
            x = x + (bias[:, None, None] if layout == "nchw" else bias)
        with jax.named_scope(f"relu{name[-1]}"):
            x = jax.nn.relu(x)
    x = x.mean((2, 3) if layout == "nchw" else (1, 2))
    with jax.named_scope("fc"):
        return x @ params["fc"][0].T + params["fc"][1]


@functools.cache
def model(layout="nhwc"):
    """The network, its layers `conv1`, `relu1`, `conv2`, `relu2`, `fc`."""
    params = jax.tree.map(jnp.asarray, parameters())

    def run(params, x):
        return forward(params, x.transpose(0, 3, 1, 2) if layout == "nchw" else x, layout)

    return cv.adapt(run, params, input_shape=(*SIZE, 2), name=f"peers {layout}")


def image():
    """0.5 + 0.5 sin(1.7 k) over [channel][y][x]."""
    values = 0.5 + 0.5 * np.sin(np.arange(2 * SIZE[0] * SIZE[1]) * 1.7)
    return values.reshape(1, 2, *SIZE).transpose(0, 2, 3, 1).astype(np.float32)
