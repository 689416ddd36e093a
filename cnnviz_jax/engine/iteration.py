"""Iterations: a state stepped many times for each target, such as an image under gradient ascent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.compiling import Executable, compiled, shapes_returned
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.chunk_planning import Chunk, fitting, is_exhausted
from cnnviz_jax.engine.cpu_chunks import suiting_a_cpu
from cnnviz_jax.engine.dispatches import dispatches, steps_at_once
from cnnviz_jax.engine.evaluating import each, rows_of, shapes_of
from cnnviz_jax.engine.progress import InFlight
from cnnviz_jax.errors import MemoryBudgetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.progress.bars import Progress, silent
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.targets import Target


@dataclass(frozen=True, kw_only=True)
class Iteration:
    """One target's state, stepped `steps` times.

    An optimisation loop: `start` makes the state, `step` changes it `steps` times, `finish` reads it off. Subclass as
    a frozen dataclass: its fields are the compiled program's identity. The three are traced; each sees one target, as
    a `Case`.
    """

    axes: ClassVar[tuple[int, ...]] = (2,)
    """How many spatial axes the model's inputs may have: 1 for series and vectors, 3 for volumes. Models and targets
    hold them as images, as a `Fold` does; `result` returns them with their own axes."""

    steps: int
    """How many steps are taken."""
    layer: str | None = field(default=None, compare=False)
    """The layer looked at, if there is one."""
    notes: tuple[tuple[str, Any], ...] = field(default=(), compare=False)
    """Further facts for the result's provenance."""
    warnings: tuple[str, ...] = field(default=(), compare=False)
    """What the user should know before believing the result."""

    def prepare(
        self, model: Model, target: Target, exemplars: Float[np.ndarray, "n h w c"] | None
    ) -> tuple[Model, Target]:
        """Return the model and the batched target that the steps work on; on the host, before anything is traced.

        Args:
            model: At its own size.
            target: As the user gave it, batched.
            exemplars: Images of a data set, where the user gave some.
        """
        return model, target

    def compared(self, model: Model, target: Target) -> Target:
        """Return the target whose maximum over a data set the result is measured against."""
        return target

    def start(self, case: Case) -> Any:
        """Return the state before the first step; any pytree of fixed shapes."""
        raise TypeError(f"{type(self).__name__} defines no start")

    def step(self, case: Case, state: Any) -> tuple[Any, Float[Array, "..."]]:
        """Return the next state and the objective before the step. `case.key` is `fold_in(target's key, index + 1)`."""
        raise TypeError(f"{type(self).__name__} defines no step")

    def snapshot(self, case: Case, state: Any) -> Float[Array, "..."]:
        """Return what a video shows of a state."""
        raise TypeError(f"{type(self).__name__} defines no snapshot")

    def finish(self, case: Case, state: Any) -> Any:
        """Return the target's result; any pytree."""
        raise TypeError(f"{type(self).__name__} defines no finish")

    def result(
        self,
        outcome: Any,
        curves: Float[np.ndarray, "n steps ..."],
        frames: Float[np.ndarray, "n frames ..."] | None,
        provenance: Provenance,
        warnings: tuple[str, ...],
    ) -> Any:
        """Return the public result from what `finish` and `snapshot` gave for all targets; on the host, not traced."""
        raise TypeError(f"{type(self).__name__} defines no result")


class ResumeCache(Protocol):
    """Where finished targets are kept, so that an interrupted run loses only what was under way."""

    def load(self, index: int) -> list[np.ndarray] | None:
        """Return the arrays of target `index`, or `None` if it is not there."""

    def save(self, index: int, arrays: list[np.ndarray]) -> None:
        """Keep the arrays of target `index`."""


def run_iteration(
    iteration: Iteration,
    model: Model,
    target: Target,
    keys: Key[Array, " n"],
    *,
    snapshots: Sequence[int] = (),
    cache: ResumeCache | None = None,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress = silent,
    at_once: int | None = None,
) -> tuple[Any, Float[np.ndarray, "n steps ..."], Float[np.ndarray, "n frames ..."] | None]:
    """Return what `finish` makes of every target, the objective at every step, and the snapshots.

    Args:
        iteration: How one target's state starts, steps and finishes.
        model: The model, as `prepare` returned it.
        target: Batched: every leaf has one entry per target.
        keys: One key per target.
        snapshots: Before which steps a snapshot is taken; `steps` itself is after the last.
        cache: Finished targets are read from there and written to it.
        chunk: Targets at once; `"auto"` plans from the compiled program's memory.
        memory_budget: Bytes one program may need; `None` for a share of what is free.
        progress: Told how many of targets x steps are done.
        at_once: Steps that one dispatch takes at most; `None` for 16 on accelerators and 1 on the CPU.

    Raises:
        MemoryBudgetError: Not even one target at a time fits.
    """
    run = _IterationRun(iteration, Case(model, target, keys), tuple(snapshots), at_once)
    count = len(keys)
    found = {i: arrays for i in range(count) if cache is not None and (arrays := cache.load(i)) is not None}
    tree = run.shapes_of_one() if found else None
    if tree is not None:
        # A file's name says what decided its numbers; its shapes say whether this version would write the same.
        wanted = [leaf.shape[1:] for leaf in jax.tree.leaves(tree)]
        found = {i: arrays for i, arrays in found.items() if [a.shape for a in arrays] == wanted}
    todo = [i for i in range(count) if i not in found]
    total, done = count * iteration.steps, len(found) * iteration.steps
    progress(done, total, "steps")
    size = width = 0
    if todo:
        # One compiled step for all targets of a layer: which channel is a number in the target, an argument.
        preferred = suiting_a_cpu(model, scores_only=False, layer=iteration.layer) if len(todo) > 1 else None
        size, run.step = fitting(run.compile_step, chunk, len(todo), memory_budget, preferred)

    def report(index: int) -> None:
        progress(done + index * width, total, "steps")

    while todo:
        rows = np.asarray([todo[min(k, len(todo) - 1)] for k in range(size)])  # the last chunk repeats its last target
        width = min(size, len(todo))
        try:
            out = run.chunk(rows, report)
        except Exception as error:
            if not is_exhausted(error):
                raise
            if size == 1:
                raise MemoryBudgetError("memory ran out with one target at a time") from error
            size //= 2  # the chunk begins anew, from its targets' own keys, so with the same numbers
            run.step = run.compile_step(size)
            continue
        leaves, treedef = jax.tree.flatten(out)
        tree = treedef if tree is None else tree
        for place, number in enumerate(todo[:width]):
            found[number] = [np.asarray(leaf)[place] for leaf in leaves]
            if cache is not None:
                cache.save(number, found[number])
        todo, done = todo[width:], done + width * iteration.steps
    progress(total, total, "steps")
    treedef = tree if isinstance(tree, jax.tree_util.PyTreeDef) else jax.tree.structure(tree)
    stacked = [np.stack(column) for column in zip(*(found[i] for i in range(count)), strict=True)]
    outcome, curves, frames = jax.tree.unflatten(treedef, stacked)
    return outcome, curves, frames


class _IterationRun:
    """The compiled programs of one iteration: start, some steps, snapshot, finish."""

    def __init__(self, iteration: Iteration, cases: Case, snapshots: tuple[int, ...], at_once: int | None) -> None:
        self.iteration, self.cases, self.snapshots = iteration, cases, snapshots
        self.length = steps_at_once(iteration.steps, snapshots, at_once)
        self.step: Executable

    def compile_step(self, size: int) -> Executable:
        """The steps of one dispatch for so many targets."""
        cases = shapes_of(self.cases, size)
        state = shapes_returned(partial(_start, self.iteration), (_start, self.iteration), (cases,))
        number = jax.ShapeDtypeStruct((), jnp.int32)
        total = self.iteration.steps * len(self.cases.key)
        own = (self.iteration, self.length)
        args = (cases, state, number, number)
        return compiled(partial(_steps, *own), (_steps, *own), args, donate=(1,), evaluations=total)

    def shapes_of_one(self) -> Any:
        """The shapes of everything that is kept of a chunk of one target."""
        cases = shapes_of(self.cases, 1)
        state = jax.eval_shape(partial(_start, self.iteration), cases)
        index = jax.ShapeDtypeStruct((), jnp.int32)
        _, value = jax.eval_shape(partial(_step, self.iteration), cases, state, index)
        finished = jax.eval_shape(partial(_finish, self.iteration), cases, state)
        curve = jax.ShapeDtypeStruct((1, self.iteration.steps, *value.shape[1:]), value.dtype)
        frames = None
        if self.snapshots:
            frame = jax.eval_shape(partial(_snapshot, self.iteration), cases, state)
            frames = jax.ShapeDtypeStruct((1, len(self.snapshots), *frame.shape[1:]), frame.dtype)
        return finished, curve, frames

    def chunk(self, rows: Any, report: Callable[[int], None]) -> Any:
        """What is kept of the targets `rows`: results, curves, frames."""
        iteration, cases = self.iteration, rows_of(self.cases, rows)
        count = len(self.cases.key)
        state = compiled(partial(_start, iteration), (_start, iteration), (cases,), evaluations=count)(cases)
        curve, frames, flight = [], [], InFlight()

        def seen(look: Callable[..., Any]) -> Any:
            program = compiled(partial(look, iteration), (look, iteration), (cases, state), evaluations=count)
            return program(cases, state)

        before = 0
        for begin, end in dispatches(iteration.steps, self.snapshots, self.length):
            if begin in self.snapshots:
                frames.append(np.asarray(seen(_snapshot)))
            state, values = self.step(cases, state, jnp.int32(begin), jnp.int32(end))
            curve.append((values, end - begin))
            # The state itself cannot be waited for: it is donated to the next dispatch.
            flight.add(values)
            report(before)  # the dispatch before this one may be under way still
            before = begin
        flight.drain()
        if iteration.steps in self.snapshots:
            frames.append(np.asarray(seen(_snapshot)))
        curves = np.concatenate([np.asarray(values)[:, :taken] for values, taken in curve], axis=1)
        return jax.tree.map(np.asarray, (seen(_finish), curves, np.stack(frames, axis=1) if frames else None))


# fold_in(k, 0) for the start and fold_in(k, i + 1) for step i: no two draw from one key, and a target's noise does not
# depend on which targets are stepped beside it.
def _start(iteration: Iteration, cases: Case) -> Any:
    return _single(each(lambda case: iteration.start(replace(case, key=jax.random.fold_in(case.key, 0))), cases))


def _step(iteration: Iteration, cases: Case, state: Any, index: Array) -> Any:
    def one(case: Case, state: Any) -> Any:
        return iteration.step(replace(case, key=jax.random.fold_in(case.key, index + 1), index=index), state)

    return _single(each(one, cases, state))


def _steps(iteration: Iteration, length: int, cases: Case, state: Any, begin: Array, end: Array) -> Any:
    """The state `length` steps on, and their objectives, n length ...; past step `end` the state stays as it is."""
    # No scan of one: inside a loop XLA:CPU runs convolutions on one thread.
    if length == 1:
        state, value = _step(iteration, cases, state, begin)
        return state, value[:, None]

    def one(state: Any, index: Array) -> Any:
        new, value = _step(iteration, cases, state, index)
        return jax.tree.map(lambda new, old: jnp.where(index < end, new, old), new, state), value

    state, values = jax.lax.scan(one, state, begin + jnp.arange(length, dtype=jnp.int32))
    return state, jnp.moveaxis(values, 0, 1)


def _single(state: Any) -> Any:
    """Return float64 as float32: with `JAX_ENABLE_X64` noise is drawn and sums are taken in it, images stay float32."""
    narrower = {"float64": jnp.float32, "complex128": jnp.complex64}
    return jax.tree.map(lambda leaf: leaf.astype(narrower.get(str(leaf.dtype), leaf.dtype)), state)


def _finish(iteration: Iteration, cases: Case, state: Any) -> Any:
    return each(iteration.finish, replace(cases, key=None), state)


def _snapshot(iteration: Iteration, cases: Case, state: Any) -> Any:
    return each(iteration.snapshot, replace(cases, key=None), state)
