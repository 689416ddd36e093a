"""Rows on disk: shards of images, each whole or absent, so that a run that was stopped resumes where it was.

A store is a folder with `store.json`, which says what it is of, and a pair of files for every shard: the rows as
`rows-00000.npy` and where each is from as `index-00000.npy`. Shards hold images by number; nothing in them depends on
batches, and a shard that is there is not computed again.
"""

import dataclasses
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.activations.sampling import Sampling, sampled
from cnnviz_jax.engine.chunk_planning import Chunk
from cnnviz_jax.engine.keys import key_text
from cnnviz_jax.errors import ResultFileError, UsageError, reason_of
from cnnviz_jax.files import drop_temporaries, read_json, whole, write_json
from cnnviz_jax.model.digests import weights_digest
from cnnviz_jax.model.model import Model
from cnnviz_jax.progress.bars import Progress, silent
from cnnviz_jax.reading.forms import check_entries
from cnnviz_jax.reading.numpy_files import read_npy

_ABOUT = "store.json"
_FORM: dict[str, Any] = {
    "layer": str, "shape": list[int], "shards": int, "scale": float | int, "dtype": str, "counts": dict[str, list[int]],
}  # fmt: skip
_MOST_SHARDS = 100_000
StoredAs = Literal["float16", "float32"]


@dataclass(frozen=True, kw_only=True)
class ActivationPlan:
    """What a store will take, before anything runs."""

    sampling: Sampling
    images: int
    shard_images: int
    """Images of one shard."""
    dtype: StoredAs

    @property
    def rows(self) -> int:
        """Rows, at most: those that are not finite are left out."""
        return self.images * self.sampling.each

    @property
    def shards(self) -> int:
        """Pairs of files."""
        return -(-self.images // self.shard_images)

    @property
    def disk_bytes(self) -> int:
        """Bytes of all shards: the rows, and three whole numbers for each."""
        return self.rows * (self.sampling.channels * np.dtype(self.dtype).itemsize + 12)

    @property
    def memory_bytes(self) -> int:
        """Bytes of one shard in memory, beside the network's own."""
        return min(self.shard_images, self.images) * self.sampling.each * (4 * self.sampling.channels + 12)

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows of {self.sampling.channels} channels of {self.sampling.layer}, "
            f"{self.sampling.each} of each of {self.images:,} images: {self.disk_bytes / 1e6:,.1f} MB on disk in "
            f"{self.shards} shards, {self.memory_bytes / 1e6:,.1f} MB of memory"
        )


def planned(
    sampling: Sampling, images: int, *, shard_images: int = 4096, dtype: StoredAs = "float16"
) -> ActivationPlan:
    """Return what a store will take.

    Raises:
        UsageError: A number is out of range.
    """
    if shard_images < 1:
        raise UsageError(f"a shard holds 1 image or more, got {shard_images}")
    if dtype not in ("float16", "float32"):
        raise UsageError(f"rows are stored as float16 or float32, got {dtype!r}")
    return ActivationPlan(sampling=sampling, images=images, shard_images=shard_images, dtype=dtype)


@dataclass(frozen=True, eq=False)
class ActivationStore:
    """Rows of a layer's values on disk; index it by rows: what comes are floats of the layer's own size."""

    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """What it is of: model, weights, layer, source of the images, positions, seed, and how rows are stored."""
        return _checked(self.folder, _told_by(self.folder))

    @property
    def layer(self) -> str:
        """The layer."""
        return str(self.about["layer"])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and channels."""
        return int(self._ends[-1]), int(self.about["shape"][-1])

    @property
    def index(self) -> Int[np.ndarray, "n axes"]:
        """Image, row and column of every row."""
        return np.concatenate([_shard(path, "iu") for path in self._paths("index")])

    @property
    def mean(self) -> Float[np.ndarray, " c"]:
        """Mean of each channel over all rows."""
        return np.asarray(self.about["mean"])

    @property
    def variance(self) -> Float[np.ndarray, " c"]:
        """Variance of each channel over all rows."""
        return np.asarray(self.about["variance"])

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        rows, channels = self.shape
        return f"ActivationStore({rows} rows of {channels} channels of {self.layer}, in {self.folder})"

    def __getitem__(self, places: Any) -> Float[np.ndarray, "..."]:
        if isinstance(places, slice | int):
            places = np.arange(len(self))[places]
        places = np.asarray(places)
        flat = places.reshape(-1)
        found = np.zeros((len(flat), self.shape[1]), np.float32)
        # With ends 5 and 9, row 5 is the first of the second shard: hence "right", which passes empty shards, too.
        shard = np.searchsorted(self._ends, flat, side="right")
        begins = np.concatenate([[0], self._ends[:-1]])
        for number in np.unique(shard):
            own = shard == number
            found[own] = self._shards[number][flat[own] - begins[number]]
        return (found * np.float32(self.about["scale"])).reshape(*places.shape, -1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.float32)

    def _paths(self, what: str) -> list[Path]:
        return [self.folder / f"{what}-{i:05}.npy" for i in range(int(self.about["shards"]))]

    @cached_property
    def _shards(self) -> list[np.ndarray]:
        return [_shard(path, "f", self.about["shape"][-1]) for path in self._paths("rows")]

    @cached_property
    def _ends(self) -> Int[np.ndarray, " shards"]:
        return np.cumsum([len(shard) for shard in self._shards])


def open_store(folder: str | Path) -> ActivationStore:
    """Return the rows that a folder holds.

    Raises:
        ResultFileError: There are none, or a run that wrote them was stopped before its end.
    """
    folder = Path(folder)
    if not (folder / _ABOUT).is_file():
        raise ResultFileError(f"no activations in {str(folder)!r}; cv.store_activations writes such a folder")
    store = ActivationStore(folder)
    if "mean" not in store.about:
        raise ResultFileError(f"the activations in {str(folder)!r} are not complete; write them again to go on")
    _ = store.shape  # its files are there, of the sizes that it tells of
    return store


def _told_by(folder: Path) -> dict[str, Any]:
    """Return what a store says of itself, whatever that is.

    Raises:
        ResultFileError: It is no JSON object.
    """
    path = folder / _ABOUT
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise ResultFileError(f"{str(path)!r} is none of cv.store_activations: {reason_of(error)}") from error


def _checked(folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Return what a store says of itself.

    Raises:
        ResultFileError: It has another form than `write_store` gives it.
    """
    try:
        check_entries(about, _FORM, "it")
        if not about["shape"] or min(about["shape"]) < 1 or not 0 <= about["shards"] <= _MOST_SHARDS:
            raise ValueError("its sizes are none")
        if "mean" in about and not about["shards"]:
            raise ValueError("it says that it is whole, and has no rows")
        if "mean" in about and {np.shape(about["mean"]), np.shape(about["variance"])} != {(about["shape"][-1],)}:
            raise ValueError("its moments are not those of its channels")
    except (ValueError, LookupError, TypeError) as error:
        path = str(folder / _ABOUT)
        raise ResultFileError(f"{path!r} is none of cv.store_activations: {reason_of(error)}") from error
    return about


def _shard(path: Path, kinds: str, columns: int | None = None) -> np.ndarray:
    """Return the table of one file, of numbers of these kinds; rows are left on the disk.

    Raises:
        ResultFileError: It is missing, damaged or another's.
    """
    try:
        table = read_npy(path, in_memory=columns is None)
        if table.ndim != 2 or table.dtype.kind not in kinds or (columns is not None and table.shape[1] != columns):
            raise ValueError(f"it holds {table.dtype} {table.shape}")
    except (OSError, ValueError) as error:
        raise ResultFileError(f"{str(path)!r} is no file of activations: {reason_of(error)}") from error
    return table


def write_store(
    plan: ActivationPlan,
    model: Model,
    dataset: Dataset,
    folder: str | Path,
    key: Key[Array, ""],
    *,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress = silent,
) -> ActivationStore:
    """Write the rows of a data set to a folder, resuming where a run before was stopped; see `sampled`.

    Raises:
        UsageError: The folder holds rows of something else, the disk is too small, or no image can be read.
    """
    folder = Path(folder)
    about = _identity(plan, model, dataset, key)
    known = _told_by(folder) if (folder / _ABOUT).is_file() else {}
    if known and any(known.get(name) != value for name, value in about.items()):
        differ = next(name for name, value in about.items() if known.get(name) != value)
        raise UsageError(f"{str(folder)!r} holds activations of another {differ}; name another folder")
    known = _checked(folder, known) if known else {}
    # Written after the last shard, so that it says of a store that it is whole.
    if "mean" in known:
        return ActivationStore(folder)
    folder.mkdir(parents=True, exist_ok=True)
    drop_temporaries(folder)
    if (free := shutil.disk_usage(folder).free) < plan.disk_bytes:
        raise UsageError(f"{plan}; {str(folder)!r} has {free / 1e6:,.1f} MB left: sample fewer positions or images")
    counts = dict(known.get("counts", {}))
    scale = known.get("scale")
    for number in range(plan.shards):
        first = number * plan.shard_images
        last = min(first + plan.shard_images, plan.images)
        if str(number) not in counts:
            images = range(first, last)
            parts = list(sampled(plan.sampling, model, dataset, key, images, batch=batch, memory_budget=memory_budget))
            rows = np.concatenate([part.values for part in parts])
            index = np.concatenate([part.index for part in parts])
            # The first shard's scale is that of all, and stands in store.json: a run that resumes takes it from there.
            scale = scale or _scale(rows, plan.dtype)
            stored = (rows / np.float32(scale)).astype(plan.dtype)
            # Rows with a value of 65,520 scales and more, infinite in float16, are left out and counted, never clipped.
            fits = np.isfinite(stored).all(1)
            _write(folder / f"rows-{number:05}.npy", stored[fits])
            _write(folder / f"index-{number:05}.npy", index[fits])
            dropped = sum(part.dropped for part in parts) + int((~fits).sum())
            counts[str(number)] = [int(fits.sum()), dropped, sum(len(part.unreadable) for part in parts)]
            # After both files: the count says that a shard is there, so that one half written at a kill is done again.
            write_json(folder / _ABOUT, {**about, "scale": scale, "counts": counts})
        progress(last, plan.images, "images")
    if not sum(count for count, _, _ in counts.values()):
        raise UsageError(f"none of {plan.images} images gave a row: they cannot be read, or values are not finite")
    write_json(folder / _ABOUT, {**about, "scale": scale, "counts": counts, **_moments(ActivationStore(folder))})
    return ActivationStore(folder)


def _identity(plan: ActivationPlan, model: Model, dataset: Dataset, key: Key[Array, ""]) -> dict[str, Any]:
    return {
        "model": model.name,
        "weights": weights_digest(model),
        **dataclasses.asdict(plan.sampling),
        "shape": list(plan.sampling.shape),
        "source": f"{dataset.source.digest()} {_first(dataset)}",
        "images": plan.images,
        "shard_images": plan.shard_images,
        "shards": plan.shards,
        "dtype": plan.dtype,
        "seed": key_text(key),
        "jax": jax.__version__,
    }


def _first(dataset: Dataset) -> int:
    """Return a checksum of the first image: arrays in memory have no other name."""
    image = dataset.source[0].image
    return 0 if image is None else zlib.crc32(np.ascontiguousarray(image).tobytes())


def _scale(rows: Float[np.ndarray, "n c"], dtype: StoredAs) -> float:
    """Return a power of two near the values' usual size, so that float16 holds what is 60,000 times as large."""
    # A power of two, as dividing and multiplying by it round nothing.
    size = float(np.sqrt(np.square(rows, dtype=np.float64).mean())) if rows.size else 0.0
    return 2.0 ** round(np.log2(size)) if size > 0 and dtype == "float16" else 1.0


def _write(path: Path, array: np.ndarray) -> None:
    with whole(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)


def _moments(store: ActivationStore) -> dict[str, list[float]]:
    """Return mean and variance of every channel, from the shards in order."""
    # Twice over the rows: in one pass a variance is the mean square less the squared mean, and a channel whose mean is
    # large beside its spread loses its digits there.
    total, square = np.zeros(store.shape[1]), np.zeros(store.shape[1])
    for block in _blocks(store):
        total += block.sum(0)
    mean = total / len(store)
    for block in _blocks(store):
        square += ((block - mean) ** 2).sum(0)
    return {"mean": mean.tolist(), "variance": (square / len(store)).tolist()}


def _blocks(store: ActivationStore) -> Iterator[Float[np.ndarray, "n c"]]:
    for first in range(0, len(store), 65_536):
        yield store[first : first + 65_536].astype(np.float64)
