"""Which files count as images, alone and in folders. Light."""

from __future__ import annotations

from pathlib import Path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
"""File names that count as images when a folder is given, and that are never taken for a model."""


def images_below(folder: Path) -> dict[str, Path]:
    """Return the images of a folder and of all folders below it, by their paths below it, in order of path."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in files}


def pillow_formats() -> list[str]:
    """Return the names under which Pillow knows the formats of those suffixes; import its readers.

    Nothing else is tried, whatever a file holds: Pillow hands EPS to Ghostscript, a program that runs what the file
    says, and readers of rare formats are where the faults are.
    """
    from PIL import Image

    Image.init()
    registered = Image.registered_extensions()
    return sorted({registered[suffix] for suffix in IMAGE_SUFFIXES if suffix in registered})
