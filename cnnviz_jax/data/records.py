"""Images in data sets of other libraries, read where these have put them: Hugging Face, TFDS and ArrayRecord.

Nothing is downloaded: what is not on this machine is refused with a sentence.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnnviz_jax.data.images import crop_share_for, fit, image_in, to_channels
from cnnviz_jax.data.source import Example, Reopened, to_float
from cnnviz_jax.errors import UsageError, printable, reason_of
from cnnviz_jax.extras import require
from cnnviz_jax.files import content_marks

_LIBRARIES = ("hf:", "tfds:")
_NAMED = re.compile(r"(?P<library>hf|tfds):(?P<name>[^@]+)@(?P<split>\w+)")


class RecordSource(Reopened):
    """A list of records that a library reads: `open_it()` gives it, again in each process that decodes."""

    opened = ("_records",)

    def __init__(
        self, word: str, open_it: Callable[[], Any], input_shape: tuple[int, int, int], crop_share: float | None
    ) -> None:
        """Open the list.

        Args:
            word: What the user named it.
            open_it: Returns a list of bytes, arrays, Pillow's images, or mappings with `image` and `label`; picklable.
            input_shape: Height, width, channels that the model takes.
            crop_share: See `cnnviz_jax.load_image`.
        """
        self._word, self._open_it, self._shape = word, open_it, input_shape
        self._share = crop_share_for(input_shape, crop_share)
        self._open()
        if not len(self):
            raise UsageError(f"{word} has no images")
        first = self._records[0]
        has_label = isinstance(first, Mapping) and isinstance(first.get("label"), int | np.integer)
        self.fields: dict[str, tuple[tuple[int, ...], str]] = {"label": ((), "int32")} if has_label else {}
        self.classes: tuple[str, ...] = tuple(getattr(self._records, "classes", ()))

    def _open(self) -> None:
        self._records = self._open_it()

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Example:
        """Return an image and its label, or why it cannot be read."""
        fields: dict[str, Any] = {"label": np.int32(-1)} if self.fields else {}
        try:
            record = self._records[index]
            if isinstance(record, Mapping):
                if self.fields and record.get("label") is not None:
                    fields["label"] = np.int32(record["label"])
                record = record["image"]
            return Example(image=self._image(record, index), fields=fields)
        except Exception as error:  # whatever the library raises for a damaged record
            return Example(image=None, error=printable(f"{type(error).__name__}: {error}", 300), fields=fields)

    def _image(self, record: Any, index: int) -> np.ndarray:
        height, width, channels = self._shape
        if isinstance(record, np.ndarray):
            return to_float(record, self._shape)
        if isinstance(record, bytes):
            found = image_in(record, self.name(index), channels, least_px=max(height, width))
        else:
            found = to_channels(record, self.name(index), channels)
        return fit(found, height, width, self._share)

    def digest(self) -> str:
        """Return the list's own fingerprint with the way that images are fitted."""
        text = f"{self._records.digest()} {len(self)} crop {self._share!r}"
        return hashlib.sha256(text.encode()).hexdigest()

    def name(self, index: int) -> str:
        """Return the number."""
        return f"image {index}"


def is_record_word(word: str) -> bool:
    """Return whether a word names records: `hf:NAME@SPLIT`, `tfds:NAME@SPLIT` or an ArrayRecord file."""
    return word.startswith(_LIBRARIES) or word.endswith((".array_record", ".arrayrecord"))


def open_records(
    word: str, input_shape: tuple[int, int, int], *, crop_share: float | None, full_digest: bool
) -> RecordSource:
    """Return the source that such a word names.

    Raises:
        UsageError: The library is not installed, or the data set is not on this machine or holds no images.
    """
    if not word.startswith(_LIBRARIES):
        return RecordSource(word, _ArrayRecords(word, full_digest), input_shape, crop_share)
    found = _NAMED.fullmatch(word)
    if found is None:
        kind = word.partition(":")[0]
        raise UsageError(
            f"{word!r} is no {kind}:NAME@SPLIT, such as {kind}:mnist@test, or {kind}:FOLDER@SPLIT of what was saved"
        )
    if found["library"] == "tfds":
        return RecordSource(word, _Tfds(found["name"], found["split"], full_digest), input_shape, crop_share)
    return RecordSource(word, _HuggingFace(found["name"], found["split"]), input_shape, crop_share)


class _HuggingFace:
    """Opens a data set of Hugging Face's from its local cache, or from a folder that `save_to_disk` wrote."""

    def __init__(self, name: str, split: str) -> None:
        self.name, self.split = name, split

    def __call__(self) -> _HuggingFaceRows:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the package is imported
        os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
        datasets = require("datasets", extra="hf", what="a data set of Hugging Face's")
        try:
            if Path(self.name).is_dir():
                found = datasets.load_from_disk(self.name)
            else:
                local = datasets.DownloadConfig(local_files_only=True)
                found = datasets.load_dataset(self.name, split=self.split, download_config=local)
        except Exception as error:  # of many types, its own and those of the file system
            raise UsageError(
                f"the data set {self.name!r}, split {self.split!r}, is not in the local cache, and nothing is "
                f"downloaded unasked: {printable(reason_of(error), 200)}"
            ) from error
        if isinstance(found, Mapping):
            if self.split not in found:
                raise UsageError(f"{self.name} has no split {self.split!r}; it has {', '.join(map(str, found))}")
            found = found[self.split]
        elif found.split is not None and str(found.split) != self.split:
            raise UsageError(f"{self.name} is the split {str(found.split)!r}, not {self.split!r}")
        return _HuggingFaceRows(found, _image_column(self.name, found.features))


def _image_column(name: str, features: Mapping[str, Any]) -> str:
    """Return the one column of images, which both libraries describe by a class of that name."""
    columns = [column for column, kind in features.items() if type(kind).__name__ == "Image"]
    if len(columns) != 1:
        raise UsageError(f"{name} has to have one column of images, it has {', '.join(columns) or 'none'}")
    return columns[0]


class _HuggingFaceRows:
    """Rows of a data set: the one column of images, and the label where there is one."""

    def __init__(self, rows: Any, column: str) -> None:
        self._rows, self._column = rows, column
        label = rows.features.get("label")
        self._has_label = label is not None
        self.classes = tuple(getattr(label, "names", None) or ())

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows[int(index)]
        return {"image": row[self._column]} | ({"label": row["label"]} if self._has_label else {})

    def digest(self) -> str:
        return str(self._rows._fingerprint)


class _Tfds:
    """Opens a data set that TFDS prepared for random access: in its own folder, or in one that is named.

    TensorFlow is not needed: such a data set lies in ArrayRecord files, and TFDS decodes them by itself.
    """

    def __init__(self, name: str, split: str, full_digest: bool) -> None:
        self.name, self.split, self.full_digest = name, split, full_digest

    def __call__(self) -> _TfdsRows:
        tfds = require("tensorflow_datasets", extra="tfds", what="a data set of TFDS's")
        try:
            folder = Path(self.name).is_dir()
            builder = tfds.builder_from_directory(self.name) if folder else tfds.builder(self.name, try_gcs=False)
            splits = builder.info.splits
            if not splits:
                raise LookupError("no files of it were found")
            rows = builder.as_data_source(split=self.split) if self.split in splits else None
        except Exception as error:  # of many types, its own and those of the file system
            raise UsageError(
                f"the data set {self.name!r} is not prepared on this machine with file_format='array_record', and "
                f"nothing is downloaded unasked: {printable(reason_of(error), 200)}"
            ) from error
        if rows is None:
            listed = ", ".join(splits) or "none"
            raise UsageError(f"{self.name} has no split {self.split!r} on this machine; it has {listed}")
        return _TfdsRows(
            rows, _image_column(self.name, builder.info.features), builder.info, self.split, self.full_digest
        )


class _TfdsRows:
    """Rows of a prepared data set: the one column of images, and the label where there is one."""

    def __init__(self, rows: Any, column: str, info: Any, split: str, full_digest: bool) -> None:
        self._rows, self._column, self._full = rows, column, full_digest
        self._name, self._files = f"{info.full_name} {split}", [Path(path) for path in info.splits[split].filepaths]
        self._has_label = "label" in info.features
        self.classes = tuple(getattr(info.features["label"], "names", None) or ()) if self._has_label else ()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows[int(index)]
        pixels = row[self._column]  # h w 1, h w 3 or h w 4
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        return {"image": image} | ({"label": int(row["label"])} if self._has_label else {})

    def digest(self) -> str:
        return f"{self._name} {' '.join(content_marks(self._files, full=self._full))}"


class _ArrayRecords:
    """Opens an ArrayRecord file whose records are encoded images."""

    def __init__(self, path: str, full_digest: bool) -> None:
        self.path, self.full_digest = path, full_digest

    def __call__(self) -> _ArrayRecordRows:
        if not Path(self.path).is_file():
            raise UsageError(f"no ArrayRecord file at {self.path!r}")
        module = require("array_record.python.array_record_data_source", extra="sweep", what="an ArrayRecord file")
        try:
            return _ArrayRecordRows(module.ArrayRecordDataSource([self.path]), Path(self.path), self.full_digest)
        except Exception as error:  # its readers raise plain RuntimeErrors
            raise UsageError(
                f"{self.path} cannot be read as ArrayRecord: {printable(reason_of(error), 200)}"
            ) from error


class _ArrayRecordRows:
    """The records of one file, each a file of an image."""

    def __init__(self, rows: Any, path: Path, full_digest: bool) -> None:
        self._rows, self._path, self._full = rows, path, full_digest

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> bytes:
        found: bytes = self._rows[int(index)]
        return found

    def digest(self) -> str:
        return next(iter(content_marks([self._path], full=self._full)))
