"""The crops of some images of a data set, each enlarged to the size that the model takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Dataset, Example

_STEP = 0.8  # of the side, as the authors' code has it


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of `share` of each side, every 0.8 of their own side, as a source of images."""

    dataset: Dataset
    ids: list[int]
    size: tuple[int, int]
    """Rows and columns of a crop."""
    corners: list[tuple[int, int]]
    """Top and left of each crop of an image."""
    input_shape: tuple[int, int, int]

    @classmethod
    def of(cls, dataset: Dataset, ids: list[int], share: float, input_shape: tuple[int, int, int]) -> "Crops":
        """Return the crops of the images with these numbers."""
        sides = [max(1, round(share * length)) for length in input_shape[:2]]
        steps = [
            range(0, length - side + 1, max(1, int(_STEP * side)))
            for length, side in zip(input_shape[:2], sides, strict=True)
        ]
        corners = [(top, left) for top in steps[0] for left in steps[1]]
        return cls(dataset, ids, (sides[0], sides[1]), corners, input_shape)

    @property
    def fields(self) -> dict[str, Any]:
        """Nothing beside the images."""
        return {}

    def __len__(self) -> int:
        return len(self.ids) * len(self.corners)

    def pixels(self, index: int) -> Float[np.ndarray, "rows cols c"]:
        """Return a crop as it lies in its image."""
        top, left = self.corners[index % len(self.corners)]
        image = self.dataset.image(self.ids[index // len(self.corners)])
        return image[top : top + self.size[0], left : left + self.size[1]]

    def __getitem__(self, index: int) -> Example:
        crop = self.pixels(index)
        rows, cols = (_enlarging(*pair) for pair in zip(self.size, self.input_shape[:2], strict=True))
        return Example(image=np.einsum("ij,jkc,lk->ilc", rows, crop, cols, optimize=True).astype(np.float32), fields={})

    def digest(self) -> str:
        """Return what identifies these crops."""
        return f"crops {self.size} of {self.dataset.source.digest()}"

    def name(self, index: int) -> str:
        """Return where a crop comes from."""
        return f"{self.dataset.source.name(self.ids[index // len(self.corners)])}, crop {index % len(self.corners)}"


def _enlarging(small: int, large: int) -> Float[np.ndarray, "large small"]:
    """Return bilinear enlargement along one axis as a matrix, pixel centres at halves."""
    at = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(small)), 0)
