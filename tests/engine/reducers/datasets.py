"""Tables of activations with everything that goes wrong in them, and reducers run over them in many ways."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.engine import reducers

SHAPE = (3, 4, 5)
LAYER = "layer"


def table(count=40, seed=0, shape=SHAPE):
    """ReLU-like values: mostly ties at zero, equal maxima within and between images, -0.0, NaN, infinities."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(count, *shape)), 1).astype(np.float32)
    x = np.where(rng.random(x.shape) < 0.6, np.float32(0), x)
    x = np.where(rng.random(x.shape) < 0.1, np.float32(-0.0), x)
    x[..., 1] = -np.abs(x[..., 1])  # a unit that never exceeds zero
    x[..., 2] = 0.0  # a dead unit
    if count > 20:
        x[7] = np.nan
        x[11, ..., 0] = np.inf
        x[13].flat[3] = -np.inf
    return x


def batch(values, ids, valid=None, fields=None, outputs=None):
    valid = np.ones(len(ids), bool) if valid is None else valid
    return reducers.Batch(
        ids=jnp.asarray(ids, jnp.uint32),
        valid=jnp.asarray(valid),
        values={LAYER: jnp.asarray(values)},
        fields={name: jnp.asarray(value) for name, value in (fields or {}).items()},
        outputs=None if outputs is None else jnp.asarray(outputs),
    )


@functools.cache
def stepper(reducer):
    return jax.jit(reducer.update)


def gathered(reducer, values, ids, size, devices=1, fields=None):
    """Return the total over images given in this order, `size` at once, dealt to some deltas, padded with NaN."""
    deltas = [reducer.init() for _ in range(devices)]
    for number, first in enumerate(range(0, len(ids), size)):
        rows = np.arange(first, min(first + size, len(ids)))
        pad = size - len(rows)
        part = np.concatenate([values[rows], np.full((pad, *values.shape[1:]), np.nan, np.float32)])
        own = np.concatenate([ids[rows], np.arange(pad) + 10**6])
        more = {name: np.concatenate([v[rows], np.zeros(pad, v.dtype)]) for name, v in (fields or {}).items()}
        whole = batch(part, own, np.arange(size) < len(rows), more)
        deltas[number % devices] = stepper(reducer)(deltas[number % devices], whole)
    return reducer.merge([reducer.lift(jax.tree.map(np.asarray, delta)) for delta in deltas])


def same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype, name
        assert left[name].tobytes() == right[name].tobytes(), name
