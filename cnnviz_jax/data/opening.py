"""The source that a path or a reference names."""

from __future__ import annotations

from pathlib import Path

from cnnviz_jax.data.source import Source
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins.references import is_reference


def open_source(
    word: str, input_shape: tuple[int, int, int], *, labels: str | None = None, crop_share: float | None = None
) -> Source:
    """Return the source that a word names.

    Args:
        word: A folder of images, an `.npz` or `.zarr` with `images`, or `package.module:factory`.
        input_shape: Height, width, channels that the model takes.
        labels: `folders`, or a CSV file with a path and a label a line; for folders of images.
        crop_share: See `cnnviz_jax.load_image`; for folders of images.

    Raises:
        UsageError: There is no such source, or its images do not fit the model.
    """
    path = Path(word)
    if is_reference(word) and not path.exists():
        from cnnviz_jax.data.factory import FactorySource

        _refuse_labels(labels, word)
        return FactorySource(word, input_shape)
    if not path.exists():
        raise UsageError(
            f"no source {word!r}; name a folder of images, an .npz or .zarr file, or package.module:factory"
        )
    if path.suffix == ".npz":
        from cnnviz_jax.data.arrays import NpzSource

        _refuse_labels(labels, word)
        return NpzSource(path, input_shape)
    if path.is_dir() and any((path / mark).exists() for mark in ("zarr.json", ".zgroup", ".zarray")):
        from cnnviz_jax.data.arrays import ZarrSource

        _refuse_labels(labels, word)
        return ZarrSource(path, input_shape)
    if path.is_dir():
        from cnnviz_jax.data.folder import FolderSource

        return FolderSource.open(path, input_shape, labels=labels, crop_share=crop_share)
    raise UsageError(f"the source {word!r} is a {path.suffix or 'plain'} file; .npz and .zarr can be read")


def _refuse_labels(labels: str | None, word: str) -> None:
    if labels is not None:
        raise UsageError(f"labels {labels!r} are for folders of images; {word} brings its own field `label`")
