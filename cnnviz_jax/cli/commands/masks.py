"""Masks of objects from files: white where the object is, one file per image, of the same name or in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from cnnviz_jax.cli.positionals import ImageFile
from cnnviz_jax.data.formats import IMAGE_SUFFIXES, images_below
from cnnviz_jax.errors import ImageError

if TYPE_CHECKING:
    from cnnviz_jax.model.model import Model


def mask_files(folder: str | None, images: Sequence[ImageFile]) -> list[Path] | None:
    """Return the mask of each image: the file below `folder` of the image's name, whatever its suffix.

    Those of an `.npz` are called `frames.npz[0].png` and so on.

    Raises:
        ImageError: The folder or a mask is missing.
    """
    if folder is None:
        return None
    path = Path(folder)
    if not path.is_dir():
        raise ImageError(f"no folder of masks at {folder!r}")
    by_name = {_stem(name): file for name, file in images_below(path).items()}
    absent = [_stem(image.name) for image in images if _stem(image.name) not in by_name]
    if absent:
        raise ImageError(f"no mask for {', '.join(map(repr, absent[:4]))} in {folder!r}; masks have the images' names")
    return [by_name[_stem(image.name)] for image in images]


def load_masks(files: list[Path] | None, model: Model) -> Any:
    """Return the masks as (n, h, w), true where a file is brighter than half, fitted as images are."""
    if files is None:
        return None
    import numpy as np

    from cnnviz_jax.data.images import crop_share_for, fit, open_image

    height, width, _ = model.input_shape
    share = crop_share_for(model.input_shape, None)
    return np.stack([fit(open_image(file, 1), height, width, share)[..., 0] > 0.5 for file in files])


def _stem(name: str) -> str:
    """Return a name without its suffix; `frames.npz[1]`, an image of an array, has none."""
    path = PurePosixPath(name)
    return path.with_suffix("").as_posix() if path.suffix.lower() in IMAGE_SUFFIXES else name
