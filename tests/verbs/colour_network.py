"""A network whose three units are the colours, a fourth that is silent and two of noise; images of coloured squares."""

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

COLOURS = ("red", "green", "blue")
COUNT = 120


def forward(params, x):
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(
            x, params["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    x = jax.nn.relu(x)
    return x.max((1, 2))[:, :3]


def model():
    kernel = np.zeros((1, 1, 4, 6), np.float32)
    kernel[0, 0, :3, :3] = np.eye(3)
    kernel[0, 0, 3, 4:] = 1, 2  # the fourth channel is noise
    return cv.adapt(forward, {"kernel": jnp.asarray(kernel)}, input_shape=(8, 8, 4), labels=COLOURS, name="colours")


def scenes():
    """Return images, one of three classes in turn, and the mask of each colour's square."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.2, (COUNT, 8, 8, 4)).astype(np.float32)
    images[..., 3] = rng.random(COUNT)[:, None, None]
    labels = np.arange(COUNT) % 3
    masks = np.zeros((COUNT, 3, 8, 8), bool)
    for k, label in enumerate(labels):
        top, left = rng.integers(0, 5, 2)
        masks[k, label, top : top + 3, left : left + 3] = True
        images[k, top : top + 3, left : left + 3, label] = rng.uniform(0.6, 1)
    return images, labels, masks


class Scenes:
    """The same as a source of images that brings its masks."""

    concept_names = COLOURS

    def __init__(self):
        self.images, self.labels, self.masks = scenes()

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return {"image": self.images[index], "label": int(self.labels[index]), "concepts": self.masks[index]}

    def digest(self):
        return "scenes of colours"


def source():
    return Scenes()
