"""One image changed inside one window at a time, each evaluated by recomputing only what the window reaches.

For techniques that occlude, blur or replace rectangles: exact for any model, see `cnnviz_jax.program`.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.model.layers import INPUT
from cnnviz_jax.model.model import Model
from cnnviz_jax.model.scored import Scored
from cnnviz_jax.model.structure import Structure
from cnnviz_jax.program import ChangedWindows, Interval, WindowPlan

# Measured on two CPU cores: an operation on a window runs at nine tenths of the pace of one on a whole map, and a
# number that is cut out and laid over costs as much as some hundred operations.
_PACE = 1.1
_CUT_FLOPS = 100.0


@dataclass(frozen=True)
class WindowSweep:
    """The windows that one row interval and one column interval make together, and how models are run on them."""

    rows: tuple[Interval, ...]
    """Rows of the image that change together, as (first, one past the last)."""
    cols: tuple[Interval, ...]
    """The same for columns."""

    def plan(self, model: Model, target: Scored | None = None) -> WindowPlan:
        """Return what is recomputed for each window, and why; nothing runs.

        Args:
            model: The model.
            target: What is scored; the outputs where it is left out.
        """
        return _planned(self, model.structure, *_own(model, target)).plan

    def is_faster(self, model: Model, target: Scored | None = None) -> bool:
        """Whether windows are predicted to take less time than whole images."""
        plan = self.plan(model, target)
        return _PACE * plan.flops + _CUT_FLOPS * plan.read_elements < plan.dense_flops

    def prepare(self, model: Model, image: Float[Array, "h w c"], target: Scored | None = None) -> tuple[Array, ...]:
        """Return the unchanged activations that the windows of an image are computed from; traceable.

        Cost: one forward pass; memory for about all activations of one image.
        """
        return _planned(self, model.structure, *_own(model, target)).prepare(model.params, image[None])

    def run(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        occluded: Float[Array, "h w c"],
        unchanged: tuple[Array, ...],
        row: Int[Array, ""],
        col: Int[Array, ""],
        target: Scored | None = None,
    ) -> tuple[Any, dict[str, Float[Array, "..."]]]:
        """Return the logits, and the values at the target's layers, when an image looks like `occluded` in a window.

        Args:
            model: The model.
            image: The image in [0, 1].
            occluded: What shows inside the window, as large as the image.
            unchanged: What `prepare` returned for the image and the same target.
            row: Which of `rows`; traced.
            col: Which of `cols`; traced.
            target: What is going to be scored; the outputs where it is left out.
        """
        names, need_outputs = _wanted(target)
        program, structure = model.program, model.structure
        own = model.own_layers(names)
        windows = _planned(self, structure, own, need_outputs)
        values = windows.evaluate(model.params, image[None], occluded[None], unchanged, (row, col))
        native = {name: values[program.layer_node(name).value] for name in structure.program_layers(own, need_outputs)}
        if INPUT in names:
            image = jnp.where(self.mask((image.shape[0], image.shape[1]), row, col), occluded, image)
        outputs = program.outputs_of(model.params, values) if need_outputs and structure.head is None else None
        return model.read_off(image, outputs, native, names, need_outputs)

    def score(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        occluded: Float[Array, "h w c"],
        unchanged: tuple[Array, ...],
        row: Int[Array, ""],
        col: Int[Array, ""],
        target: Scored,
    ) -> Float[Array, ""]:
        """Return the target's score when an image looks like `occluded` in one window; see `run`."""
        return target.score(*self.run(model, image, occluded, unchanged, row, col, target))

    def mask(self, size: tuple[int, int], row: Int[Array, ""], col: Int[Array, ""]) -> Bool[Array, "h w 1"]:
        """Return which pixels a window occludes."""
        rows, cols = jnp.asarray(np.asarray(self.rows))[row], jnp.asarray(np.asarray(self.cols))[col]
        y, x = jnp.arange(size[0])[:, None, None], jnp.arange(size[1])[None, :, None]
        return (y >= rows[0]) & (y < rows[1]) & (x >= cols[0]) & (x < cols[1])


def _wanted(target: Scored | None) -> tuple[tuple[str, ...], bool]:
    return ((), True) if target is None else (tuple(dict.fromkeys(target.layers)), target.needs_outputs)


def _own(model: Model, target: Scored | None) -> tuple[tuple[str, ...], bool]:
    names, need_outputs = _wanted(target)
    return model.own_layers(names), need_outputs


@functools.lru_cache(maxsize=16)
def _planned(sweep: WindowSweep, structure: Structure, names: tuple[str, ...], need_outputs: bool) -> ChangedWindows:
    read = structure.program_layers(names, need_outputs)
    outputs = need_outputs and structure.head is None
    return structure.program.windows(sweep.rows, sweep.cols, read=read, need_outputs=outputs)
