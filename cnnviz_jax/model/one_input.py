"""A model of several inputs as one of a single input: the others are given, and stand among the parameters."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.errors import ImageError, ModelError, did_you_mean
from cnnviz_jax.model.several_inputs import SeveralInputs
from cnnviz_jax.model.spaces import space_of
from cnnviz_jax.model.structure import Structure, in_precision, of_any_batch, structure_of


def of_one_input(old: Structure, params: Any, name: str, others: Mapping[str, Any]) -> tuple[Any, Structure]:
    """Return parameters and structure of the model of input `name` alone, the others being as given.

    It is a model like any other: of an image where the input has three axes, with that input's layers, receptive
    fields and windows. `with_others` gives it other values of the others: nothing is traced or compiled again.

    Args:
        old: A model of several inputs.
        params: Its parameters.
        name: The one that is left.
        others: One array for each of the others, with its axes.

    Raises:
        ModelError: The model takes one input, or none of that name.
        ImageError: An input is missing, unknown, or of another shape.

    Cost: one trace.
    """
    space = old.space
    if not isinstance(space, SeveralInputs):
        raise ModelError(f"{old.name} takes one input already")
    if name not in space.shape:
        raise ModelError(f"{old.name} has no input {name!r}.{did_you_mean(name, space.shape)}")
    fixed = _checked(space, name, others)
    pure, is_first = old.pure, old.pure.axes == "NCHW"

    def fn(both: Any, x: Any) -> Any:
        own, given = both

        def spread(value: Any) -> Any:
            value = jnp.broadcast_to(value, (len(x), *value.shape))
            return jnp.moveaxis(value, -1, 1) if is_first and value.ndim > 2 else value

        return pure.fn(own, {each: x if each == name else spread(given[each]) for each in space.shape})

    paths = (*pure.param_paths, *(f"inputs.{each}" for each in sorted(fixed)))
    both = (params, fixed)
    shape = space.shape[name]
    own_space = space_of(shape)
    size = shape if own_space is None else own_space.image
    alone = old.given(
        pure=replace(pure, fn=fn, params=both, param_paths=paths, input_shape=shape),
        input_shape=(size[0], size[1], size[2]),
        mean=(0.0,) * size[2],
        std=(1.0,) * size[2],
        space=own_space,
    )
    made = of_any_batch(structure_of(alone, both), both)
    return both, in_precision(made, old.precision, both)


def with_others(alone: Any, others: Mapping[str, Any]) -> Any:
    """Return the model that `Model.of_input` returned with other values of the inputs that are given."""
    params, fixed = alone.params
    return alone.with_params((params, {each: jnp.asarray(others[each], jnp.float32) for each in fixed}))


def _checked(space: SeveralInputs, name: str, others: Mapping[str, Any]) -> dict[str, jax.Array]:
    wanted = [each for each in space.shape if each != name]
    if not isinstance(others, Mapping) or set(others) != set(wanted):
        found = ", ".join(map(str, others)) if isinstance(others, Mapping) else type(others).__name__
        raise ImageError(f"beside {name!r} the model takes {', '.join(wanted)}, one of each; got {found}")
    for each in wanted:
        if np.shape(others[each]) != space.shape[each]:
            raise ImageError(f"input {each!r} is {space.shape[each]}, one example; got {np.shape(others[each])}")
    return {each: jnp.asarray(others[each], jnp.float32) for each in wanted}
