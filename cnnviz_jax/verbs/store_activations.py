"""`cv.store_activations`: a layer's values at sampled positions of a data set, on disk."""

from pathlib import Path
from typing import Any

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine import Chunk, Progress, as_callable, root_key
from cnnviz_jax.engine.activations import (
    ActivationPlan,
    ActivationStore,
    Sampling,
    StoredAs,
    open_store,
    planned,
    write_store,
)
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.verbs.outermost import verb


@verb
def store_activations(
    model: Model,
    images: Any,
    folder: str | Path,
    *,
    layer: str | None = None,
    positions: int = 4,
    margin: int = 1,
    dtype: StoredAs = "float16",
    shard_images: int = 4096,
    key: Any = None,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
) -> ActivationStore:
    """Write a layer's values at sampled positions of every image to a folder, for `cv.learn_dictionary`.

    A run that was stopped resumes where it was: a shard that is whole is not computed again. The same call on a
    finished folder opens it.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        images: As for `cv.survey`.
        folder: Where to write.
        layer: The layer; the last one with a map when not given.
        positions: Positions of an image, drawn without repetition; all where there are fewer.
        margin: Positions at each border that are left out: padding makes features of its own.
        dtype: `float16` keeps 11 bits of each number, beside one scale for all; `float32` keeps all.
        shard_images: Images of one shard, held in memory at once.
        key: Seed or key of the positions.
        batch: Images at once.
        memory_budget: Bytes the compiled program may need; `None` for a share of what is free.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Returns:
        The rows: index them like an array, `mean` and `variance` of each channel, `index` with image, row and column.

    Raises:
        CnnvizError: A subclass says which of image, layer, number or folder does not fit, and what would.

    Cost: one forward pass per image, up to the layer; `cv.plan_activations` says how many bytes on disk.
    Randomness: positions from `fold_in(key, number of the image)`, so neither batches nor shards matter.
    """
    dataset, plan = _planned(model, images, layer, positions, margin, dtype, shard_images)
    return write_store(
        plan, model, dataset, folder, root_key(key),
        batch=batch, memory_budget=memory_budget, progress=as_callable(progress),
    )  # fmt: skip


def plan_activations(
    model: Model,
    images: Any,
    *,
    layer: str | None = None,
    positions: int = 4,
    margin: int = 1,
    dtype: StoredAs = "float16",
    shard_images: int = 4096,
) -> ActivationPlan:
    """Return what `cv.store_activations` would take, rows and bytes on disk and in memory; nothing runs.

    Raises:
        CnnvizError: As `cv.store_activations`.
    """
    return _planned(model, images, layer, positions, margin, dtype, shard_images)[1]


def open_activations(folder: str | Path) -> ActivationStore:
    """Return the rows that `cv.store_activations` wrote to a folder.

    Raises:
        ResultFileError: There are none, or a run that wrote them was stopped before its end.
    """
    return open_store(folder)


def _planned(
    model: Model, images: Any, layer: str | None, positions: int, margin: int, dtype: StoredAs, shard_images: int
) -> tuple[Dataset, ActivationPlan]:
    require_model(model)
    row = model.map_layer(None) if layer is None else model.layers[layer]
    sampling = Sampling(layer=row.name, shape=row.shape, positions=positions, margin=margin)
    dataset = Dataset.of(images, model.input_shape)
    return dataset, planned(sampling, len(dataset), shard_images=shard_images, dtype=dtype)
