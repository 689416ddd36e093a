"""Where a training starts: the middle of the rows, directions out of them, centres of clusters."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.plugin import compiled

_MEDIAN_ROUNDS = 100


def generator(key: Key[Array, ""]) -> np.random.Generator:
    """Return NumPy's generator of a key."""
    return np.random.default_rng([int(word) for word in np.asarray(jax.random.key_data(key))])


def geometric_median(rows: Float[np.ndarray, "n c"]) -> Float[np.ndarray, " c"]:
    """Return the point with the least sum of distances to all rows, which outliers hardly move (Weiszfeld's steps)."""
    rows = rows.astype(np.float64)
    middle = rows.mean(0)
    for _ in range(_MEDIAN_ROUNDS):
        distance = np.linalg.norm(rows - middle, axis=1)
        weight = 1 / np.maximum(distance, 1e-12)
        moved = (rows * weight[:, None]).sum(0) / weight.sum()
        if np.linalg.norm(moved - middle) <= 1e-7 * max(float(np.linalg.norm(middle)), 1e-12):
            return moved
        middle = moved
    return middle


def unit_rows(rows: Float[np.ndarray, "n c"], count: int, random: np.random.Generator) -> Float[np.ndarray, "k c"]:
    """Return `count` rows drawn at random, of length 1; random directions where there are too few."""
    length = np.linalg.norm(rows, axis=1)
    usable = np.flatnonzero(length > 1e-6 * max(float(length.mean()), 1e-30))
    drawn = random.permutation(usable)[:count]
    found = rows[drawn] / length[drawn, None]
    more = random.standard_normal((count - len(found), rows.shape[1]))
    return np.concatenate([found, more / np.linalg.norm(more, axis=1, keepdims=True)])


def centres(
    rows: Float[np.ndarray, "n c"], count: int, key: Key[Array, ""], *, rounds: int = 20
) -> Float[np.ndarray, "m c"]:
    """Return the centres of `count` clusters of the rows: k-means from k-means++'s start.

    An empty cluster keeps its centre. Source: Arthur, Vassilvitskii 2007; Lloyd 1982.
    """
    args = (jnp.asarray(rows, jnp.float32), key)
    return np.asarray(compiled(partial(_clustered, count, rounds), ("centres", count, rounds), args)(*args))


def _distances(rows: Array, found: Array) -> Array:
    products = jnp.einsum("nc,mc->nm", rows, found, precision="highest")
    return jnp.square(rows).sum(1)[:, None] - 2 * products + jnp.square(found).sum(1)


def _clustered(count: int, rounds: int, rows: Float[Array, "n c"], key: Key[Array, ""]) -> Float[Array, "m c"]:
    def drawn(i: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        found, nearest = state
        odds = jnp.where(jnp.isinf(nearest), 1.0, nearest)  # before the first centre every row is as good
        odds = jnp.where(odds.max() > 0, odds, 1.0)  # and once every row is a centre
        new = rows[jax.random.categorical(jax.random.fold_in(key, i), jnp.log(odds))]
        return found.at[i].set(new), jnp.minimum(nearest, jnp.square(rows - new).sum(1))

    start = jnp.zeros((count, rows.shape[1])), jnp.full(len(rows), jnp.inf)
    found, _ = jax.lax.fori_loop(0, count, drawn, start)

    def moved(_: Array, found: Array) -> Array:
        own = _distances(rows, found).argmin(1)
        sums = jax.ops.segment_sum(rows, own, count)
        sizes = jax.ops.segment_sum(jnp.ones(len(rows)), own, count)[:, None]
        return jnp.where(sizes > 0, sums / jnp.maximum(sizes, 1), found)

    return jax.lax.fori_loop(0, rounds, moved, found)
