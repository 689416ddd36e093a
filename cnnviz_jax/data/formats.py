"""Which files count as images, alone and in folders. Light."""

from __future__ import annotations

import os
from pathlib import Path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
"""File names that count as images when a folder is given, and that are never taken for a model."""


def images_below(folder: Path) -> dict[str, Path]:
    """Return the images of a folder and of all folders below it, by their paths below it, in order of path.

    What is called an image and is none, such as a named pipe or a link that leads nowhere, is among them: who reads it
    is to say so, and to count it.
    """
    # Not `Path.rglob`, which raises where a folder goes while it is read.
    every = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    files = sorted(path for path in every if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir())
    return {path.relative_to(folder).as_posix(): path for path in files}
