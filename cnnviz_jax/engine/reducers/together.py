"""Several reducers over one forward pass: the union of what they read is computed once."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jaxtyping import Array, Bool, Float, UInt32

from cnnviz_jax.engine.reducers.reducer import Batch, Delta, Reducer
from cnnviz_jax.model.model import Model


def layers_of(reducers: Sequence[Reducer]) -> tuple[str, ...]:
    """Return the layers that any of them reads, each once."""
    return tuple(dict.fromkeys(layer for reducer in reducers for layer in reducer.layers))


def fields_of(reducers: Sequence[Reducer]) -> tuple[str, ...]:
    """Return the fields that any of them reads, each once."""
    return tuple(dict.fromkeys(name for reducer in reducers for name in reducer.fields))


def read_batch(
    reducers: Sequence[Reducer],
    model: Model,
    images: Float[Array, "b h w c"],
    ids: UInt32[Array, " b"],
    valid: Bool[Array, " b"],
    fields: Mapping[str, Any] | None = None,
) -> Batch:
    """Return the batch that the reducers need: one forward pass up to the deepest layer read; traceable."""
    read, outputs = layers_of(reducers), any(reducer.needs_outputs for reducer in reducers)
    # `run` on one image at a time, vmapped, as every technique does: values are then those that `explain` sees.
    logits, values = jax.vmap(lambda image: model.run(image, read=read, need_outputs=outputs))(images)
    values = {**values, **derived_values(reducers, model, images)}
    return Batch(ids=ids, valid=valid, values=values, outputs=logits, fields=dict(fields or {}))


def derived_values(reducers: Sequence[Reducer], model: Model, images: Float[Array, "b h w c"]) -> dict[str, Any]:
    """Return what reducers read of images beside the values of layers, by name; traceable."""
    found = {each.name: each for reducer in reducers for each in reducer.derived}
    return {name: jax.vmap(lambda image, each=each: each.values(model, image))(images) for name, each in found.items()}


def update_all(reducers: Sequence[Reducer], deltas: Sequence[Delta], batch: Batch) -> tuple[Delta, ...]:
    """Return every reducer's delta with the batch folded in; traceable."""
    return tuple(reducer.update(delta, batch) for reducer, delta in zip(reducers, deltas, strict=True))
