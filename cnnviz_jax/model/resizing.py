"""A model at another input size: whole where it can be, else only up to the layers that are looked at."""

import dataclasses
import weakref
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from cnnviz_jax.errors import ModelError
from cnnviz_jax.model.model import Model
from cnnviz_jax.model.structure import Structure, traced
from cnnviz_jax.program.rewrites.resized import resized

_truncated: "weakref.WeakKeyDictionary[Structure, dict[tuple[int, int, tuple[str, ...]], Structure]]"
_truncated = weakref.WeakKeyDictionary()


def resized_model(model: Model, height: int, width: int, layers: Sequence[str], *, need_outputs: bool) -> Model:
    """Return the model at another input size.

    Where the whole model cannot be traced at that size and no outputs are needed, it is the model up to `layers`
    only: `run(..., need_outputs=False)` serves, its outputs do not.

    Args:
        model: At its own size.
        height: Of the input, in pixels.
        width: Of the input, in pixels.
        layers: Layers that must exist there.
        need_outputs: Whether the outputs are needed too.

    Raises:
        ModelError: The model, or the part below `layers`, is tied to its own size; says by what.
    """
    if not need_outputs and _key(model, height, width, layers) in _truncated.get(model.structure, {}):
        return below(model, height, width, layers)  # as before: reading the whole model would fail again
    try:
        sized = model.at_size(height, width)
    except ModelError:  # tied to its own size, or a map above the layers shrinks to nothing
        if need_outputs or not layers:
            raise
        return below(model, height, width, layers)
    missing = [name for name in layers if name not in sized.layers]
    if missing:
        raise ModelError(f"{model.name} has no layer {missing[0]!r} at {height} x {width} pixels")
    return sized


def below(model: Model, height: int, width: int, layers: Sequence[str]) -> Model:
    """Return the part of a model up to `layers` at another input size; see `resized_model`.

    Raises:
        ModelError: An operation below `layers` is tied to the model's own size.
    """
    old = model.structure
    known = _truncated.setdefault(old, {})
    key = _key(model, height, width, layers)
    if key not in known:
        wanted = key[2]
        shape = (height, width, model.input_shape[2])
        apply = resized(old.program, wanted)
        example = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
        jax.eval_shape(apply, model.params, example)  # says by itself what is tied to the size
        program = traced(apply, dataclasses.replace(old.pure, tokens=None), shape, model.params)
        for name in wanted:
            before, after = old.program.layers[name], program.layers.get(name)
            if after is None or (before.kind, before.roles) != (after.kind, after.roles):
                raise ModelError(f"layer {name!r} of {model.name} cannot be found again at {height} x {width} pixels")
        structure = dataclasses.replace(old, apply=apply, input_shape=shape, program=program, head=None, sizes={})
        known[key] = structure
    return dataclasses.replace(model, structure=known[key])


def _key(model: Model, height: int, width: int, layers: Sequence[str]) -> tuple[int, int, tuple[str, ...]]:
    return height, width, model.own_layers([model.layers.resolve(name) for name in layers])
