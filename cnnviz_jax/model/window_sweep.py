"""One image changed inside one window at a time, each evaluated by recomputing only what the window reaches.

For techniques that occlude, blur or replace rectangles: exact for any model, see `cnnviz_jax.program`.
"""

import functools
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.model.layers import INPUT
from cnnviz_jax.model.model import Model
from cnnviz_jax.model.one_class import of_one_class
from cnnviz_jax.model.scored import Scored
from cnnviz_jax.model.structure import Structure
from cnnviz_jax.program import ChangedWindows, PlaceGroup, Places, SweepPlace, TrueRegions, WindowPlan, place_groups

# Measured on two CPU cores: an operation on a window runs at nine tenths of the pace of one on a whole map, and a
# number that is cut out and laid over costs as much as some hundred operations.
_PACE = 1.1
_CUT_FLOPS = 100.0

# What a further program for a part of a sweep must gain: the time of its compilation, at a pace that is assumed, not
# measured, so that a sweep is parted alike on every machine. Two cores did 50 to 80 GFLOP in a CPU second, and compiled
# a program of 93 steps in 2 CPU seconds, one of 284 in 5.
_FLOPS_PER_S = {"cpu": 1e11}
_ACCELERATOR_FLOPS_PER_S = 2e13
_COMPILE_S, _COMPILE_STEP_S = 0.5, 0.015
# A sweep longer than a minute is parted until what it does is within a tenth of the true regions.
_LONG_S, _NEAR = 60.0, 1.1
_MOST_GROUPS = 64


@dataclass(frozen=True)
class WindowSweep:
    """The windows that one interval of each axis make together, and how models are run on them."""

    places: Places
    """For each spatial axis of the input, rows and columns of an image, what changes together there: the first and one
    past the last."""
    beside: "tuple[WindowSweep, ...]" = ()
    """Where this is one of the groups of a sweep: all of them. What `prepare` of any returns serves every one."""

    @property
    def count(self) -> int:
        """How many windows."""
        return prod(map(len, self.places))

    def place(self, index: Int[Array, ""]) -> SweepPlace:
        """Return which interval of each axis makes window `index`, the last axis fastest; traceable."""
        found: list[Int[Array, ""]] = []
        for intervals in self.places[:0:-1]:
            found.insert(0, index % len(intervals))
            index = index // len(intervals)
        return (index, *found)

    def plan(self, model: Model, target: Scored | None = None) -> WindowPlan:
        """Return what is recomputed for each window, and why; nothing runs.

        Args:
            model: The model.
            target: What is scored; the outputs where it is left out.
        """
        model, target = of_one_class(model, target)
        return _planned(self, model.structure, *_own(model, target)).plan

    def is_faster(self, model: Model, target: Scored | None = None) -> bool:
        """Whether windows are predicted to take less time than whole images."""
        return self.work(model, target) < self.plan(model, target).dense_flops

    def work(self, model: Model, target: Scored | None = None) -> float:
        """Return the operations on whole images that are predicted to take as long as one window."""
        plan = self.plan(model, target)
        return _PACE * plan.flops + _CUT_FLOPS * plan.read_elements

    def groups(self, model: Model, target: Scored | None = None, images: int = 1) -> "tuple[WindowSweep, ...]":
        """Return the sweep in groups of windows that need about equally much, each a program of its own.

        One group, the sweep itself, where further programs would take longer to compile than they save. It depends on
        the network, the windows and the number of images, by powers of four, not on the machine. The first group needs
        the most memory, where groups are run in chunks of one size.
        """
        model, target = of_one_class(model, target)
        # By powers, so that few numbers of images have programs of their own: 4 to 15 share theirs.
        images = 4 ** ((images.bit_length() - 1) // 2)
        found = _grouped(self, model.structure, *_own(model, target), images, jax.default_backend())
        return tuple(replace(group, beside=found) for group in found) if len(found) > 1 else (self,)

    def prepare(self, model: Model, image: Float[Array, "h w c"], target: Scored | None = None) -> tuple[Array, ...]:
        """Return the unchanged activations that the windows of an image are computed from; traceable.

        Cost: one forward pass; memory for about all activations of one image.
        """
        model, target = of_one_class(model, target)
        return _planned(self, model.structure, *_own(model, target)).prepare(model.params, image[None])

    def run(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        occluded: Float[Array, "h w c"],
        unchanged: tuple[Array, ...],
        place: SweepPlace,
        target: Scored | None = None,
    ) -> tuple[Any, dict[str, Float[Array, "..."]]]:
        """Return the logits, and the values at the target's layers, when an image looks like `occluded` in a window.

        Args:
            model: The model.
            image: The image in [0, 1].
            occluded: What shows inside the window, as large as the image.
            unchanged: What `prepare` returned for the image and the same target.
            place: Which interval along each axis, from `place`; traced.
            target: What is going to be scored; the outputs where it is left out. Of the logit of one class, where a
                layer at every position makes all, the logits are that one; see `Structure.of_target`.
        """
        model, target = of_one_class(model, target)
        names, need_outputs = _wanted(target)
        program, structure = model.program, model.structure
        own = model.own_layers(names)
        windows = _planned(self, structure, own, need_outputs)
        values = windows.evaluate(model.params, image[None], occluded[None], unchanged, place)
        native = {name: values[program.layer_node(name).value] for name in structure.program_layers(own, need_outputs)}
        if INPUT in names:
            image = jnp.where(self.mask(structure.extents, place), occluded, image)
        outputs = program.outputs_of(model.params, values) if need_outputs and structure.head is None else None
        return model.read_off(image, outputs, native, names, need_outputs)

    def score(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        occluded: Float[Array, "h w c"],
        unchanged: tuple[Array, ...],
        place: SweepPlace,
        target: Scored,
    ) -> Float[Array, ""]:
        """Return the target's score when an image looks like `occluded` in one window; see `run`."""
        _, scored = of_one_class(model, target)
        return scored.score(*self.run(model, image, occluded, unchanged, place, target))

    def mask(self, extents: tuple[int, ...], place: SweepPlace) -> Bool[Array, "h w 1"]:
        """Return which pixels a window occludes; of a volume, held slice below slice, which voxels.

        Args:
            extents: Lengths of the input's spatial axes.
            place: Which interval along each axis, from `place`.
        """
        along = []
        for axis, (extent, intervals) in enumerate(zip(extents, self.places, strict=True)):
            first, stop = jnp.asarray(np.asarray(intervals))[place[axis]]
            at = jnp.arange(extent).reshape([-1 if k == axis else 1 for k in range(len(extents))])
            along.append((at >= first) & (at < stop))
        return functools.reduce(jnp.logical_and, along).reshape(-1, extents[-1], 1)


def _wanted(target: Scored | None) -> tuple[tuple[str, ...], bool]:
    return ((), True) if target is None else (tuple(dict.fromkeys(target.layers)), target.needs_outputs)


def _own(model: Model, target: Scored | None) -> tuple[tuple[str, ...], bool]:
    names, need_outputs = _wanted(target)
    return model.own_layers(names), need_outputs


@functools.lru_cache(maxsize=16)
def _grouped(
    sweep: WindowSweep, structure: Structure, names: tuple[str, ...], need_outputs: bool, images: int, backend: str
) -> tuple[WindowSweep, ...]:
    plan = _planned(sweep, structure, names, need_outputs).plan
    regions = TrueRegions.of(plan)
    pace = _FLOPS_PER_S.get(backend, _ACCELERATOR_FLOPS_PER_S)
    compile_s = _COMPILE_S + _COMPILE_STEP_S * len(plan.steps)

    is_long = regions.count * plan.flops > _LONG_S * pace

    def is_worth(saved: float, done: float) -> bool:
        return (is_long and done > _NEAR * regions.flops) or _PACE * saved * images > compile_s * pace

    def need(group: PlaceGroup) -> float:
        at_once = min(group.count, 32)
        return at_once * float(regions.each(np.prod(regions.largest(group), axis=0)))

    found = place_groups(regions, is_worth, _MOST_GROUPS)
    return tuple(
        WindowSweep(tuple(tuple(all_[i] for i in some) for all_, some in zip(sweep.places, group.along, strict=True)))
        for group in sorted(found, key=need, reverse=True)
    )


def _planned(sweep: WindowSweep, structure: Structure, names: tuple[str, ...], need_outputs: bool) -> ChangedWindows:
    groups = sweep.beside or (sweep,)
    alone = replace(sweep, beside=()) if sweep.beside else sweep
    return _laid_out(groups, structure, names, need_outputs)[groups.index(alone)]


@functools.lru_cache(maxsize=16)
def _laid_out(
    groups: tuple[WindowSweep, ...], structure: Structure, names: tuple[str, ...], need_outputs: bool
) -> tuple[ChangedWindows, ...]:
    read = structure.program_layers(names, need_outputs)
    outputs = need_outputs and structure.head is None
    found: list[ChangedWindows] = []
    for group in groups:
        beside = found[0] if found else None
        windows = structure.program.windows(group.places, read=read, need_outputs=outputs, beside=beside)
        found.append(windows)
    return tuple(found)
