"""A device batch of images explained by one traceable function, so that a sweep can run any technique anywhere.

`run_fold` drives chunks from the host and is faster for a few images; this is the same fold inside one
program: pure, of one shape, fit for `shard_map`, and the same to the last bit on any number of devices.
"""

from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.chunk_planning import evenly
from cnnviz_jax.engine.evaluating import each, evaluated, finished, prepared, summed
from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.attribution import Heatmap
from cnnviz_jax.targets import Target

_AT_ONCE = {"cpu": 64}
_AT_ONCE_ACCELERATOR = 256
# Loops inside a program cost XLA:CPU its threads and its quick convolutions: measured 4 times the time. A few
# chunks are written out instead, with up to so many times more evaluations at once.
_WRITTEN_OUT = 4
_STRETCH = 4


def inner_chunk_for(evaluations: int, device_batch: int, at_once: int | None = None) -> int:
    """Return how many evaluations of each image of a device batch run at once: about `at_once` over all of them.

    More where that makes the chunks few enough to be written out one after another. The chunk divides the
    evaluations with the least padding: 50 evaluations, 16 wanted, gives 13 (four times).
    """
    wanted = at_once or _AT_ONCE.get(jax.default_backend(), _AT_ONCE_ACCELERATOR)
    most, few = max(1, wanted // max(device_batch, 1)), -(-evaluations // _WRITTEN_OUT)
    if few > most:
        # 16 images, 64 at once, so 4 of each: 50 evaluations would be 13 chunks in a loop. Four times more at once
        # allow 16 of each, and 13 suffice for 4 chunks, written out. 100 evaluations stay a loop, of 7 chunks of 15.
        stretched = max(1, _STRETCH * wanted // max(device_batch, 1))
        most = min(few, stretched)
    return evenly(evaluations, most)


def explain_device_batch(
    fold: Fold,
    model: Model,
    images: Float[Array, "b h w c"],
    target: Target,
    keys: Key[Array, " b"],
    *,
    inner_chunk: int,
) -> tuple[Heatmap, Float[Array, " b"]]:
    """Return the results and the untouched scores of a device batch of images; traceable.

    Args:
        fold: As for `run_fold`, as are `model`, `images`, `target` and `keys`.
        inner_chunk: Evaluations of each image at once; belongs to the result's identity, because the shape of
            a program decides its last bits.

    Cost: as `run_fold`; memory for `b * inner_chunk` evaluations.

    Raises:
        UsageError: The fold looks at several images together, and each is explained by itself here.
    """
    if fold.mixes_images:
        raise UsageError("this technique looks at several images together; a sweep explains each by itself")
    return explained(fold.in_groups(model, target), Case(model, target, keys, images), inner_chunk)


def explained(fold: Fold, batch: Case, inner_chunk: int) -> tuple[Heatmap, Float[Array, " b"]]:
    """Return the results and the untouched scores of a batch."""
    scores, contexts = prepared(fold, batch)
    batch = replace(batch, context=contexts)
    if len(fold.rounds) > 1:
        batch, gathered = _gather_in_rounds(fold, batch, inner_chunk)
    else:
        gathered = _gather_by_groups(fold, batch, inner_chunk)
    return finished(fold, batch, gathered), scores


def _gather_by_groups(fold: Fold, batch: Case, chunk: int) -> Any:
    """Return what all evaluations gathered, group after group, each in chunks of its own."""
    found = []
    for number, (begin, end) in enumerate(pairwise((0, *fold.group_ends))):
        evaluate = partial(evaluated, fold.of_group(number), batch)
        found.append(_gather(fold, evaluate, begin, end - begin, evenly(end - begin, chunk)))
    if fold.gather == "sum":
        return jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]), *found)
    return jax.tree.map(lambda *leaves: leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves, 1), *found)


def _gather_in_rounds(fold: Fold, batch: Case, chunk: int) -> tuple[Case, Any]:
    """Return the batch with its last context, and what all evaluations gathered, `refine` between the rounds."""
    shapes = jax.eval_shape(partial(evaluated, fold, batch), jax.ShapeDtypeStruct((1,), jnp.int32))
    slots = (fold.evaluations,) if fold.gather == "stack" else ()
    empty = jax.tree.map(lambda leaf: jnp.zeros((leaf.shape[0], *slots, *leaf.shape[2:]), leaf.dtype), shapes)

    def round_(state: tuple[Any, Any], begin: Any, size: int) -> tuple[Any, Any]:
        context, gathered = state
        found = _gather(fold, partial(evaluated, fold, replace(batch, context=context)), begin, size, chunk)
        put = partial(jax.lax.dynamic_update_slice_in_dim, start_index=begin, axis=1)
        return context, jax.tree.map(put if fold.gather == "stack" else jnp.add, gathered, found)

    def next_round(number: Any, state: tuple[Any, Any], begin: int, size: int) -> tuple[Any, Any]:
        context, gathered = state
        context = each(fold.refine, replace(batch, key=None, context=context), gathered)
        return round_((context, gathered), begin + number * size, size)

    state = round_((batch.context, empty), 0, fold.rounds[0])
    sizes = [end - begin for begin, end in pairwise(fold.rounds)]
    begin = fold.rounds[0]
    # Rounds of one size in a row share a traced body. After 16, 32, 64 and 128 draws of a mean, the sizes are 16, 32
    # and 64: three bodies. Partition SHAP of 1,000 evaluations has thirty rounds of 32 in a row: those loop.
    for size, alike in groupby(sizes):
        count = len(list(alike))
        turn = partial(next_round, begin=begin, size=size)
        if count <= _WRITTEN_OUT:
            for number in range(count):
                state = turn(number, state)
        else:
            state = jax.lax.fori_loop(0, count, turn, state)
        begin += count * size
    return replace(batch, context=state[0]), state[1]


def _gather(fold: Fold, evaluate: Any, begin: Any, count: int, chunk: int) -> Any:
    """Return what the fold gathers over `count` evaluations from `begin` on, `chunk` of each image at once."""
    chunk = min(chunk, count)
    chunks = -(-count // chunk)
    # All chunks have one shape, and which evaluations share a chunk depends on nothing but `chunk`: XLA sums a chunk's
    # evaluations in an order of its own choice, so other chunks would give other last bits. That is why the inner chunk
    # stands in the run's fingerprint, while devices, which only share out whole device batches, do not.
    indices = jnp.arange(chunks * chunk, dtype=jnp.int32).reshape(chunks, chunk)

    def part(own: Array) -> Any:
        values = evaluate(begin + jnp.minimum(own, count - 1))
        if fold.gather == "stack":
            return values
        return jax.tree.map(lambda leaf: summed(leaf, own < count), values)

    if chunks <= _WRITTEN_OUT:
        parts = [part(indices[i]) for i in range(chunks)]
        if fold.gather == "sum":
            return jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]), *parts)
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, 1)[:, :count], *parts)
    if fold.gather == "stack":
        joined = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), jax.lax.map(part, indices))  # b chunks m ...
        return jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0], -1, *leaf.shape[3:])[:, :count], joined)

    def add(total: Any, own: Array) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, part(own)), None

    # A scan adds chunk after chunk, in the order of the loop above, and holds one at a time.
    shapes = jax.eval_shape(part, jax.ShapeDtypeStruct((chunk,), jnp.int32))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.scan(add, zero, indices)[0]
