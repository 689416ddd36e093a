"""A folder of images: every image below it, in order of path; labels from folder names or a CSV."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.data.formats import IMAGE_SUFFIXES, images_below
from cnnviz_jax.data.images import crop_share_for, fit, open_image
from cnnviz_jax.data.source import Example
from cnnviz_jax.errors import CnnvizError, UsageError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """The images of a folder; the digest covers paths and sizes, not their bytes."""

    root: Path
    paths: tuple[str, ...]
    sizes: tuple[int, ...]
    input_shape: tuple[int, int, int]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...] = ()
    """Names of the labels, in order, where folders gave them."""
    crop_share: float

    @classmethod
    def open(
        cls, root: Path, input_shape: tuple[int, int, int], *, labels: str | None, crop_share: float | None
    ) -> FolderSource:
        """Return the source of a folder.

        Raises:
            UsageError: No images, labels that do not fit them, or a crop share outside (0, 1].
        """
        if input_shape[2] not in (1, 3):
            raise UsageError(f"image files have 1 or 3 channels, the model takes {input_shape[2]}; use .npz or zarr")
        share = crop_share_for(input_shape, crop_share)
        files = images_below(root)
        if not files:
            raise UsageError(f"no images in {root}; {', '.join(IMAGE_SUFFIXES)} count")
        paths = tuple(files)
        numbers: Any = None
        classes: tuple[str, ...] = ()
        if labels == "folders":
            numbers, classes = _from_folders(paths, root)
        elif labels is not None:
            numbers = _from_csv(Path(labels), paths)
        return cls(
            root=root,
            paths=paths,
            sizes=tuple(path.stat().st_size for path in files.values()),
            input_shape=input_shape,
            labels=numbers,
            classes=classes,
            crop_share=share,
        )

    @property
    def fields(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """The label, where there are labels."""
        return {} if self.labels is None else {"label": ((), "int32")}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Example:
        """Return an image decoded and fitted as `cnnviz_jax.load_image` does it."""
        fields = {} if self.labels is None else {"label": np.int32(self.labels[index])}
        height, width, channels = self.input_shape
        try:
            opened = open_image(self.root / self.paths[index], channels, least_px=max(height, width))
            image = fit(opened, height, width, self.crop_share)
        except (CnnvizError, OSError, MemoryError, ValueError, ZeroDivisionError) as error:
            return Example(image=None, error=str(error).replace(f"{self.root}/", ""), fields=fields)
        return Example(image=image, fields=fields)

    def digest(self) -> str:
        """Return a hash of the list of paths, sizes and labels, and of how images are fitted."""
        lines = [f"crop {self.crop_share!r}", *(f"{p}\0{s}" for p, s in zip(self.paths, self.sizes, strict=True))]
        return hashlib.sha256("\n".join([*lines, repr(self.labels)]).encode()).hexdigest()

    def name(self, index: int) -> str:
        """Return the path below the folder."""
        return self.paths[index]


def _from_folders(paths: tuple[str, ...], root: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    loose = [path for path in paths if "/" not in path]
    if loose:
        raise UsageError(f'labels = "folders" needs every image in a folder of its class; {root}/{loose[0]} is not')
    classes = tuple(sorted({path.split("/")[0] for path in paths}))
    return tuple(classes.index(path.split("/")[0]) for path in paths), classes


def _from_csv(table: Path, paths: tuple[str, ...]) -> tuple[int, ...]:
    if not table.is_file():
        raise UsageError(f'no labels at {str(table)!r}; give a CSV with a path and a label a line, or "folders"')
    with open(table, newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and (len(rows[0]) < 2 or not rows[0][1].strip().lstrip("-").isdigit()):
        rows = rows[1:]  # a heading
    known = {}
    for number, row in enumerate(rows, 1):
        if len(row) < 2 or not row[1].strip().lstrip("-").isdigit():
            raise UsageError(f"{table}: row {number} is no path and whole number: {','.join(row)!r}")
        known[row[0].strip()] = int(row[1])
    if not any(path in known for path in paths):
        near = did_you_mean(paths[0], known)
        raise UsageError(f"{table} names none of the images, such as {paths[0]!r}.{near}")
    return tuple(known.get(path, -1) for path in paths)
