"""Iterations: a state stepped many times for each target, such as a picture under gradient ascent.

A technique says how one target's state starts, steps and finishes. The engine steps many targets at
once, in chunks that fit memory, with one compiled program for all targets of a layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax.engine.compile import Executable, compiled
from cnnviz_jax.engine.memory import Chunk, fitting, is_exhausted
from cnnviz_jax.engine.progress import InFlight, Progress, silent
from cnnviz_jax.errors import MemoryBudgetError
from cnnviz_jax.results import Provenance

if TYPE_CHECKING:
    from cnnviz_jax.model import Model
    from cnnviz_jax.targets import Target


@dataclass(frozen=True, kw_only=True)
class Iteration:
    """One target's state, stepped `steps` times.

    Subclass as a frozen dataclass: its fields are the compiled program's identity. `start`, `step` and
    `finish` are traced; each sees one target.
    """

    steps: int
    """How many steps are taken."""
    size: tuple[int, int] | None = None
    """Height and width of the pictures it works on, where they are not the model's own."""
    layer: str | None = None
    """The layer looked at, if there is one."""
    notes: tuple[tuple[str, Any], ...] = ()
    """Further facts for the result's provenance."""
    warnings: tuple[str, ...] = ()
    """What the user should know before believing the result."""

    def start(self, model: "Model", target: "Target", key: Key[Array, ""]) -> Any:
        """Return the state before the first step; any pytree of fixed shapes."""
        raise TypeError(f"{type(self).__name__} defines no start")

    def step(
        self, model: "Model", target: "Target", state: Any, index: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[Any, Float[Array, ""]]:
        """Return the next state and the objective before this step. `key` is `fold_in(target's key, index + 1)`."""
        raise TypeError(f"{type(self).__name__} defines no step")

    def finish(self, model: "Model", target: "Target", state: Any) -> Any:
        """Return the target's result; any pytree."""
        raise TypeError(f"{type(self).__name__} defines no finish")

    def result(
        self, outcome: Any, curves: Float[np.ndarray, "n steps"], provenance: Provenance, warnings: tuple[str, ...]
    ) -> Any:
        """Return the public result from what `finish` gave for all targets; on the host, not traced."""
        raise TypeError(f"{type(self).__name__} defines no result")


def run_iteration(
    iteration: Iteration,
    model: "Model",
    target: "Target",
    keys: Key[Array, " n"],
    *,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress = silent,
) -> tuple[Any, Float[np.ndarray, "n steps"]]:
    """Return what `finish` makes of every target, and the objective at every step.

    Args:
        iteration: How one target's state starts, steps and finishes.
        model: The model, at the size the iteration works on.
        target: Batched: every leaf has one entry per target.
        keys: One key per target.
        chunk: Targets at once; `"auto"` plans from the compiled program's memory.
        memory_budget: Bytes one program may need; `None` for a share of what is free.
        progress: Told how many of targets x steps are done.

    Raises:
        MemoryBudgetError: Not even one target at a time fits.
    """
    count = len(keys)
    total = count * iteration.steps

    def shapes(size: int) -> tuple[Any, ...]:
        whole = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.asarray(leaf).dtype), model)
        rows = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), (target, keys))
        return whole, *rows

    def compile_step(size: int) -> Executable:
        args = shapes(size)
        state = jax.eval_shape(partial(_start, iteration), *args)
        full = (args[0], args[1], state, jax.ShapeDtypeStruct((), jnp.int32), args[2])
        return compiled(partial(_step, iteration), (_step, iteration), full, donate=(2,))

    size, step = fitting(compile_step, chunk, count, memory_budget)
    parts: list[Any] = []
    first = 0
    while first < count:
        rows = np.minimum(np.arange(first, first + size), count - 1)  # the last chunk repeats its last target
        part = jax.tree.map(lambda leaf, rows=rows: leaf[rows], (target, keys))
        done = first * iteration.steps

        def report(index: int, done: int = done, width: int = min(size, count - first)) -> None:
            progress(done + index * width, total, "steps")

        try:
            out = _run_chunk(iteration, model, *part, compile_start=(iteration, size), step=step, report=report)
        except Exception as error:
            if not is_exhausted(error):
                raise
            if size == 1:
                raise MemoryBudgetError("memory ran out with one target at a time") from error
            size //= 2
            step = compile_step(size)
            continue
        keep = min(size, count - first)
        parts.append(jax.tree.map(lambda leaf, keep=keep: np.asarray(leaf)[:keep], out))
        first += keep
    progress(total, total, "steps")
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)  # type: ignore[no-any-return]


def _run_chunk(
    iteration: Iteration,
    model: "Model",
    target: "Target",
    keys: Any,
    *,
    compile_start: tuple[Any, ...],
    step: Executable,
    report: Callable[[int], None],
) -> Any:
    args = (model, target, keys)
    state = compiled(partial(_start, iteration), (_start, *compile_start), args)(*args)
    curve, flight = [], InFlight()
    for index in range(iteration.steps):
        state, value = step(model, target, state, jnp.int32(index), keys)
        curve.append(value)
        flight.add(value)
        report(max(0, index - 1))
    flight.drain()
    end = (model, target, state)
    finished = compiled(partial(_finish, iteration), (_finish, *compile_start), end)(*end)
    return finished, np.stack([np.asarray(value) for value in curve], axis=1)


def _start(iteration: Iteration, model: "Model", target: "Target", keys: Any) -> Any:
    return jax.vmap(lambda t, k: iteration.start(model, t, jax.random.fold_in(k, 0)))(target, keys)


def _step(iteration: Iteration, model: "Model", target: "Target", state: Any, index: Array, keys: Any) -> Any:
    def one(t: "Target", s: Any, k: Any) -> Any:
        return iteration.step(model, t, s, index, jax.random.fold_in(k, index + 1))

    return jax.vmap(one)(target, state, keys)


def _finish(iteration: Iteration, model: "Model", target: "Target", state: Any) -> Any:
    return jax.vmap(lambda t, s: iteration.finish(model, t, s))(target, state)
