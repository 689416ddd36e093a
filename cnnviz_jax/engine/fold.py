"""Folds: one picture explained by many independent evaluations, gathered in any order.

A technique says what one evaluation of one picture is. The engine runs many at once, for many
pictures, in chunks that fit memory, always with one compiled shape, and reports progress.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax.engine.compile import Executable, compiled
from cnnviz_jax.engine.memory import Chunk, fitting, is_exhausted
from cnnviz_jax.engine.progress import InFlight, Progress, silent
from cnnviz_jax.errors import MemoryBudgetError
from cnnviz_jax.results import Heatmap, View

if TYPE_CHECKING:
    from cnnviz_jax.model import Model
    from cnnviz_jax.targets import Target


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One picture explained by `evaluations` independent evaluations.

    Subclass as a frozen dataclass: its fields are the compiled program's identity, so two equal folds share
    one program. `prepare`, `evaluate` and `finish` are traced; each sees one picture.
    """

    gather: Literal["sum", "stack"] = "stack"
    """`sum`: what `evaluate` returns is added up. `stack`: it is kept, with a leading axis of evaluations."""
    view: View = "heatmap"
    """How the result is meant to be looked at."""
    layer: str | None = None
    """The layer looked at, if there is one."""
    notes: tuple[tuple[str, Any], ...] = ()
    """Further facts for the result's provenance."""
    warnings: tuple[str, ...] = ()
    """What the user should know before believing the result."""

    @property
    def evaluations(self) -> int:
        """How many evaluations explain one picture."""
        return 1

    def prepare(self, model: "Model", image: Float[Array, "h w c"], target: "Target", key: Key[Array, ""]) -> Any:
        """Return what every evaluation of this picture shares; any pytree."""
        return ()

    def evaluate(
        self,
        model: "Model",
        image: Float[Array, "h w c"],
        target: "Target",
        context: Any,
        index: Int[Array, ""],
        key: Key[Array, ""],
    ) -> Any:
        """Return evaluation number `index`; any pytree. `key` is `fold_in(picture's key, index)`."""
        raise TypeError(f"{type(self).__name__} defines no evaluate")

    def finish(
        self, model: "Model", image: Float[Array, "h w c"], target: "Target", context: Any, gathered: Any
    ) -> Any:
        """Return the picture's result from what `gather` made of all evaluations.

        A technique's is a `Heatmap`, a measure's `cnnviz_jax.measurement.Measured`.
        """
        raise TypeError(f"{type(self).__name__} defines no finish")


@dataclass(frozen=True, kw_only=True)
class WholePicture(Fold):
    """A plain function `(model, image, target, key) -> heatmap` as a fold of one evaluation."""

    identity: Hashable
    """Equal for functions that compute the same thing, so that they share one compiled program."""
    function: Callable[..., Any] = field(compare=False)

    def evaluate(self, model: "Model", image: Any, target: "Target", context: Any, index: Any, key: Any) -> Any:
        """Return what the function returns."""
        return self.function(model, image, target, key)

    def finish(self, model: "Model", image: Any, target: "Target", context: Any, gathered: Any) -> Heatmap:
        """Return it as a `Heatmap`."""
        value = jax.tree.map(lambda leaf: leaf[0], gathered)
        return value if isinstance(value, Heatmap) else Heatmap(values=value)


def run_fold(
    fold: Fold,
    model: "Model",
    images: Float[Array | np.ndarray, "n h w c"],
    target: "Target",
    keys: Key[Array, " n"],
    *,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress = silent,
) -> tuple[Any, Float[np.ndarray, " n"]]:
    """Return the fold's results and the untouched scores of all pictures.

    Args:
        fold: What one evaluation of one picture is.
        model: The model.
        images: Pictures in [0, 1].
        target: Batched: every leaf has one entry per picture.
        keys: One key per picture.
        chunk: Evaluations at once; `"auto"` plans from the compiled program's memory.
        memory_budget: Bytes one program may need; `None` for a share of what is free.
        progress: Told how many of pictures x evaluations are done.

    Raises:
        MemoryBudgetError: Not even one evaluation at a time fits.
    """
    run = _FoldRun(fold, model, jnp.asarray(images), target, keys, chunk, memory_budget)
    parts: list[Any] = []
    total = len(images) * fold.evaluations
    first = 0
    while first < len(images):
        part = run.pictures(first, partial(_count_on, progress, first * fold.evaluations, total))
        count = min(run.batch, len(images) - first)  # read afterwards: a batch shrinks when memory runs out
        parts.append(jax.tree.map(lambda leaf, count=count: np.asarray(leaf)[:count], part))
        first += count
        progress(first * fold.evaluations, total, "evaluations")
    whole: tuple[Any, Any] = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    return whole


def _count_on(progress: Progress, done: int, total: int, more: int) -> None:
    progress(min(done + more, total), total, "evaluations")


class _FoldRun:
    """The compiled programs of one fold over one set of pictures.

    Three of them, begin, step over a chunk, end; or one, where one evaluation is all there is.
    """

    def __init__(
        self, fold: Fold, model: "Model", images: Array, target: "Target", keys: Any, chunk: Chunk, budget: int | None
    ) -> None:
        self.fold, self.model, self.images, self.target, self.keys = fold, model, images, target, keys
        self.budget = budget
        most = fold.evaluations * len(images)
        size, self.step = fitting(self._compile_step, chunk, most, budget)
        self.size = size

    @property
    def chunk(self) -> int:
        """Evaluations of one picture at once."""
        return min(self.size, self.fold.evaluations)

    @property
    def batch(self) -> int:
        """Pictures at once."""
        return max(1, min(len(self.images), self.size // self.chunk))

    def pictures(self, first: int, done: Callable[[int], None]) -> Any:
        """Return results and scores of the batch from picture `first` on, halving the chunk when memory runs out."""
        while True:
            try:
                return self._pictures(first, done)
            except Exception as error:
                if not is_exhausted(error):
                    raise
                if self.size == 1:
                    raise MemoryBudgetError("memory ran out with one evaluation at a time") from error
                self.step = self._compile_step(self.size // 2)

    def _pictures(self, first: int, done: Callable[[int], None]) -> Any:
        rows = np.minimum(np.arange(first, first + self.batch), len(self.images) - 1)  # the last batch repeats
        images, target, keys = jax.tree.map(lambda leaf: leaf[rows], (self.images, self.target, self.keys))
        if self.fold.evaluations == 1:
            return jax.block_until_ready(self.step(self.model, images, target, keys))
        begin = compiled(partial(_begin, self.fold, self._slots), (_begin, self.fold, self._slots), self._shapes()[:4])
        scores, context, gathered = begin(self.model, images, target, keys)
        flight = InFlight()
        for start in range(0, self.fold.evaluations, self.chunk):
            gathered, token = self.step(self.model, images, target, keys, context, gathered, jnp.int32(start))
            flight.add(token)
            done(max(0, start - self.chunk) * self.batch)
        flight.drain()
        args = (self.model, images, target, context, gathered)
        end = compiled(partial(_end, self.fold), (_end, self.fold), args)
        return end(*args), scores

    @property
    def _slots(self) -> int:
        return -(-self.fold.evaluations // self.chunk) * self.chunk

    def _shapes(self) -> tuple[Any, ...]:
        def rows(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((self.batch, *leaf.shape[1:]), leaf.dtype)

        model = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.asarray(leaf).dtype), self.model)
        images, target, keys = jax.tree.map(rows, (self.images, self.target, self.keys))
        return model, images, target, keys

    def _compile_step(self, size: int) -> Executable:
        self.size = size
        shapes = self._shapes()
        if self.fold.evaluations == 1:
            return compiled(partial(_whole, self.fold), (_whole, self.fold), shapes)
        _, context, gathered = jax.eval_shape(partial(_begin, self.fold, self._slots), *shapes)
        args = (*shapes, context, gathered, jax.ShapeDtypeStruct((), jnp.int32))
        function = partial(_step, self.fold, self.chunk)
        return compiled(function, (_step, self.fold, self.chunk), args, donate=(5,))


def _begin(fold: Fold, slots: int, model: "Model", images: Array, target: "Target", keys: Any) -> Any:
    def one(image: Array, target: "Target", key: Any) -> Any:
        context = fold.prepare(model, image, target, key)
        return model.score(image, target)[0], context

    scores, contexts = jax.vmap(one)(images, target, keys)

    def evaluate(image: Array, target: "Target", key: Any, context: Any) -> Any:
        return fold.evaluate(model, image, target, context, jnp.int32(0), key)

    shape = jax.eval_shape(jax.vmap(evaluate), images, target, keys, contexts)
    lead = (lambda leaf: leaf.shape) if fold.gather == "sum" else (lambda leaf: (leaf.shape[0], slots, *leaf.shape[1:]))
    return scores, contexts, jax.tree.map(lambda leaf: jnp.zeros(lead(leaf), leaf.dtype), shape)


def _step(
    fold: Fold,
    chunk: int,
    model: "Model",
    images: Array,
    target: "Target",
    keys: Any,
    context: Any,
    gathered: Any,
    start: Array,
) -> Any:
    indices = start + jnp.arange(chunk, dtype=jnp.int32)
    valid = indices < fold.evaluations
    indices = jnp.minimum(indices, fold.evaluations - 1)

    def picture(image: Array, target: "Target", key: Any, context: Any) -> Any:
        def one(index: Array) -> Any:
            return fold.evaluate(model, image, target, context, index, jax.random.fold_in(key, index))

        return jax.vmap(one)(indices)

    partials = jax.vmap(picture)(images, target, keys, context)

    def add(total: Array, new: Array) -> Array:
        mask = valid.reshape(1, chunk, *(1,) * (new.ndim - 2))
        return total + jnp.where(mask, new, jnp.zeros((), new.dtype)).sum(1)

    def put(total: Array, new: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(total, new, start, axis=1)

    return jax.tree.map(add if fold.gather == "sum" else put, gathered, partials), start + chunk


def _whole(fold: Fold, model: "Model", images: Array, target: "Target", keys: Any) -> Any:
    """Return what begin, one step and end return; one program compiles sooner and shares the forward pass."""
    scores, context, gathered = _begin(fold, 1, model, images, target, keys)
    gathered, _ = _step(fold, 1, model, images, target, keys, context, gathered, jnp.int32(0))
    return _end(fold, model, images, target, context, gathered), scores


def _end(fold: Fold, model: "Model", images: Array, target: "Target", context: Any, gathered: Any) -> Any:
    if fold.gather == "stack":
        gathered = jax.tree.map(lambda leaf: leaf[:, : fold.evaluations], gathered)

    def one(image: Array, target: "Target", context: Any, gathered: Any) -> Any:
        return fold.finish(model, image, target, context, gathered)

    return jax.vmap(one)(images, target, context, gathered)
