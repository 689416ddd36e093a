"""Which files count as images. Light."""

from __future__ import annotations

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
"""File names that count as images when a folder is given, and that are never taken for a model."""
