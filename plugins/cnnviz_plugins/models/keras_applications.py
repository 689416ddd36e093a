"""Builds the networks of Keras Applications by name, with weights from a file; Keras downloads nothing here.

What each is fed is known by four kinds. `caffe`: blue, green, red in 0..255 less a mean; `tf`: -1..1; `torch`: as
torchvision; `inside`: 0..255, the network scales them itself. Images here are red, green, blue, so the first kernel
of a `caffe` network gets its input channels turned round, which gives the same scores.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cnnviz_jax.plugin import Model, ModelError, WeightsError, adapt, require
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.checkpoints.headers import Headers
from cnnviz_plugins.models.labels import imagenet_classes, labels_beside

FEEDING: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
    "tf": ((0.5,) * 3, (0.5,) * 3),
    "torch": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "inside": ((0.0,) * 3, (1 / 255,) * 3),
}
"""Mean and standard deviation of images in [0, 1], by kind of preprocessing."""


def build(name: str, weights: str | Path | None, feeding: str) -> Model:
    """The network `name` of Keras Applications as a model that can be explained.

    Args:
        name: As Keras calls it, such as `ResNet50`.
        weights: A `.h5`, `.weights.h5` or `.keras` file.
        feeding: A key of `FEEDING`.

    Raises:
        UsageError: Keras is not installed.
        ModelError: The installed Keras does not have this network.
        WeightsError: No file is given, or it cannot be read or does not fit.
    """
    title = f"keras:{name}"
    os.environ.setdefault("KERAS_BACKEND", "jax")  # read by Keras when it is first imported
    applications = require("keras", extra="keras", what=title).applications
    if weights is None:
        raise WeightsError(
            f"{title} needs weights, and nothing is downloaded unasked; pass a file by `--weights FILE`, which Keras"
            f" writes with keras.applications.{name}().save_weights('{name.lower()}.weights.h5')"
        )
    if not hasattr(applications, name):
        raise ModelError(f"the installed Keras has no {name}; a newer one may: pip install --upgrade keras")
    network = getattr(applications, name)(weights=None, classifier_activation=None)
    _look_through(Path(weights), network.count_params(), title)
    try:
        network.load_weights(weights)
    except Exception as error:  # Keras lets those of its storage layers through as they are
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(f"the weights in {str(weights)!r} do not fit {title}: {reason[0]}") from error
    if feeding == "caffe":
        turn_first_kernel(network)
    mean, std = FEEDING[feeding]
    classes = network.output_shape[-1]
    labels = labels_beside(Path(weights), classes) or (imagenet_classes() if classes == 1000 else None)
    return adapt(network, mean=mean, std=std, labels=labels, adapter="keras", name=title)


def _look_through(weights: Path, parameters: int, title: str) -> None:
    """Say what is damaged and refuse links to other files and more than the network needs, before Keras opens it."""

    def choose(headers: Headers) -> Iterable[str]:
        if (promised := sum(header.size for header in headers.values())) > 2 * parameters:
            raise WeightsError(
                f"the weights in {str(weights)!r} do not fit {title}: {promised:,} numbers for its {parameters:,}"
            )
        return headers

    read_weights(weights, choose)


def turn_first_kernel(network: Any) -> None:
    """Make a network that was trained on blue, green, red take red, green, blue."""
    first = next(layer for layer in network.layers if getattr(layer, "kernel", None) is not None)
    first.kernel.assign(first.kernel.value[:, :, ::-1])  # h w i o
