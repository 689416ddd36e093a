"""Images for the sweeps that `sweep.py` runs: generated ones, and a folder's repeated to 500."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.data.formats import IMAGE_SUFFIXES
from cnnviz_jax.data.images import fit, open_image
from cnnviz_plugins.models.shapes.images import draw_scenes

IMAGES = Path(os.environ.get("CNNVIZ_BENCHMARK_IMAGES", Path(__file__).parents[2] / "shared" / "data" / "images"))


class Shapes:
    """Test images of the bundled network's own family."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Any]:
        (image,) = draw_scenes([index])
        return {"image": image.image, "label": np.int32(image.label)}

    def digest(self) -> str:
        """Return what tells this list of images from another."""
        return f"shapes test {self._count}"


class Repeated:
    """The images of a folder, over and over, fitted to 224 pixels as published ImageNet numbers have it."""

    def __init__(self, folder: Path, count: int) -> None:
        self._files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": fit(open_image(self._files[index % len(self._files)], 3), 224, 224, 224 / 256)}

    def digest(self) -> str:
        """Return what tells this list of images from another."""
        sizes = [(path.name, path.stat().st_size) for path in self._files]
        return hashlib.sha256(repr((sizes, self._count)).encode()).hexdigest()

    def name(self, index: int) -> str:
        """Return the image's name for messages."""
        return f"{self._files[index % len(self._files)].name}, time {index // len(self._files)}"


def shapes_2000() -> Shapes:
    return Shapes(2000)


def images_500() -> Repeated:
    return Repeated(IMAGES, 500)
