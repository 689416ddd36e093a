"""A folder of images: every image below it, in order of path; labels from folder names or a CSV."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from cnnviz_jax.data.formats import IMAGE_SUFFIXES, images_below
from cnnviz_jax.data.images import crop_share_for, fit, open_image
from cnnviz_jax.data.source import Example
from cnnviz_jax.errors import CnnvizError, UsageError, did_you_mean, reason_of
from cnnviz_jax.files import content_marks
from cnnviz_jax.options.checks import in_short
from cnnviz_jax.reading.bounds import told


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """The images of a folder; the digest covers their paths, sizes, first and last bytes, or all bytes."""

    root: Path
    paths: tuple[str, ...]
    input_shape: tuple[int, int, int]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...] = ()
    """Names of the labels, in order, where folders gave them."""
    class_indices: tuple[int, ...] = ()
    """For each label the class index that a model gives it; none where labels are class indices."""
    crop_share: float
    full_digest: bool = False
    """Whether the digest covers all bytes of the files."""

    @classmethod
    def open(
        cls,
        root: Path,
        input_shape: tuple[int, int, int],
        *,
        labels: str | None,
        crop_share: float | None,
        full_digest: bool = False,
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
        labelled = _labelled(labels, paths, root)
        return cls(
            root=root, paths=paths, input_shape=input_shape, crop_share=share, full_digest=full_digest, **labelled
        )

    def numbered_as(self, class_names: Sequence[str]) -> FolderSource:
        """Return the source with a model's class indices for labels, where every folder is called like a class of it.

        Else folders stay numbered in order of name, as ImageNet's are. The digest does not tell: it is of the files.
        """
        if not self.classes or not set(self.classes) <= set(class_names):
            return self
        indices = tuple(list(class_names).index(name) for name in self.classes)
        return dataclasses.replace(self, classes=tuple(class_names), class_indices=indices)

    @property
    def fields(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """The label, where there are labels."""
        return {} if self.labels is None else {"label": ((), "int32")}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Example:
        """Return an image decoded and fitted as `cnnviz_jax.load_image` does it."""
        fields = {}
        if self.labels is not None:
            label = self.labels[index]
            fields["label"] = np.int32(self.class_indices[label] if self.class_indices else label)
        height, width, channels = self.input_shape
        try:
            opened = open_image(self.root / self.paths[index], channels, least_px=max(height, width))
            image = fit(opened, height, width, self.crop_share)
        except (CnnvizError, OSError, MemoryError, ValueError, ZeroDivisionError) as error:
            return Example(image=None, error=str(error).replace(f"{self.root}/", ""), fields=fields)
        return Example(image=image, fields=fields)

    def digest(self) -> str:
        """Return a hash of the list of paths, contents and labels, and of how images are fitted; reads every file."""
        marks = content_marks([self.root / path for path in self.paths], full=self.full_digest)
        lines = [f"crop {self.crop_share!r}", *(f"{p}\0{mark}" for p, mark in zip(self.paths, marks, strict=True))]
        return hashlib.sha256("\n".join([*lines, repr(self.labels)]).encode()).hexdigest()

    def name(self, index: int) -> str:
        """Return the path below the folder."""
        return self.paths[index]


def with_class_names(source: Any, class_names: Sequence[str]) -> Any:
    """Return a source with a model's class indices for labels, where it is a folder that can be numbered so."""
    return source.numbered_as(class_names) if isinstance(source, FolderSource) else source


class _Labelled(TypedDict):
    labels: tuple[int, ...] | None
    classes: tuple[str, ...]


def _labelled(labels: str | None, paths: tuple[str, ...], root: Path) -> _Labelled:
    """Return the fields that say what the images show: `"folders"` names their folders, another word a CSV file."""
    if labels is None:
        return {"labels": None, "classes": ()}
    if labels == "folders":
        numbers, classes = _from_folders(paths, root)
        return {"labels": numbers, "classes": classes}
    return {"labels": _from_csv(Path(labels), paths), "classes": ()}


def _from_folders(paths: tuple[str, ...], root: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    loose = [path for path in paths if "/" not in path]
    if loose:
        raise UsageError(f'labels = "folders" needs every image in a folder of its class; {root}/{loose[0]} is not')
    classes = tuple(sorted({path.split("/")[0] for path in paths}))
    return tuple(classes.index(path.split("/")[0]) for path in paths), classes


def _from_csv(table: Path, paths: tuple[str, ...]) -> tuple[int, ...]:
    if not table.is_file():
        raise UsageError(f'no labels at {str(table)!r}; give a CSV with a path and a label a line, or "folders"')
    try:
        with told(), open(table, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError) as error:
        raise UsageError(f"{table} cannot be read as CSV: {reason_of(error)}") from error
    if rows and not _is_row(rows[0]):
        rows = rows[1:]  # a heading
    known = {}
    for number, row in enumerate(rows, 1):
        if not _is_row(row):
            raise UsageError(f"{table}: row {number} is no path and whole number: {in_short(','.join(row))}")
        known[row[0].strip()] = int(row[1])
    if not any(path in known for path in paths):
        near = did_you_mean(paths[0], known)
        raise UsageError(f"{table} names none of the images, such as {paths[0]!r}.{near}")
    return tuple(known.get(path, -1) for path in paths)


def _is_row(row: list[str]) -> bool:
    """Return whether a row holds a path and a label: a whole number, which an array of 32 bits can hold."""
    return len(row) > 1 and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", row[1]) is not None
