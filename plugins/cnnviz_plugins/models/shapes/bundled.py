"""Loads the bundled network with the weights that ship beside this file."""

from functools import partial
from pathlib import Path

from cnnviz_jax.plugin import Model, adapt
from cnnviz_plugins.models.naming import abstract, load_file
from cnnviz_plugins.models.shapes.canvas import SIZE_PX
from cnnviz_plugins.models.shapes.images import CLASSES
from cnnviz_plugins.models.shapes.network import MEAN, STD, ShapesNetwork

WEIGHTS = Path(__file__).parent / "weights"
"""The Orbax checkpoint that `train` wrote; `weights.json` beside it says how good it is."""


def load_shapes(weights: str | Path = WEIGHTS, classes: int = len(CLASSES)) -> ShapesNetwork:
    """The network with the weights of a checkpoint, in inference mode; of other classes, where so many are given.

    Raises:
        WeightsError: The checkpoint cannot be read or does not fit.
    """
    network = abstract(partial(ShapesNetwork, classes))
    load_file(network, weights)
    network.eval()
    return network


def build(weights: str | Path | None = None) -> Model:
    """The bundled network as a model that can be explained, with the bundled weights unless others are given.

    Raises:
        WeightsError: The checkpoint cannot be read or does not fit.
    """
    return as_model(load_shapes(weights or WEIGHTS), "shapes", CLASSES)


def as_model(network: ShapesNetwork, name: str, labels: tuple[str, ...]) -> Model:
    """Return such a network as a model that can be explained, of images in [0, 1]."""
    return adapt(
        network, input_shape=(SIZE_PX, SIZE_PX, 3), mean=MEAN, std=STD, labels=labels, adapter="nnx", name=name
    )
