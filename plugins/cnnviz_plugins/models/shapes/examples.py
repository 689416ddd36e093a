"""The images that come with the bundled network, for pages and documentation that name none."""

from itertools import chain, count, islice

import numpy as np
from jaxtyping import Float

from cnnviz_plugins.models.shapes.images import CLASSES, draw_scenes

CHOSEN = (3, 78, 14, 36, 25, 19, 12, 87, 21, 0)
"""Numbers of test images, one of each class, picked by eye for different colours and backgrounds."""


def examples(number: int) -> tuple[Float[np.ndarray, "n 64 64 3"], tuple[str, ...]]:
    """Return so many test images and the names of what they show, `CHOSEN` first."""
    images = draw_scenes(list(islice(chain(CHOSEN, count(100)), number)), split="test")
    return np.stack([image.image for image in images]), tuple(CLASSES[image.label] for image in images)
