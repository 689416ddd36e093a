"""Builds the networks that have published weights: table of how each is fed, loading, and adapting."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.errors import WeightsError
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.labels import labels_beside
from cnnviz_plugins.models.lenet import LeNet
from cnnviz_plugins.models.naming import load_arrays
from cnnviz_plugins.models.squeezenet import SqueezeNet


@dataclass(frozen=True, kw_only=True)
class Published:
    """How a published network is made and fed."""

    network: Callable[..., nnx.Module]
    """Makes it, given `rngs`."""
    input_shape: tuple[int, int, int]
    """Height, width and channels of its pictures."""
    mean: tuple[float, ...]
    """Subtracted from pictures in [0, 1], one number a channel."""
    std: tuple[float, ...]
    """Divides them after that."""
    classes: int
    """Number of its classes."""
    labels: tuple[str, ...] | None = None
    """Names of the classes where they are part of the network; else they may lie beside the weights."""


_imagenet = partial(
    Published, input_shape=(224, 224, 3), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), classes=1000
)

PUBLISHED: dict[str, Published] = {
    "squeezenet1_0": _imagenet(network=partial(SqueezeNet, "squeezenet1_0")),
    "squeezenet1_1": _imagenet(network=partial(SqueezeNet, "squeezenet1_1")),
    "lenet": Published(
        network=LeNet,
        input_shape=(28, 28, 1),
        mean=(0.0,),
        std=(256 / 255,),  # Caffe feeds bytes / 256
        classes=10,
        labels=tuple("0123456789"),
    ),
}
"""The networks by name."""


def load_network(name: str, weights: str | Path) -> nnx.Module:
    """The network `name` with the weights of a file, in inference mode.

    Raises:
        WeightsError: The file cannot be read or does not fit.
    """
    # Abstract first: initial values that the file replaces would cost seconds to draw.
    network = nnx.eval_shape(lambda: PUBLISHED[name].network(rngs=nnx.Rngs(0)))
    load_arrays(network, read_weights(weights), source=str(weights))
    network.eval()
    return network


def build(name: str, weights: str | Path | None) -> "cv.Model":
    """The network `name` as a model that can be explained.

    Raises:
        WeightsError: No file is given, or it cannot be read or does not fit.
    """
    if weights is None:
        raise WeightsError(
            f"{name} needs weights and none came with this package; pass a file: "
            f"`--weights FILE`, or `cnnviz_jax.load_model({name!r}, weights=FILE)`"
        )
    entry = PUBLISHED[name]
    return cv.adapt(
        load_network(name, weights),
        input_shape=entry.input_shape,
        mean=entry.mean,
        std=entry.std,
        labels=entry.labels or labels_beside(Path(weights), entry.classes),
        adapter="nnx",
        name=name,
    )
