"""Factorisations: rows as sums of directions with codes that are not negative, by steps that never raise the error."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Fitted, Learner, LearnerCase, UsageError
from cnnviz_plugins.dictionary.codecs import FactorCodec
from cnnviz_plugins.dictionary.plugin import ConvexNmfConfig, FactorConfig, NmfConfig, SemiNmfConfig, size_of
from cnnviz_plugins.dictionary.starting import centres, generator
from cnnviz_plugins.factors import improved, presence, started

Rows = Float[np.ndarray, "n c"]
Codes = Float[np.ndarray, "n k"]
Directions = Float[np.ndarray, "k c"]
Step = Callable[[Rows, Codes, Directions], tuple[Codes, Directions]]
Begin = Callable[[Rows, Codes, Directions], tuple[Directions, Step]]
"""What a kind of factors makes of the start: its directions, and its step."""

_TINY = 1e-12


def nmf_step(rows: Rows, codes: Codes, directions: Directions) -> tuple[Codes, Directions]:
    """Return both factors after one sweep: each code exactly, in turn, then each direction with the new codes.

    Source: hierarchical alternating least squares, Cichocki, Phan 2009, algorithm 2.
    """
    codes = improved(codes, rows @ directions.T, directions @ directions.T)
    return codes, improved(directions.T, rows.T @ codes, codes.T @ codes).T


def semi_nmf_step(rows: Rows, codes: Codes, directions: Directions) -> tuple[Codes, Directions]:
    """Return both factors after one step: codes times what keeps them positive, then the best directions for them.

    Source: Ding, Li, Jordan 2010, section 3.
    """
    product, gram = rows @ directions.T, directions @ directions.T
    up = _positive(product) + codes @ _positive(-gram)
    down = _positive(-product) + codes @ _positive(gram)
    codes = codes * np.sqrt(up / np.maximum(down, _TINY))
    return codes, np.linalg.pinv(codes.T @ codes) @ codes.T @ rows


def convex_nmf_step(
    products: Float[np.ndarray, "n n"], codes: Codes, weights: Float[np.ndarray, "k n"]
) -> tuple[Codes, Float[np.ndarray, "k n"]]:
    """Return both factors after one step: codes, then rows' weights in directions, each times what lowers the error.

    Directions are `weights @ rows`, so that rows enter by their `products` with each other alone.

    Source: Ding, Li, Jordan 2010, section 4.
    """
    up, down = _positive(products), _positive(-products)
    rise, fall = up @ weights.T, down @ weights.T
    mixed = codes @ weights
    codes = codes * np.sqrt((rise + mixed @ fall) / np.maximum(fall + mixed @ rise, _TINY))
    rise, fall, mixed = codes.T @ up, codes.T @ down, codes.T @ codes @ weights
    return codes, weights * np.sqrt((rise + mixed @ down) / np.maximum(fall + mixed @ up, _TINY))


def _positive(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.maximum(values, 0)


def loss(rows: Rows, codes: Codes, directions: Directions) -> float:
    """Return the squared error of all rows."""
    return float(((rows - codes @ directions) ** 2).sum())


def build_nmf(config: NmfConfig) -> Learner:
    """Return the learner of non-negative factors; the start is that of the singular vectors, so nothing is random."""
    return lambda case: _factorised(config, case, lambda rows, codes, directions: (directions, nmf_step))


def build_semi_nmf(config: SemiNmfConfig) -> Learner:
    """Return the learner of directions of any sign with codes that are not negative."""
    return lambda case: _factorised(config, case, lambda rows, codes, directions: (directions, semi_nmf_step))


def build_convex_nmf(config: ConvexNmfConfig) -> Learner:
    """Return the learner of directions that are sums of rows, with codes and weights that are not negative."""
    return lambda case: _factorised(config, case, _begin_convex)


def _begin_convex(rows: Rows, codes: Codes, directions: Directions) -> tuple[Directions, Step]:
    products, weights = rows @ rows.T, codes.T / codes.sum(0)[:, None]

    def step(rows: Rows, codes: Codes, directions: Directions) -> tuple[Codes, Directions]:
        nonlocal weights
        codes, weights = convex_nmf_step(products, codes, weights)
        return codes, weights @ rows

    return weights @ rows, step


def _factorised(config: FactorConfig, case: LearnerCase, begin: Begin) -> Fitted:
    count = size_of(config, case.rows.shape[1])
    random = generator(case.key)
    chosen = np.sort(random.permutation(len(case.rows))[: config.rows])
    rows = np.asarray(case.rows[chosen], np.float64)
    if isinstance(config, NmfConfig):
        if rows.min() < 0:
            raise UsageError(
                "nmf takes activations that are never negative, those behind a ReLU; for others there is semi-nmf"
            )
        if count > min(rows.shape):
            codes, directions = _drawn(rows, count, random)
        else:
            codes, directions = started(rows, count)
    else:
        if count > len(rows):
            raise UsageError(f"{count} features of {len(rows)} rows; ask for as many at most")
        directions = centres(rows.astype(np.float32), count, case.key).astype(np.float64)
        own = ((rows**2).sum(1)[:, None] - 2 * rows @ directions.T + (directions**2).sum(1)).argmin(1)
        codes = np.eye(count)[own] + 0.2  # the authors' start: membership, and a little of all others
    directions, step = begin(rows, codes, directions)
    losses = [loss(rows, codes, directions)]
    for sweep in range(config.iterations):
        before = codes
        codes, directions = step(rows, codes, directions)
        losses.append(loss(rows, codes, directions))
        case.progress(sweep + 1, config.iterations, "sweeps")
        if np.linalg.norm(codes - before) <= config.tolerance * max(float(np.linalg.norm(codes)), _TINY):
            break
    case.progress(config.iterations, config.iterations, "sweeps")
    size = np.linalg.norm(directions, axis=1, keepdims=True)
    unit = directions / np.where(size > 0, size, 1)
    codec = FactorCodec(directions=unit.astype(np.float32), offset=np.zeros(rows.shape[1], np.float32))
    curves = {"step": np.arange(len(losses)), "loss": np.asarray(losses) / len(rows)}
    return Fitted(codec=codec, curves={name: curve.astype(np.float32) for name, curve in curves.items()})


def _drawn(rows: Rows, count: int, random: np.random.Generator) -> tuple[Codes, Directions]:
    """Return a start for more directions than there are singular vectors: rows drawn at random, codes that fit."""
    drawn = rows[random.integers(len(rows), size=count)]
    size = np.linalg.norm(drawn, axis=1, keepdims=True)
    unit = np.where(size > 0, drawn / np.maximum(size, _TINY), 1 / np.sqrt(rows.shape[1])) + 1e-3
    codes: Array = presence(jnp.asarray(rows, jnp.float32), jnp.asarray(unit, jnp.float32), rounds=1)
    return np.asarray(jax.device_get(codes), np.float64) + 1e-6, unit
