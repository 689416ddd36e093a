"""Non-negative factors: rows of a table as sums of few non-negative rows, by exact steps over one factor at a time.

The family of concepts and that of dictionaries share it; so it stands beside them.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_TINY = 1e-12


def factorised(
    table: Float[np.ndarray, "n c"], count: int, iterations: int
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "k c"]]:
    """Return non-negative `weights` and `bank` such that weights @ bank is near the table; rows of bank of length 1.

    Deterministic: it begins with the singular vectors' positive parts. A factor of zeros stays zero.

    Source: hierarchical alternating least squares, Cichocki, Phan 2009, algorithm 2; the start is NNDSVD, Boutsidis,
    Gallopoulos 2008.
    """
    table = table.astype(np.float64)
    weights, bank = started(table, count)
    for _ in range(iterations):
        bank = improved(bank.T, table.T @ weights, weights.T @ weights).T
        weights = improved(weights, table @ bank.T, bank @ bank.T)
    size = np.linalg.norm(bank, axis=1)
    return weights * size, bank / np.where(size > 0, size, 1)[:, None]


def started(table: Float[np.ndarray, "n c"], count: int) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "k c"]]:
    """Return weights and bank to begin with: the positive parts of the table's singular vectors (NNDSVD)."""
    left, sizes, right = np.linalg.svd(table, full_matrices=False)
    weights, bank = np.zeros((len(table), count)), np.zeros((count, table.shape[1]))
    for k in range(min(count, len(sizes))):
        pairs = [(np.maximum(s * left[:, k], 0), np.maximum(s * right[k], 0)) for s in (1, -1)]
        norms = [np.linalg.norm(u) * np.linalg.norm(v) for u, v in pairs]
        u, v = pairs[int(np.argmax(norms))]
        scale = np.sqrt(sizes[k] * max(norms))
        weights[:, k] = scale * u / max(np.linalg.norm(u), _TINY)
        bank[k] = scale * v / max(np.linalg.norm(v), _TINY)
    # Exact zeros could never grow again in one of the two tables; the mean's share lets them.
    fill = table.mean() / 100
    return np.where(weights > 0, weights, fill), np.where(bank > 0, bank, fill)


def improved(
    factor: Float[np.ndarray, "n k"], product: Float[np.ndarray, "n k"], gram: Float[np.ndarray, "k k"]
) -> Float[np.ndarray, "n k"]:
    """Return the factor after one exact step for each of its columns in turn."""
    factor = factor.copy()
    for k in range(factor.shape[1]):
        if gram[k, k] > _TINY:
            factor[:, k] = np.maximum(factor[:, k] + (product[:, k] - factor @ gram[:, k]) / gram[k, k], 0)
    return factor


def presence(values: Float[Array, "*n c"], bank: Float[Array, "k c"], *, rounds: int = 60) -> Float[Array, "*n k"]:
    """Return how much of each concept is in each row: the non-negative least squares solution; traceable.

    Steps over one concept at a time, `rounds` times all of them.
    """
    gram = jnp.einsum("kc,jc->kj", bank, bank, precision="highest")
    product = jnp.einsum("...c,kc->...k", values, bank, precision="highest")
    own = jnp.diagonal(gram)
    safe = jnp.where(own > _TINY, own, 1.0)

    def one(k: Array, found: Array) -> Array:
        step = (product[..., k] - jnp.einsum("...j,j->...", found, gram[:, k], precision="highest")) / safe[k]
        moved = jnp.where(own[k] > _TINY, jnp.maximum(found[..., k] + step, 0), 0.0)
        return found.at[..., k].set(moved)

    def each_in_turn(_: Array, found: Array) -> Array:
        return jax.lax.fori_loop(0, bank.shape[0], one, found)

    return jax.lax.fori_loop(0, rounds, each_in_turn, jnp.zeros_like(product))
