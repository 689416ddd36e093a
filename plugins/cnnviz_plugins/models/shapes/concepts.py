"""The bundled network's own test images: examples for pages, and with their concept masks a source for surveys."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import chain, count, islice

import numpy as np
from jaxtyping import Float

from cnnviz_plugins.models.shapes.canvas import SIZE_PX
from cnnviz_plugins.models.shapes.images import CLASSES, CONCEPTS, draw_scenes

_BLOCK = 32
_COUNT = 500


class ConceptImages:
    """The first test images: each an image, its class, and one mask for every concept that images can show."""

    concept_names = CONCEPTS

    def __init__(self, count: int = _COUNT) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Mapping[str, np.ndarray | int]:
        """Return `image` (h, w, 3), `label`, and `concepts` (concepts, h, w) of bools."""
        block, row = divmod(index, _BLOCK)
        images, labels, masks = _drawn(block)
        return {"image": images[row], "label": int(labels[row]), "concepts": masks[row]}

    def digest(self) -> str:
        """Return a text that tells these images from others."""
        return f"shapes test images 0 to {self._count - 1}"


def images() -> ConceptImages:
    """Return 500 test images, fifty of each class."""
    return ConceptImages()


@lru_cache(maxsize=4)
def _drawn(block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    drawn = draw_scenes(range(block * _BLOCK, (block + 1) * _BLOCK))
    masks = np.zeros((_BLOCK, len(CONCEPTS), SIZE_PX, SIZE_PX), bool)
    for row, image in enumerate(drawn):
        for name, mask in image.concepts.items():
            masks[row, CONCEPTS.index(name)] = mask
    return np.stack([one.image for one in drawn]), np.array([one.label for one in drawn]), masks


CHOSEN = (3, 78, 14, 36, 25, 19, 12, 87, 21, 0)
"""Numbers of test images, one of each class, picked by eye for different colours and backgrounds."""


def examples(number: int) -> tuple[Float[np.ndarray, "n 64 64 3"], tuple[str, ...]]:
    """Return so many test images and the names of what they show, `CHOSEN` first."""
    images = draw_scenes(list(islice(chain(CHOSEN, count(100)), number)), split="test")
    return np.stack([image.image for image in images]), tuple(CLASSES[image.label] for image in images)
