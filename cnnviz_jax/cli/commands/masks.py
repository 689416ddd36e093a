"""Masks of objects from files: white where the object is, one file per image, of the same name or in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz_jax.errors import ImageError

if TYPE_CHECKING:
    from cnnviz_jax.model.model import Model


def mask_files(folder: str | None, images: Sequence[Path]) -> list[Path] | None:
    """Return the mask of each image: the file of that name, whatever its suffix, in `folder`.

    Raises:
        ImageError: The folder or a mask is missing.
    """
    if folder is None:
        return None
    path = Path(folder)
    if not path.is_dir():
        raise ImageError(f"no folder of masks at {folder!r}")
    by_name = {child.stem: child for child in sorted(path.iterdir()) if child.is_file()}
    absent = [image.stem for image in images if image.stem not in by_name]
    if absent:
        raise ImageError(f"no mask for {', '.join(map(repr, absent[:4]))} in {folder!r}; masks have the images' names")
    return [by_name[image.stem] for image in images]


def load_masks(files: list[Path] | None, model: Model) -> Any:
    """Return the masks as (n, h, w), true where a file is brighter than half, fitted as images are."""
    if files is None:
        return None
    from types import SimpleNamespace

    import numpy as np

    from cnnviz_jax.data.images import load_image

    # A mask is fitted as its image is, but has one channel.
    like: Any = SimpleNamespace(input_shape=(*model.input_shape[:2], 1))
    return np.stack([load_image(file, like)[..., 0] > 0.5 for file in files])
