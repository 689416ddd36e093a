"""The source that a path or a reference names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cnnviz_jax.data.arrays import NpzSource, ZarrSource
from cnnviz_jax.data.factory import FactorySource
from cnnviz_jax.data.folder import FolderSource
from cnnviz_jax.data.held import Held
from cnnviz_jax.data.records import is_record_word, open_records
from cnnviz_jax.data.source import Source
from cnnviz_jax.data.tars import TarSource, is_tar
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins.references import is_reference

Digest = Literal["ends", "full"]


def open_source(
    word: str,
    input_shape: tuple[int, int, int],
    *,
    labels: str | None = None,
    crop_share: float | None = None,
    digest: Digest = "ends",
    space: Held | None = None,
) -> Source:
    """Return the source that a word names.

    Args:
        word: A folder of images, an `.npz` or `.zarr` with `images`, a `.tar` of WebDataset's or several of them
            (`images-{000..009}.tar`), `hf:NAME@SPLIT`, `tfds:NAME@SPLIT`, an `.array_record`, or
            `package.module:factory`.
        input_shape: Height, width, channels that the model takes.
        labels: `folders`, or a CSV file with a path and a label a line; for folders of images.
        crop_share: See `cnnviz_jax.load_image`; for folders of images.
        digest: Whether the source's digest covers the `ends` of every file, 4 KiB each and its size, or the `full`
            file, which reads the whole data set once.
        space: How inputs that are no images are held as such: arrays may have their own axes.

    Raises:
        UsageError: There is no such source, or its images do not fit the model.
    """
    path, full = Path(word), digest == "full"
    is_npz = path.suffix == ".npz"
    is_zarr = path.is_dir() and any((path / mark).exists() for mark in ("zarr.json", ".zgroup", ".zarray"))
    is_of_images = is_tar(word) or is_record_word(word) or (path.is_dir() and not is_npz and not is_zarr)
    if space is not None and is_of_images:
        raise UsageError(
            f"{word} is a source of images, and the model takes {space.words} of shape {tuple(space.shape)}; give an "
            "array, an .npz or .zarr with `images` (n, *shape), or package.module:factory"
        )
    if is_tar(word) or is_record_word(word):
        if labels is not None:
            raise UsageError(f"labels {labels!r} are for folders of images; {word} brings its own")
        if is_tar(word):
            return TarSource.open(word, input_shape, crop_share=crop_share, full_digest=full)
        return open_records(word, input_shape, crop_share=crop_share, full_digest=full)
    is_there = path.exists()
    if not is_there and not is_reference(word):
        raise UsageError(
            f"no source {word!r}; name a folder of images, an .npz, .zarr or .tar file, hf:NAME@SPLIT, "
            "tfds:NAME@SPLIT, or package.module:factory"
        )
    if path.is_dir() and not is_npz and not is_zarr:
        return FolderSource.open(path, input_shape, labels=labels, crop_share=crop_share, full_digest=full)
    if is_there and not is_npz and not is_zarr:
        raise UsageError(f"the source {word!r} is a {path.suffix or 'plain'} file; .npz and .zarr can be read")
    if labels is not None:
        raise UsageError(f"labels {labels!r} are for folders of images; {word} brings its own field `label`")
    if not is_there:
        return FactorySource(word, input_shape, full_digest=full, space=space)
    if is_npz:
        return NpzSource(path, input_shape, space=space)
    return ZarrSource(path, input_shape, full_digest=full, space=space)
