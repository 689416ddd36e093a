"""Running a plan: the unchanged activations once per image, then the changed windows for any place of the sweep.

Written for one place; `vmap` over places gives a batch, in which each operation is one operation on all windows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnnviz_jax.program.graph.evaluator import Evaluator, Override
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import ELEMENTWISE, convolve
from cnnviz_jax.program.incremental.plan import WindowPlan, WindowStep
from cnnviz_jax.program.incremental.regions import Cut, SweepPlace, at, lay, read, slice_at
from cnnviz_jax.program.incremental.rulebook import Beside, Region
from cnnviz_jax.program.incremental.spans import Window, number_of


@dataclass(frozen=True)
class _Base:
    """One unchanged activation that the sweep reads, with the padding that some reader needs."""

    value: int
    padding: float | int
    padding_value: int | None
    axes: tuple[int, ...]
    margins: tuple[tuple[int, int], ...]
    """Padding before and after, along each of them."""


class ChangedWindows:
    """Exact evaluation of a program whose image changes inside one window at a time."""

    def __init__(
        self,
        plan: WindowPlan,
        evaluator: Evaluator,
        beside: "ChangedWindows | None" = None,
        overrides: Mapping[int, Override] | None = None,
    ) -> None:
        """Lay out which unchanged activations are kept; see `plan_windows` for the plan.

        Args:
            plan: What is recomputed.
            evaluator: Runs the program.
            beside: Other windows of the same image. What `prepare` of either returns serves both, and so on: padded by
                the most that any of them needs. All must be laid out before the first is prepared.
            overrides: Other ways to compute values of the unchanged image.
        """
        self.plan, self._evaluator, self._overrides = plan, evaluator, overrides
        self._cuts: dict[tuple[int, int], tuple[tuple[Cut, ...], Any]] = {}
        self._bases: dict[Any, _Base] = {} if beside is None else beside._bases
        for step in plan.steps:
            self._lay_out(step)
        for number in plan.outputs:
            if plan.analysis.depends(number):
                self._whole(number)

    def _lay_out(self, step: WindowStep) -> None:
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
            # A reader of the very window that was computed takes the part as it is. Another cuts its region out of the
            # unchanged map and lays the part over it; readers that pad alike share one padded map, padded by the most
            # that any of them needs, so that no cut at run time leaves it (`dynamic_slice` would shift it silently).
            if not Window(window.axes, reading.spans).is_same(window):
                cuts = tuple(Cut.of(a, b) for a, b in zip(reading.spans, window.spans, strict=True))
                key = (number, repr(float(reading.padding)), reading.padding_value)
                self._cuts[step.node.order, position] = (cuts, key)
                self._keep(key, reading, window, cuts)

    def _keep(self, key: Any, reading: Region, window: Window, cuts: tuple[Cut, ...]) -> None:
        number = key[0]
        shape = self.plan.graph.values[number].shape
        needs = [
            (max(0, -int(cut.start.min())), max(0, int(cut.stop.max()) - shape[axis]))
            for cut, axis in zip(cuts, window.axes, strict=True)
        ]
        old = self._bases.get(key)
        if old is not None:
            needs = [(max(a, c), max(b, d)) for (a, b), (c, d) in zip(needs, old.margins, strict=True)]
        self._bases[key] = _Base(number, reading.padding, reading.padding_value, window.axes, tuple(needs))

    def _whole(self, number: int) -> None:
        """Note that all of a value is needed, if only a window of it is computed."""
        window = self.plan.windows[number]
        if window is not None:
            none = ((0, 0),) * len(window.axes)
            self._bases.setdefault((number, "whole"), _Base(number, 0, None, window.axes, none))

    def prepare(self, params: Any, x: Float[Array, "n ..."]) -> tuple[Array, ...]:
        """Return the unchanged activations that `evaluate` reads, for one image.

        Cost: one forward pass; memory for the activations.
        """
        inputs = self._params(params) | {self.plan.graph.image_id: x}
        numbers = {base.value for base in self._bases.values()}
        numbers |= {base.padding_value for base in self._bases.values() if base.padding_value is not None}
        values = self._evaluator.run(inputs, sorted(numbers), overrides=self._overrides)
        return tuple(_padded(values[base.value], base, values) for base in self._bases.values())

    def evaluate(
        self, params: Any, x: Float[Array, "n ..."], occluded: Float[Array, "n ..."], unchanged: Any, place: SweepPlace
    ) -> dict[int, Any]:
        """Return the plan's outputs when the image looks like `occluded` in the window at one place.

        Args:
            params: Parameters, as they were traced.
            x: The image, batch of one.
            occluded: What shows inside the window, as large as the image.
            unchanged: What `prepare` returned for the image.
            place: Which interval of the sweep along each axis, traced.
        """
        run = _Run(self, self._params(params), dict(zip(self._bases, unchanged, strict=True)), place)
        plan = self.plan
        run.known[plan.image] = _changed_image(plan, x, occluded, place)
        for step in plan.steps:
            run.step(step)
        return {number: run.whole(number) for number in plan.outputs}

    def _params(self, params: Any) -> dict[int, Any]:
        return dict(zip(self.plan.graph.param_ids, jax.tree.leaves(params), strict=True))


class _Run:
    """The values of one evaluation: parts where the plan has windows, whole values elsewhere."""

    def __init__(
        self, windows: ChangedWindows, constants: dict[int, Any], bases: dict[Any, Array], place: SweepPlace
    ) -> None:
        self.windows, self.plan, self.constants = windows, windows.plan, constants
        self.bases, self.place = bases, place
        self.known: dict[int, Any] = {}
        self._wholes: dict[int, Any] = {}

    def step(self, step: WindowStep) -> None:
        node = step.node
        with jax.named_scope(node.outer_stack or "windows"):
            if step.recipe is None:
                operands = [self.whole(number) for number in node.inputs]
                is_convolution = node.name == "conv_general_dilated"
                results = [convolve(node, *operands)] if is_convolution else node.apply(operands)
            else:
                results = step.recipe.compute([self.read(step, k) for k in range(len(node.inputs))])
        self.known.update(zip(node.outputs, results, strict=True))

    def read(self, step: WindowStep, position: int) -> Any:
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
        margin = tuple(before for before, _ in self.windows._bases[key].margins)
        window = self.plan.windows[number]
        axes = window.axes if window is not None else ()
        return read(self.bases[key], self.known[number], cuts, axes, margin, self.place)

    def whole(self, number: int) -> Any:
        """All of a value."""
        if not self.plan.analysis.depends(number):
            return self.fixed(number)
        window = self.plan.windows[number]
        if window is None:
            return self.known[number]
        if number not in self._wholes:
            self._wholes[number] = lay(self.bases[number, "whole"], self.known[number], window, self.place)
        return self._wholes[number]

    def fixed(self, number: int) -> Any:
        """A value that the image does not feed; one for all places."""
        if number not in self.constants:
            constant = self.plan.graph.values[number].constant
            found = self.windows._evaluator.run(self.constants, (number,))[number] if constant is None else constant
            self.constants[number] = found
        return self.constants[number]

    def beside(self, number: int, window: Window) -> Any:
        """The part of a fixed value beside a window: spread again, so that a bias is never as large as a map."""
        # A bias of 64 channels over 112 x 112 positions is broadcast (64,) -> (1, 112, 112, 64), 3 MB in float32 for
        # 256 bytes. Its part is the same broadcast to the window's size; of elementwise arithmetic on such values, the
        # parts of its operands; of anything else, a slice.
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


def _padded(value: Array, base: _Base, values: dict[int, Any]) -> Array:
    config = [(0, 0, 0)] * value.ndim
    for axis, (before, after) in zip(base.axes, base.margins, strict=True):
        config[axis] = (before, after, 0)
    if not any(map(any, config)):
        return value
    if base.padding_value is not None:
        return lax.pad(value, jnp.asarray(values[base.padding_value], value.dtype), config)
    return lax.pad(value, number_of(base.padding, value.dtype), config)


def _changed_image(plan: WindowPlan, x: Array, occluded: Array, place: SweepPlace) -> Array:
    """The changed part of the image, or all of it."""
    window, shape = plan.windows[plan.image], plan.graph.values[plan.image].shape
    x, occluded = (each if each.shape == shape else each.reshape(shape) for each in (x, occluded))
    axes = window.axes if window is not None else tuple(range(1, len(plan.places) + 1))
    firsts: list[Any] = [0] * len(axes)
    if window is not None:
        x, occluded = slice_at(x, window, place), slice_at(occluded, window, place)
        firsts = [at(span.start, number) for span, number in zip(window.spans, place, strict=True)]
    # The image's window is as long as the longest interval; where an interval is shorter, pixels beside it keep their
    # colour. Pixel i of the window is pixel first + i of the image.
    inside = jnp.ones((1,) * x.ndim, bool)
    for k, axis in enumerate(axes):
        ends = np.asarray(plan.places[k])
        index = lax.broadcasted_iota(jnp.int32, [n if i == axis else 1 for i, n in enumerate(x.shape)], axis)
        index = index + firsts[k]
        inside &= (index >= at(ends[:, 0], place[k])) & (index < at(ends[:, 1], place[k]))
    return jnp.where(inside, occluded, x)
