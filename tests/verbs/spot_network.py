"""A network that knows red squares by a blue spot in the corner and green ones by their green, and such images."""

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.results.dictionary import Dictionary
from cnnviz_jax.results.provenance import Provenance
from cnnviz_plugins.dictionary.codecs import SparseCodec

CLASSES, COUNT, SIZE = ("red", "green", "nothing"), 40, 12


def forward(params, x):
    with jax.named_scope("relu"):
        x = jax.nn.relu(jnp.einsum("nhwc,cd->nhwd", x, params["kernel"]))
    return jnp.einsum("nd,dk->nk", x.mean((1, 2)), params["head"]) + jnp.asarray([0, 0, 0.01])


def model():
    head = np.array([[0, 0, 0], [0, 10, 0], [40, -1, 0]], np.float32)
    params = {"kernel": jnp.eye(3), "head": jnp.asarray(head)}
    return cv.adapt(forward, params, input_shape=(SIZE, SIZE, 3), labels=CLASSES, name="spot")


def scenes():
    """Return images, their classes and the masks of their squares."""
    random = np.random.default_rng(0)
    images, masks = np.zeros((COUNT, SIZE, SIZE, 3), np.float32), np.zeros((COUNT, SIZE, SIZE), bool)
    labels = np.arange(COUNT) % 2
    for k, label in enumerate(labels):
        top, left = random.integers(3, SIZE - 4, 2)
        masks[k, top : top + 4, left : left + 4] = True
        images[k, top : top + 4, left : left + 4, label] = random.uniform(0.6, 1)
    images[labels == 0, :2, :2, 2] = 1
    return images, labels, masks


def dictionary():
    """Return the channels as features."""
    directions = np.eye(3, dtype=np.float32)
    codec = SparseCodec(
        directions=directions, offset=np.zeros(3, np.float32), encoder=directions, bias=np.zeros(3, np.float32),
        threshold=np.zeros(3, np.float32), rule="above",
    )  # fmt: skip
    return Dictionary(
        layer="relu", codec=codec, metrics={}, density=np.zeros(3, np.float32), curves={}, row_count=0,
        held_out_count=0, provenance=Provenance(technique="topk", model="spot", config={}),
    )  # fmt: skip


class Scenes:
    """The images as a source that brings its masks."""

    def __init__(self):
        self.images, self.labels, self.masks = scenes()

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return {"image": self.images[index], "label": int(self.labels[index]), "mask": self.masks[index]}

    def digest(self):
        return "scenes of spots"


def source():
    return Scenes()
