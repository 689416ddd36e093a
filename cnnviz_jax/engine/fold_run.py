"""Running a fold: begin, chunks of evaluations, end; each compiled once, in chunks that fit memory, kept on the way."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.compiling import Executable, compiled, shapes_returned
from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.chunk_planning import Chunk, evenly, fitting, is_exhausted
from cnnviz_jax.engine.cpu_chunks import suiting_a_cpu
from cnnviz_jax.engine.evaluating import each, evaluated, finished, prepared, rows_of, shapes_of, summed
from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.engine.iteration import ResumeCache
from cnnviz_jax.engine.progress import InFlight
from cnnviz_jax.engine.spreading import ALIKE, BY_IMAGE, Spread, first_of, joined
from cnnviz_jax.engine.stopping import stoppable
from cnnviz_jax.errors import Interrupted, MemoryBudgetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.progress.bars import Progress, silent
from cnnviz_jax.targets import Target

# What a kill -9 may lose. Ctrl-C loses nothing: it saves at the next chunk.
_SAVE_EVERY_S = 60.0


def run_fold(
    fold: Fold,
    model: Model,
    images: Float[Array | np.ndarray, "n h w c"],
    target: Target,
    keys: Key[Array, " n"],
    *,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress = silent,
    cache: ResumeCache | None = None,
    given: Mapping[str, Any] | None = None,
    shared: Mapping[str, Any] | None = None,
    devices: Sequence[Any] = (),
) -> tuple[Any, Float[np.ndarray, " n"]]:
    """Return the fold's results and the untouched scores of all images.

    Args:
        fold: What one evaluation of one image is.
        model: The model.
        images: Images in [0, 1].
        target: Batched: every leaf has one entry per image.
        keys: One key per image.
        chunk: Evaluations at once on each device; `"auto"` plans from the compiled program's memory.
        memory_budget: Bytes one program may need on a device; `None` for a share of what is free.
        progress: Told how many of images x evaluations are done.
        cache: Where evaluations of unfinished images are kept and found again, image by image.
        given: Arrays by name, a row for each image; see `Case`.
        shared: Arrays by name, the same for all.
        devices: Over which images, and the evaluations of each, are spread; the default device where there are none.

    Raises:
        MemoryBudgetError: Not even one evaluation at a time fits.
        Interrupted: Ctrl-C was pressed, and what was done is kept.
    """
    cases = Case(model, target, keys, jax.device_put(images), given=dict(given or {}), shared=dict(shared or {}))
    run = FoldRun(fold, cases, chunk, memory_budget, cache, devices)
    parts: list[Any] = []  # on the host: a thousand maps are read back while later images are computed
    total = len(images) * fold.evaluations
    first = 0

    def report(done: int) -> None:
        progress(min(first * fold.evaluations + done, total), total, "evaluations")

    while first < len(images):
        part = run.run_batch(first, report)
        count = min(run.batch, len(images) - first)  # read afterwards: a batch shrinks when memory runs out
        parts.append(jax.tree.map(lambda leaf, count=count: np.asarray(leaf)[:count], part))
        first += count
        report(0)
    whole: tuple[Any, Any] = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    return whole


class FoldRun:
    """The compiled programs of one fold over one set of images.

    Three of them, begin, step over a chunk, end; or one, where one evaluation is all there is.
    """

    def __init__(
        self,
        fold: Fold,
        cases: Case,
        chunk: Chunk = "auto",
        memory_budget: int | None = None,
        cache: ResumeCache | None = None,
        devices: Sequence[Any] = (),
    ) -> None:
        """Plan and compile the chunk; arguments as `run_fold`'s, a batch of images in one."""
        self.cache, self.count = cache, len(cases.image)
        self.fold = fold.in_groups(cases.model, cases.target, self.count)
        # A cache keeps image by image, so that one is computed at a time and the devices share its evaluations.
        self.spread = Spread.over(devices, cases, self.count if cache is None else 1, fold.evaluations)
        self.cases = cases if self.spread is None else self.spread.placed(cases)
        self._steps: dict[int, Executable] = {}
        most = -(-fold.evaluations // self._columns) * -(-self.count // self._rows_of_devices)
        preferred = suiting_a_cpu(cases.model, scores_only=fold.scores_only, evaluations=most) if most > 1 else None
        self.size, self.step = fitting(self._compile_step, chunk, most, memory_budget, preferred)

    @property
    def chunk(self) -> int:
        """Evaluations of one image at once, on all devices together; the most of any group."""
        return max(self._chunk_of(group) for group in range(len(self.fold.group_ends)))

    def _chunk_of(self, group: int) -> int:
        """Evaluations of one image at once of a group."""
        return self._columns * self._own_chunk_of(group)

    def _own_chunk_of(self, group: int) -> int:
        """Those of them that one device does."""
        # A chunk ends where its round does, so one longer than every round would be padded in each of them.
        return evenly(-(-self._longest[group] // self._columns), self.size)

    @property
    def batch(self) -> int:
        """Images at once, on all devices together; one where each is kept on its own."""
        if self.cache is not None:
            return 1
        devices = self._rows_of_devices
        return devices * evenly(-(-self.count // devices), max(1, self.size // (self.chunk // self._columns)))

    @property
    def _rows_of_devices(self) -> int:
        return 1 if self.spread is None else self.spread.rows

    @property
    def _columns(self) -> int:
        return 1 if self.spread is None else self.spread.columns

    def once(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """Return the beginning and one chunk of the first batch as two calls, to be timed."""
        if self.fold.evaluations == 1:
            batch = self._rows(0)
            return lambda: (), lambda: self.step(batch)
        begin, chunks = self._apart()
        return begin, lambda: chunks([(0, 0)])

    def every(self, apart: int) -> tuple[int, Callable[[], Any]]:
        """Return how many evaluations chunks so far apart do in all, and a call that does them, to be timed.

        Each group has its share of them, so their time is that of the whole in small.
        """
        _, chunks = self._apart()
        taken = [(start, group) for start, group, _ in self.chunks(0)][:: max(1, apart // self.chunk)]
        return sum(self._chunk_of(group) for _, group in taken), lambda: chunks(taken)

    def _apart(self) -> tuple[Callable[[], Any], Callable[[Sequence[tuple[int, int]]], Any]]:
        """The beginning of the first batch, and some of its chunks, given where each starts and its group."""
        batch, begin = self._rows(0), self._begin_program()
        _, context, empty = begin(batch)
        begun = replace(batch, context=context)

        def chunks(places: Sequence[tuple[int, int]]) -> Any:
            gathered: Any = jax.tree.map(jnp.copy, empty)  # its memory is reused, so each call has its own
            for start, group in places:
                gathered, _ = self._step_of(group)(begun, gathered, jnp.int32(start))
            return gathered

        return lambda: begin(batch), chunks

    def flops_of(self, group: int) -> float | None:
        """Return the operations of one evaluation of a group, as the compiler counts them; `None` where it does not."""
        flops = self._step_of(group).flops
        return None if flops is None else flops / (self.batch * self._chunk_of(group))

    def _rows(self, first: int) -> Case:
        """The batch from image `first` on; the last one repeats the last image."""
        return rows_of(self.cases, np.minimum(np.arange(first, first + self.batch), self.count - 1))

    def run_batch(self, first: int, done: Callable[[int], None]) -> Any:
        """Return results and scores of the batch from image `first` on, halving the chunk when memory runs out."""
        while True:
            try:
                return self._run_batch(first, done)
            except Exception as error:
                if not is_exhausted(error):
                    raise
                if self.size == 1:
                    raise MemoryBudgetError("memory ran out with one evaluation at a time") from error
                # The batch begins anew: what was gathered lay on the device and was donated to the call that failed.
                self.step = self._compile_step(self.size // 2)

    def _run_batch(self, first: int, done: Callable[[int], None]) -> Any:
        batch = self._rows(first)
        if self.fold.evaluations == 1:
            return jax.block_until_ready(self.step(batch))
        scores, context, gathered = self._begin_program()(batch)
        batch = replace(batch, context=context)
        gathered, complete = self._resumed(first, gathered)
        flight, saved_at = InFlight(), time.monotonic()
        with stoppable(listens=self.cache is not None) as stop:
            # Kept before a chunk is computed, never within: `gathered` then holds exactly the evaluations before
            # `start`. Reading it waits for the chunks in flight.
            for start, group, ended in self.chunks(complete):
                if stop.asked or (self.cache is not None and time.monotonic() - saved_at > _SAVE_EVERY_S):
                    self._keep(first, start, gathered)
                    saved_at = time.monotonic()
                if stop.asked:
                    count = self.fold.evaluations
                    raise Interrupted(
                        f"interrupted: {start:,} of {count:,} evaluations of image {first} are done and kept; "
                        f"the same call resumes there"
                    )
                for _ in range(ended):
                    batch = replace(batch, context=self._of_gathered(_refine, batch, gathered))
                if ended and self.fold.is_over(batch.context):
                    break
                gathered, token = self._step_of(group)(batch, gathered, jnp.int32(start))
                flight.add(token)
                # One chunk behind: this one is only under way.
                done(max(0, start - self.chunk) * self.batch)
        flight.drain()
        return self._of_gathered(_end, batch, gathered), scores

    def _of_gathered(self, function: Callable[..., Any], batch: Case, gathered: Any) -> Any:
        """What the fold makes of what is gathered."""
        run, identity = self._over_devices(function, (self.fold,), BY_IMAGE)
        return compiled(run, identity, (batch, gathered), evaluations=self.count)(batch, gathered)

    def _begin_program(self) -> Executable:
        begin, identity = self._over_devices(_begin, (self.fold, self._slots))
        return compiled(begin, identity, (self._shapes,), evaluations=self.count)

    def _over_devices(
        self, function: Callable[..., Any], own: tuple[Any, ...], *more: Any, out: Any = BY_IMAGE
    ) -> tuple[Callable[..., Any], Any]:
        """A function of cases on every device that serves, `own` given to it, and what it is known by."""
        run = partial(function, *own)
        return run if self.spread is None else self.spread.mapped(run, *more, out=out), (function, *own, self.spread)

    @property
    def _shapes(self) -> Case:
        """Those of a batch."""
        shapes = shapes_of(self.cases, self.batch)
        return shapes if self.spread is None else self.spread.shapes(shapes)

    def chunks(self, complete: int) -> Iterator[tuple[int, int, int]]:
        """Where each chunk that is left begins, its group, and how many rounds ended since the one before.

        After each of them the context is refined. Where a run is resumed in its fourth round, three ended: a technique
        may learn from every round in turn, and what it knew is not kept.
        """
        ended = 0
        for begin, stop, group in self._stretches:
            ended += begin in self.fold.rounds
            for start in range(begin, stop, self._chunk_of(group)):
                if min(start + self._chunk_of(group), stop) > complete:
                    yield start, group, ended
                    ended = 0

    def chunk_costs(self) -> Iterator[float]:
        """Yield how long each chunk is predicted to take, in chunks of the first group."""
        costs = self.fold.group_costs(self.cases.model, self.cases.target)
        for _, group, _ in self.chunks(0):
            yield costs[group] * self._chunk_of(group) / (costs[0] * self._chunk_of(0))

    @cached_property
    def _longest(self) -> dict[int, int]:
        """The most evaluations of each group that follow one another within a round."""
        return {group: length for length, group in sorted((end - begin, its) for begin, end, its in self._stretches)}

    @cached_property
    def _stretches(self) -> list[tuple[int, int, int]]:
        """Evaluations that share a round and a group: the first, one past the last, and the group."""
        ends = sorted({*self.fold.rounds, *self.fold.group_ends})
        groups = self.fold.group_ends
        return [(a, b, bisect_right(groups, a)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def _keep(self, first: int, complete: int, gathered: Any) -> None:
        """Keep what is gathered of one image after `complete` evaluations."""
        leaves = [np.asarray(leaf)[0] for leaf in jax.tree.leaves(gathered)]
        if self.fold.gather == "stack":
            leaves = [leaf[:complete] for leaf in leaves]
        if self.cache is not None:
            self.cache.save(first, [np.asarray(complete), *leaves])

    def _resumed(self, first: int, gathered: Any) -> tuple[Any, int]:
        """What was kept of one image and how many evaluations it is, or the empty start."""
        found = self.cache.load(first) if self.cache is not None else None
        if found is None:
            return gathered, 0
        complete, leaves = int(found[0]), found[1:]
        if self.fold.gather == "sum":
            # A sum tells not what is in it, and a chunk cannot be added in part: it is of use only where a chunk of
            # this run begins. A sum of 12 evaluations serves chunks of 4 and 6, not of 5. A stack serves all.
            if all(start != complete for start, *_ in self.chunks(0)):
                return gathered, 0
            old = [jnp.asarray(leaf)[None] for leaf in leaves]
        else:
            empty = jax.tree.leaves(gathered)
            old = [e.at[0, :complete].set(leaf) for e, leaf in zip(empty, leaves, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(gathered), old), complete

    @property
    def _slots(self) -> int:
        """Room for every chunk, the last of each round written whole."""
        # Rounds of 10 and 25 in chunks of 4 are written at 0, 4, 8 (up to 12), then at 10, 14, 18, 22 (up to 26): the
        # overhang of one round is overwritten by the next, that of the last needs room. `dynamic_update_slice` would
        # otherwise move a chunk that does not fit back inside, over good evaluations.
        return max(
            begin + -(-(end - begin) // self._chunk_of(group)) * self._chunk_of(group)
            for begin, end, group in self._stretches
        )

    def _compile_step(self, size: int) -> Executable:
        self.size, self._steps = size, {}
        self._steps[0] = self._compiled_step(0)
        return self._steps[0]

    def _step_of(self, group: int) -> Executable:
        """The program of a group, compiled when it is first needed."""
        if group not in self._steps:
            self._steps[group] = self._compiled_step(group)
        return self._steps[group]

    def _compiled_step(self, group: int) -> Executable:
        shapes = self._shapes
        if self.fold.evaluations == 1:
            return compiled(*self._over_devices(_whole, (self.fold,)), (shapes,), evaluations=self.count)
        _, context, gathered = shapes_returned(*self._over_devices(_begin, (self.fold, self._slots)), (shapes,))
        args = (replace(shapes, context=context), gathered, jax.ShapeDtypeStruct((), jnp.int32))
        own = (self.fold.of_group(group), self._own_chunk_of(group), self.fold.group_ends[group], self.spread)
        step = self._over_devices(_step, own, BY_IMAGE, ALIKE, out=(BY_IMAGE, ALIKE))
        # What is gathered is donated: a stack of all evaluations would otherwise be held twice, and copied every chunk.
        total = self.fold.evaluations * self.count
        return compiled(*step, args, donate=(1,), evaluations=total)


def _begin(fold: Fold, slots: int, batch: Case) -> Any:
    scores, contexts = prepared(fold, batch)
    first = jax.ShapeDtypeStruct((1,), jnp.int32)
    shapes = jax.eval_shape(partial(evaluated, fold.of_group(0)), replace(batch, context=contexts), first)

    def empty(leaf: Any) -> Array:
        batch, _, *rest = leaf.shape
        return jnp.zeros((batch, *rest) if fold.gather == "sum" else (batch, slots, *rest), leaf.dtype)

    return scores, contexts, jax.tree.map(empty, shapes)


def _step(fold: Fold, chunk: int, last: int, spread: Spread | None, batch: Case, gathered: Any, start: Array) -> Any:
    # Every chunk of a group has this one shape. The last one of a round is padded with its last evaluation, computed
    # again and left out of a sum; in a stack it is written into slots beyond the count, which `_end` cuts off. A sum
    # leaves out what belongs to the next round as well, which computes it itself.
    indices = first_of(spread, start, chunk) + jnp.arange(chunk, dtype=jnp.int32)
    end: Any = last
    if fold.gather == "sum" and len(fold.rounds) > 1:
        ends = jnp.asarray(fold.rounds, jnp.int32)
        end = ends[jnp.searchsorted(ends, start, side="right")]
    valid = indices < end
    partials = evaluated(fold, batch, jnp.minimum(indices, last - 1))

    def put(total: Array, new: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(total, joined(spread, new, "stack"), start, axis=1)

    def add(total: Array, new: Array) -> Array:
        return total + joined(spread, summed(new, valid), "sum")

    # The second is a token to wait for: `gathered` itself is donated to the next chunk and gone by then.
    return jax.tree.map(add if fold.gather == "sum" else put, gathered, partials), start + chunk


def _whole(fold: Fold, batch: Case) -> Any:
    """Return what begin, one step and end return; one program compiles sooner and shares the forward pass."""
    scores, context = prepared(fold, batch)
    batch = replace(batch, context=context)
    only = evaluated(fold, batch, jnp.zeros((1,), jnp.int32))
    if fold.gather == "sum":
        only = jax.tree.map(lambda leaf: leaf[:, 0], only)
    return _end(fold, batch, only), scores


def _refine(fold: Fold, batch: Case, gathered: Any) -> Any:
    return each(fold.refine, replace(batch, key=None), _complete(fold, gathered))


def _end(fold: Fold, batch: Case, gathered: Any) -> Any:
    return finished(fold, batch, _complete(fold, gathered))


def _complete(fold: Fold, gathered: Any) -> Any:
    """What is gathered; of stacks without the slots behind their last evaluation."""
    if fold.gather == "sum":
        return gathered
    return jax.tree.map(lambda leaf: leaf[:, : fold.evaluations], gathered)
