"""Tiny VGG, the network of the CNN Explainer, as a plain function on the tensors of its PyTorch file.

cnnviz explain occlusion tiny_vgg:build photo.png --weights tiny_vgg_legacy.pth
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

import cnnviz_jax as cv
from cnnviz_plugins.models.checkpoints import read_weights

LABELS = (
    "lifeboat",
    "ladybug",
    "pizza",
    "bell pepper",
    "school bus",
    "koala",
    "espresso",
    "red panda",
    "orange",
    "sports car",
)
"""The classes, in order."""

Params = dict[str, dict[str, jax.Array]]
"""`params["features.0"]["weight"]` and so on."""


def forward(params: Params, x: jax.Array) -> jax.Array:
    """Scores of images in [0, 1] with channels first."""
    for layer in ("features.0", "features.2", "pool", "features.5", "features.7", "pool"):
        if layer == "pool":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
            continue
        weight, bias = params[layer]["weight"], params[layer]["bias"]
        x = jax.nn.relu(lax.conv(x, weight, (1, 1), "VALID") + bias[:, None, None])
    x = x.reshape(len(x), -1)  # channels first, as the dense layer was trained
    return x @ params["classifier.0"]["weight"].T + params["classifier.0"]["bias"]


def build(weights: str | Path) -> cv.Model:
    """The network with the weights of a file, in any of the forms it is published in."""
    params: dict[str, dict[str, Any]] = {}
    for name, array in read_weights(weights).items():
        layer, _, word = name.rpartition(".")
        params.setdefault(layer, {})[word] = jnp.asarray(array)
    return cv.adapt(forward, params, input_shape=(64, 64, 3), axes="NCHW", labels=LABELS, name="tiny_vgg")
