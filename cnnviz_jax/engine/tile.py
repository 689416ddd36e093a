"""A tile of pictures explained by one traceable function, so that a sweep can run any technique anywhere.

`run_fold` drives chunks from the host and is faster for a few pictures; this is the same fold inside one
program: pure, of one shape, fit for `shard_map`, and the same to the last bit on any number of devices.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.results import Heatmap

if TYPE_CHECKING:
    from cnnviz_jax.model import Model
    from cnnviz_jax.targets import Target

_AT_ONCE = {"cpu": 16}
_AT_ONCE_ACCELERATOR = 64


def inner_chunk_for(evaluations: int, tile: int, at_once: int | None = None) -> int:
    """Return how many evaluations of each picture of a tile run at once: about `at_once` over all of them.

    The chunk divides the evaluations with the least padding: 50 evaluations, 16 wanted, gives 13 (four times).
    """
    wanted = at_once or _AT_ONCE.get(jax.default_backend(), _AT_ONCE_ACCELERATOR)
    chunks = -(-evaluations // max(1, min(evaluations, wanted // max(tile, 1))))
    return -(-evaluations // chunks)


def explain_tile(
    fold: Fold,
    model: "Model",
    images: Float[Array, "b h w c"],
    target: "Target",
    keys: Key[Array, " b"],
    *,
    inner_chunk: int,
) -> tuple[Heatmap, Float[Array, " b"]]:
    """Return the results and the untouched scores of a tile of pictures; traceable.

    Args:
        fold: What one evaluation of one picture is.
        model: The model.
        images: Pictures in [0, 1].
        target: Batched: every leaf has one entry per picture.
        keys: One key per picture.
        inner_chunk: Evaluations of each picture at once; belongs to the result's identity, because the shape of
            a program decides its last bits.

    Cost: as `run_fold`; memory for `b * inner_chunk` evaluations.
    """

    def begin(image: Array, target: "Target", key: Any) -> Any:
        return model.score(image, target)[0], fold.prepare(model, image, target, key)

    scores, contexts = jax.vmap(begin)(images, target, keys)

    def evaluate(index: Array) -> Any:
        def one(image: Array, target: "Target", context: Any, key: Any) -> Any:
            return fold.evaluate(model, image, target, context, index, jax.random.fold_in(key, index))

        return jax.vmap(one)(images, target, contexts, keys)

    count = fold.evaluations
    if count == 1:
        gathered = evaluate(jnp.int32(0))
        if fold.gather == "stack":
            gathered = jax.tree.map(lambda leaf: leaf[:, None], gathered)
    else:
        gathered = _gather(fold, evaluate, count, min(inner_chunk, count))

    def finish(image: Array, target: "Target", context: Any, own: Any) -> Heatmap:
        return fold.finish(model, image, target, context, own)

    return jax.vmap(finish)(images, target, contexts, gathered), scores


def _gather(fold: Fold, evaluate: Any, count: int, chunk: int) -> Any:
    slots = -(-count // chunk) * chunk
    indices = jnp.arange(slots, dtype=jnp.int32)
    if fold.gather == "stack":
        stacked = jax.lax.map(evaluate, jnp.minimum(indices, count - 1), batch_size=chunk)
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf[:count], 0, 1), stacked)

    def add(total: Any, own: Array) -> tuple[Any, None]:
        parts = jax.vmap(evaluate)(jnp.minimum(own, count - 1))  # chunk b ...
        valid = own < count

        def masked(leaf: Array) -> Array:
            return jnp.where(valid.reshape(-1, *(1,) * (leaf.ndim - 1)), leaf, jnp.zeros((), leaf.dtype)).sum(0)

        return jax.tree.map(lambda whole, leaf: whole + masked(leaf), total, parts), None

    shapes = jax.eval_shape(evaluate, jax.ShapeDtypeStruct((), jnp.int32))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.scan(add, zero, indices.reshape(-1, chunk))[0]
