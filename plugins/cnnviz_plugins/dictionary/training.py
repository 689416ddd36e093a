"""Training a dictionary: rows in a shuffled order, many steps in one compiled program."""

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Fitted, Learner, LearnerCase, compiled
from cnnviz_plugins.dictionary.keeping import Kept, Order
from cnnviz_plugins.dictionary.objectives import Objective
from cnnviz_plugins.dictionary.plugin import (
    ArchetypalConfig,
    JumpReluConfig,
    MatchingPursuitConfig,
    TrainedConfig,
    size_of,
)
from cnnviz_plugins.dictionary.scaling import Scaling
from cnnviz_plugins.dictionary.starting import centres, generator, geometric_median, unit_rows

_BYTES_AT_ONCE = 2**26
"""Rows on the device at once."""
_POINTS = 200
"""Of a curve, at most."""
_MEDIAN_ROWS = 2**15
_BORDERS = 1000
"""Batches, at most, whose least kept code the threshold of batch-topk is the mean of."""
_NEAR_RATE, _NEAR_SIZE = 2e-4, 2**14


def build(config: TrainedConfig) -> Learner:
    """Return the learner of a trained dictionary.

    Cost: about 12 x channels x size operations a row and step, on one device: so the result depends on none.
    """
    return lambda case: _trained(config, case)


def _trained(config: TrainedConfig, case: LearnerCase) -> Fitted:
    rows = case.rows
    channels, size = rows.shape[1], size_of(config, rows.shape[1])
    scaling = Scaling.of(config, rows)
    objective = Objective(config=config, channels=channels)
    batch = min(config.batch_rows, len(rows))
    dead_after = config.dead_after or max(batch, min(10**6, config.steps * batch // 10))
    parameters, fixed = _started(objective, scaling, case, size)
    state: Any = {
        "parameters": parameters,
        "optimizer": _optimizer(config, size).init(parameters),
        "silent": jnp.zeros(size, jnp.int32),
        "borders": jnp.zeros(min(_BORDERS, max(1, config.steps // 5))),  # the last fifth: the rate falls
        "step": jnp.zeros((), jnp.int32),
    }
    calls = -(-config.steps * batch * channels * 4 // _BYTES_AT_ONCE)
    at_once = -(-config.steps // calls)  # calls of one length: of 2000 steps in three calls 667 each, one left out
    order, kept = Order(case.key, len(rows), batch), Kept.of(config, case)
    begun, state, notes = kept.read(state) or (0, state, [])
    for first in range(begun, config.steps, at_once):
        batches = scaling.scaled(rows[order.places(first, at_once)])
        going = np.arange(first, first + at_once) < config.steps
        args = (state, fixed, jnp.asarray(batches), jnp.asarray(going))
        step = partial(_many_steps, objective, size, dead_after)
        state, noted = compiled(step, ("dictionary", objective, size, dead_after), args, donate=(0,))(*args)
        notes.append({name: np.asarray(values)[going] for name, values in noted.items()})
        done = min(first + at_once, config.steps)
        kept.write(done, state, notes)
        case.progress(done, config.steps, "steps")
    kept.remove()
    curves = {name: np.concatenate([each[name] for each in notes]) for name in notes[0]}
    return Fitted(codec=scaling.in_own_units(objective, jax.device_get(state), jax.device_get(fixed)),
                  curves=_thinned(curves))  # fmt: skip


def _optimizer(config: TrainedConfig, size: int) -> optax.GradientTransformation:
    rate = config.rate or _NEAR_RATE * (_NEAR_SIZE / size) ** 0.5
    rise, fall = _rise(config), config.steps // 5
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0 if rise else rate, rate, max(rise, 1)),
            optax.linear_schedule(rate, rate, max(config.steps - rise - fall, 1)),
            optax.linear_schedule(rate, 0.0, max(fall, 1)),
        ],
        [rise, config.steps - fall],
    )
    # Gao's epsilon: gradients of a loss near 1 over many parameters are small.
    return optax.chain(optax.clip_by_global_norm(config.clip), optax.adam(schedule, 0.9, 0.999, eps=6.25e-10))


def _rise(config: TrainedConfig) -> int:
    return min(config.warmup, config.steps // 4)


def _many_steps(
    objective: Objective,
    size: int,
    dead_after: int,
    state: Any,
    fixed: dict[str, Array],
    batches: Float[Array, "steps n c"],
    going: Bool[Array, " steps"],
) -> tuple[Any, dict[str, Float[Array, " steps"]]]:
    """Return the state after a step for each batch, those not `going` left out, and what was noted of each."""
    config = objective.config
    optimizer = _optimizer(config, size)
    most = config.sparsity if isinstance(config, JumpReluConfig) else 0.0
    rise = float(max(1, _rise(config)))

    def step(state: Any, given: tuple[Array, Array]) -> tuple[Any, dict[str, Array]]:
        rows, goes = given
        dead = state["silent"] >= dead_after
        sparsity = most * jnp.minimum(1.0, (state["step"] + 1).astype(jnp.float32) / rise)
        differentiated = jax.value_and_grad(objective.loss, has_aux=True)
        (value, noted), gradients = differentiated(state["parameters"], fixed, rows, dead, sparsity)
        gradients = objective.without_length(gradients, state["parameters"])
        with jax.numpy_dtype_promotion("standard"):  # optax raises a float to a whole number
            updates, moments = optimizer.update(gradients, state["optimizer"], state["parameters"])
        fired = noted["codes"] > 0
        new = {
            "parameters": objective.projected(optax.apply_updates(state["parameters"], updates)),
            "optimizer": moments,
            "silent": jnp.where(fired.any(0), 0, jnp.minimum(state["silent"] + len(rows), 2**30)),
            "borders": state["borders"].at[state["step"] % len(state["borders"])].set(noted["border"]),
            "step": state["step"] + 1,
        }
        said = {
            "loss": value,
            "fvu": noted["fvu"],
            "l0": fired.sum(1).mean(dtype=jnp.float32),
            "dead": dead.mean(dtype=jnp.float32),
        }
        return jax.tree.map(lambda after, before: jnp.where(goes, after, before), new, state), said

    return jax.lax.scan(step, state, (batches, going))


def _started(
    objective: Objective, scaling: Scaling, case: LearnerCase, size: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the parameters that a training begins with, and what stays fixed in it."""
    config, rows = objective.config, case.rows
    random = generator(jax.random.fold_in(case.key, 2**31))
    channels = rows.shape[1]
    some = scaling.scaled(rows[np.sort(random.permutation(len(rows))[:_MEDIAN_ROWS])])
    fixed: dict[str, Any] = {"spread": scaling.spread}
    if isinstance(config, ArchetypalConfig):
        chosen = np.sort(random.permutation(len(rows))[: config.centre_rows])
        count = min(config.centres or size, len(chosen))
        fixed["centres"] = centres(scaling.scaled(rows[chosen]), count, jax.random.fold_in(case.key, 2**31 + 1))
        mixing = np.eye(size, count)
        mixing[count:] = random.dirichlet(np.ones(count), size=max(size - count, 0)) if size > count else 0
        directions = mixing @ fixed["centres"]
        length = np.linalg.norm(directions, axis=1, keepdims=True)
        own = {
            "mixing": mixing,
            "moves": np.zeros((size, channels)),
            "log_size": np.zeros(()),
            "encoder": directions / np.maximum(length, 1e-12) ** 2,  # a centre's own code is then about 1
            "bias": np.zeros(size),
        }
    else:
        middle = geometric_median(some)
        directions = unit_rows(some - middle, size, random)
        own = {"directions": directions, "offset": middle}
        if not isinstance(config, MatchingPursuitConfig):
            own |= {"encoder": directions, "bias": np.zeros(size)}
        if isinstance(config, JumpReluConfig):
            own["log_threshold"] = np.full(size, np.log(config.threshold))
    as_arrays = partial(jax.tree.map, lambda value: jnp.array(value, jnp.float32))  # copies: the state is given away
    return as_arrays(own), as_arrays(fixed)


def _thinned(curves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the curves as means over at most so many equal stretches, and the last step of each."""
    count = len(curves["loss"])
    ends = np.linspace(0, count, min(count, _POINTS) + 1).round().astype(int)
    pairs = list(itertools.pairwise(ends))
    parts = {name: [values[a:b].mean() for a, b in pairs] for name, values in curves.items()}
    return {name: np.asarray(values, np.float32) for name, values in {"step": ends[1:], **parts}.items()}
