"""Running a plan: the unchanged activations once per image, then the changed windows for any place of the sweep.

Written for one place; `vmap` over places gives a batch, in which each operation is one operation on all windows.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnnviz_jax.program.analysis.arithmetic_rules import ELEMENTWISE
from cnnviz_jax.program.graph.evaluator import Evaluator
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.layers.scopes import scope_of
from cnnviz_jax.program.windows.plan import Plan, Step
from cnnviz_jax.program.windows.regions import Cut, Place, at, lay, read, slice_at
from cnnviz_jax.program.windows.rulebook import Beside, Region
from cnnviz_jax.program.windows.spans import Window


@dataclass(frozen=True)
class _Kept:
    """One unchanged activation that the sweep reads, with the padding that some reader needs."""

    value: int
    padding: float | int
    padding_value: int | None
    axes: tuple[int, int]
    margins: tuple[tuple[int, int], tuple[int, int]]
    """Padding before and after, along rows and columns."""


class ChangedWindows:
    """Exact evaluation of a program whose image changes inside one window at a time."""

    def __init__(self, plan: Plan, evaluator: Evaluator) -> None:
        """Lay out which activations are kept; see `plan_windows` for the plan."""
        self.plan, self._evaluator = plan, evaluator
        self._cuts: dict[tuple[int, int], tuple[tuple[Cut, Cut], Any]] = {}
        self._kept: dict[Any, _Kept] = {}
        for step in plan.steps:
            self._lay_out(step)
        for number in plan.wanted:
            if plan.analysis.depends(number):
                self._whole(number)

    def _lay_out(self, step: Step) -> None:
        for position, number in enumerate(step.node.inputs):
            if not self.plan.analysis.depends(number):
                continue
            window = self.plan.windows[number]
            if step.recipe is None:
                self._whole(number)
                continue
            reading = step.recipe.readings[position]
            if window is None or not isinstance(reading, Region):
                raise TypeError(f"a window of {step.node.name} is read from no window")
            inside = all(a.is_same(b) for a, b in zip(reading.spans, window.spans, strict=True))
            if not inside:
                rows, cols = (Cut.of(a, b) for a, b in zip(reading.spans, window.spans, strict=True))
                key = (number, repr(float(reading.padding)), reading.padding_value)
                self._cuts[step.node.order, position] = ((rows, cols), key)
                self._keep(key, reading, window, (rows, cols))

    def _keep(self, key: Any, reading: Region, window: Window, cuts: tuple[Cut, Cut]) -> None:
        number = key[0]
        shape = self.plan.graph.values[number].shape
        needs = [
            (max(0, -int(cut.start.min())), max(0, int(cut.stop.max()) - shape[axis]))
            for cut, axis in zip(cuts, window.axes, strict=True)
        ]
        old = self._kept.get(key)
        if old is not None:
            needs = [(max(a, c), max(b, d)) for (a, b), (c, d) in zip(needs, old.margins, strict=True)]
        self._kept[key] = _Kept(number, reading.padding, reading.padding_value, window.axes, (needs[0], needs[1]))

    def _whole(self, number: int) -> None:
        """Note that all of a value is needed, if only a window of it is computed."""
        window = self.plan.windows[number]
        if window is not None:
            self._kept.setdefault((number, "whole"), _Kept(number, 0, None, window.axes, ((0, 0), (0, 0))))

    def prepare(self, params: Any, x: Float[Array, "n ..."]) -> tuple[Array, ...]:
        """Return the unchanged activations that `evaluate` reads, for one image.

        Cost: one forward pass; memory for the activations.
        """
        given = self._given(params) | {self.plan.graph.image_id: x}
        numbers = {kept.value for kept in self._kept.values()}
        numbers |= {kept.padding_value for kept in self._kept.values() if kept.padding_value is not None}
        values = self._evaluator.run(given, sorted(numbers))
        return tuple(_padded(values[kept.value], kept, values) for kept in self._kept.values())

    def evaluate(
        self, params: Any, x: Float[Array, "n ..."], occluded: Float[Array, "n ..."], unchanged: Any, place: Place
    ) -> dict[int, Any]:
        """Return the wanted values when the image looks like `occluded` in the window at one place.

        Args:
            params: Parameters, as they were traced.
            x: The image, batch of one.
            occluded: What shows inside the window, as large as the image.
            unchanged: What `prepare` returned for the image.
            place: Which of the sweep's rows and which of its columns, traced.
        """
        run = _Run(self, self._given(params), dict(zip(self._kept, unchanged, strict=True)), place)
        graph, plan = self.plan.graph, self.plan
        run.known[graph.image_id] = _changed_image(plan, x, occluded, place)
        for step in plan.steps:
            run.step(step)
        return {number: run.whole(number) for number in plan.wanted}

    def _given(self, params: Any) -> dict[int, Any]:
        return dict(zip(self.plan.graph.param_ids, jax.tree.leaves(params), strict=True))


class _Run:
    """The values of one evaluation: parts where the plan has windows, whole values elsewhere."""

    def __init__(self, windows: ChangedWindows, given: dict[int, Any], kept: dict[Any, Array], place: Place) -> None:
        self.windows, self.plan, self.given, self.kept, self.place = windows, windows.plan, given, kept, place
        self.known: dict[int, Any] = {}
        self._wholes: dict[int, Any] = {}

    def step(self, step: Step) -> None:
        node = step.node
        scope = "" if node.parent is None else scope_of(node.parent)
        with jax.named_scope(scope or "windows"):
            if step.recipe is None:
                results = node.apply([self.whole(number) for number in node.inputs])
            else:
                results = step.recipe.compute([self.read(step, k) for k in range(len(node.inputs))])
        self.known.update(zip(node.outputs, results, strict=True))

    def read(self, step: Step, position: int) -> Any:
        number = step.node.inputs[position]
        reading = step.recipe.readings[position] if step.recipe is not None else None
        if isinstance(reading, Beside):
            window = self.plan.windows[step.node.outputs[0]]
            return self.beside(number, window) if window is not None else self.fixed(number)
        if not self.plan.analysis.depends(number):
            return self.fixed(number)
        found = self.windows._cuts.get((step.node.order, position))
        if found is None:
            return self.known[number]
        cuts, key = found
        margin = tuple(before for before, _ in self.windows._kept[key].margins)
        window = self.plan.windows[number]
        axes = window.axes if window is not None else (0, 0)
        return read(self.kept[key], self.known[number], cuts, axes, (margin[0], margin[1]), self.place)

    def whole(self, number: int) -> Any:
        """All of a value."""
        if not self.plan.analysis.depends(number):
            return self.fixed(number)
        window = self.plan.windows[number]
        if window is None:
            return self.known[number]
        if number not in self._wholes:
            self._wholes[number] = lay(self.kept[number, "whole"], self.known[number], window, self.place)
        return self._wholes[number]

    def fixed(self, number: int) -> Any:
        """A value that the image does not feed; one for all places."""
        if number not in self.given:
            constant = self.plan.graph.values[number].constant
            found = self.windows._evaluator.run(self.given, (number,))[number] if constant is None else constant
            self.given[number] = found
        return self.given[number]

    def beside(self, number: int, window: Window) -> Any:
        """The part of a fixed value beside a window: spread again, so that a bias is never as large as a map."""
        shape = self.plan.graph.values[number].shape
        if all(shape[axis] == 1 for axis in window.axes if shape):
            return self.fixed(number)
        if any(shape[axis] == 1 for axis in window.axes):
            window = window.along(shape)
        sizes = window.shape(shape)
        if sizes == shape:
            return self.fixed(number)
        node: Node | None = self.plan.graph.values[number].producer
        if node is not None and node.name == "broadcast_in_dim" and len(node.inputs) == 1:
            source = self.plan.graph.values[node.inputs[0]].shape
            targets = node.params["broadcast_dimensions"]
            if all(source[k] == 1 or sizes[axis] == shape[axis] for k, axis in enumerate(targets)):
                return lax.broadcast_in_dim(self.fixed(node.inputs[0]), sizes, targets)
        if node is not None and node.name in ELEMENTWISE and len(node.outputs) == 1:
            return node.apply([self.beside(source, window) for source in node.inputs])[0]
        return slice_at(jnp.asarray(self.fixed(number)), window, self.place)


def _padded(value: Array, kept: _Kept, values: dict[int, Any]) -> Array:
    config = [(0, 0, 0)] * value.ndim
    for axis, (before, after) in zip(kept.axes, kept.margins, strict=True):
        config[axis] = (before, after, 0)
    if not any(map(any, config)):
        return value
    if kept.padding_value is not None:
        return lax.pad(value, jnp.asarray(values[kept.padding_value], value.dtype), config)
    padding = kept.padding
    if not jnp.issubdtype(value.dtype, jnp.inexact) and np.isinf(padding):
        limits = np.iinfo(value.dtype)
        padding = int(limits.min if padding < 0 else limits.max)
    return lax.pad(value, jnp.asarray(padding, value.dtype), config)


def _changed_image(plan: Plan, x: Array, occluded: Array, place: Place) -> Array:
    """The changed part of the image, or all of it."""
    window = plan.windows[plan.graph.image_id]
    axes = window.axes if window is not None else (1, 2)
    firsts: list[Any] = [0, 0]
    if window is not None:
        x, occluded = slice_at(x, window, place), slice_at(occluded, window, place)
        firsts = [at(span.start, number) for span, number in zip(window.spans, place, strict=True)]
    inside = jnp.ones((1,) * x.ndim, bool)
    for k, axis in enumerate(axes):
        ends = np.asarray(plan.places[k])
        index = lax.broadcasted_iota(jnp.int32, [n if i == axis else 1 for i, n in enumerate(x.shape)], axis)
        index = index + firsts[k]
        inside &= (index >= at(ends[:, 0], place[k])) & (index < at(ends[:, 1], place[k]))
    return jnp.where(inside, occluded, x)
