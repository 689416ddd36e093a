"""One pass of one or two networks over the same images: each image's layers as rows, its logits, and what moved."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.compiling import compiled
from cnnviz_jax.data.dataset import Dataset, ImageBatch
from cnnviz_jax.data.given import in_unit_range
from cnnviz_jax.engine.chunk_planning import Chunk, fitting
from cnnviz_jax.engine.reducers.reducer import by_position
from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.progress.bars import Progress, silent


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What networks make of some images, in the order of their numbers; images that could not be read are absent."""

    ids: Int[np.ndarray, " b"]
    """Numbers of the images in the data set."""
    labels: Int[np.ndarray, " b"]
    """-1 where unknown."""
    rows: tuple[tuple[Float[np.ndarray, "b _"], ...], ...]
    """By network and layer: one row per image, the mean over positions or the largest value."""
    logits: tuple[Float[np.ndarray, "b _"] | None, ...]
    """By network; `None` where it has no class scores."""
    squares: Float[np.ndarray, "b shared 3"]
    """Per image and shared layer, over all its values: Σa², Σb² and Σ(a - b)²."""
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What else was asked for beside the images."""

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, keep: slice | Bool[np.ndarray, " b"]) -> "Observed":
        """Return the same of some of the images."""
        return Observed(
            ids=self.ids[keep],
            labels=self.labels[keep],
            rows=tuple(tuple(table[keep] for table in each) for each in self.rows),
            logits=tuple(None if each is None else each[keep] for each in self.logits),
            squares=self.squares[keep],
            fields={name: each[keep] for name, each in self.fields.items()},
        )


def joined(parts: Sequence[Observed]) -> Observed:
    """Return several batches as one."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return Observed(
        ids=np.concatenate([part.ids for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        rows=tuple(
            tuple(np.concatenate([part.rows[k][layer] for part in parts]) for layer in range(len(each)))
            for k, each in enumerate(first.rows)
        ),
        logits=tuple(
            None if each is None else np.concatenate([cast(np.ndarray, part.logits[k]) for part in parts])
            for k, each in enumerate(first.logits)
        ),
        squares=np.concatenate([part.squares for part in parts]),
        fields={name: np.concatenate([part.fields[name] for part in parts]) for name in first.fields},
    )


def in_blocks(batches: Iterator[Observed], size: int) -> Iterator[tuple[int, Observed]]:
    """Yield the images 0 to size - 1, size to 2 size - 1, and so on, each block whole and with its number.

    What is computed of a block does not depend on the batches in which it came.
    """
    held: list[Observed] = []
    number = 0
    for batch in batches:
        first = 0
        while first < len(batch):
            block = int(batch.ids[first]) // size
            if block != number and held:
                yield number, joined(held)
                held = []
            number = block
            # Batches of 64, blocks of 100: batch two, 64 to 127, is cut after 99. By number, as some are missing.
            last = int(np.searchsorted(batch.ids, (block + 1) * size))
            held.append(batch.part(slice(first, last)))
            first = last
    if held:
        yield number, joined(held)


def observe(
    models: Sequence[Model],
    datasets: Sequence[Dataset],
    layers: Sequence[tuple[str, ...]],
    *,
    shared: tuple[str, ...] = (),
    pool: Literal["mean", "max"] = "mean",
    fields: tuple[str, ...] = (),
    batch: Chunk = "auto",
    memory_budget: int | None = None,
    unreadable: dict[int, str],
    progress: Progress = silent,
) -> Iterator[Observed]:
    """Yield what the networks make of all images, batch by batch in the order of their numbers.

    One program of one shape for all batches; networks of one structure, such as checkpoints, share it.

    Args:
        models: One network, or two.
        datasets: The images for each; the same object where both take one size.
        layers: Layers of each network whose rows are wanted, by resolved names.
        shared: Layers of both networks whose values have one shape, and are compared value by value.
        pool: How an image's positions become one number per channel.
        fields: What else comes with each image, by the source's names.
        batch: Images at once.
        memory_budget: Bytes the compiled program may need.
        unreadable: Is filled with why images could not be read, by number.
        progress: Called as `progress(done, total, "images")`.

    Cost: one forward pass per network and image.
    """
    count = len(datasets[0])
    shapes = [model.input_shape for model in models]
    scored = tuple(_has_classes(model) for model in models)
    apart = len(datasets) > 1 and datasets[1] is not datasets[0]

    def step(models: Any, images: Any) -> Any:
        return _observed(models, tuple(map(in_unit_range, images)), tuple(layers), shared, scored, pool)

    def compile_for(size: int) -> Any:
        images = tuple(jax.ShapeDtypeStruct((size, *shapes[k]), datasets[k].image_dtype) for k in range(1 + apart))
        return compiled(step, ("observe", tuple(layers), shared, scored, pool, apart), (tuple(models), images))

    size, program = fitting(compile_for, batch, count, memory_budget)
    done = 0
    streams = [datasets[k].batches(size, shapes[k], ("label", *fields)) for k in range(1 + apart)]
    with closing(_stream(streams)) as parts:
        for part in parts:
            found = jax.device_get(program(tuple(models), tuple(each.images for each in part)))
            for each in part:
                unreadable |= each.unreadable
            done = min(done + size, count)
            progress(done, count, "images")
            valid = np.logical_and.reduce([each.valid for each in part])
            if not valid.any():
                continue
            rows, logits, squares = found
            whole = Observed(
                ids=part[0].ids.astype(np.int64),
                labels=part[0].fields["label"],
                rows=rows,
                logits=logits,
                squares=squares,
                fields={name: part[0].fields[name] for name in fields},
            )
            yield whole.part(valid)


def _stream(streams: Sequence[Iterator[ImageBatch]]) -> Any:
    yield from zip(*streams, strict=True)


def _has_classes(model: Model) -> bool:
    try:
        return model.class_count > 0
    except TargetError:
        return False


def _observed(
    models: tuple[Model, ...],
    images: tuple[Float[Array, "b _ _ c"], ...],
    layers: tuple[tuple[str, ...], ...],
    shared: tuple[str, ...],
    scored: tuple[bool, ...],
    pool: str,
) -> Any:
    """Return rows, logits and squares of a batch; traceable."""
    rows, logits, values = [], [], []
    for k, model in enumerate(models):
        read = tuple(dict.fromkeys((*layers[k], *shared)))

        def run(image: Array, model: Model = model, read: tuple[str, ...] = read, k: int = k) -> Any:
            return model.run(image, read=read, need_outputs=scored[k])

        # Networks that take one size are fed from one stream, whose images move to the device once.
        outputs, found = jax.vmap(run)(images[min(k, len(images) - 1)])
        positions = [by_position(found[name]) for name in layers[k]]
        rows.append(tuple(each.mean(1) if pool == "mean" else each.max(1) for each in positions))
        logits.append(jnp.reshape(outputs, (outputs.shape[0], -1, outputs.shape[-1])).mean(1) if scored[k] else None)
        values.append(found)
    count = images[0].shape[0]
    squares = [jnp.zeros((count, 0, 3), jnp.float32)]
    for name in shared:
        a, b = (by_position(found[name]) for found in values)
        # Not from a**2 + b**2 - 2ab, which of checkpoints that differ in the fourth digit would be rounding alone.
        squares.append(jnp.stack([(each * each).sum((1, 2)) for each in (a, b, a - b)], 1)[:, None])
    return tuple(rows), tuple(logits), jnp.concatenate(squares, 1)
