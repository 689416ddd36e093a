"""Weights between two layers, expanded through what lies between: the derivative of a linearised program.

Activations become the identity, or a factor; max pools the mean of their window; biases fall away, because they have
no derivative; norms are their scale, and sums add up. What remains is linear, so that its derivative at the middle of a
map that is large enough, where no window reaches a border, says all there is to say.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnnviz_jax.compiling import compiled
from cnnviz_jax.errors import LayerKindError, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.model.resizing import resized_model
from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.layers.activations import ACTIVATION_KINDS
from cnnviz_jax.program.rewrites.max_pool import PoolWindows

_AT_ONCE = 32
_TRIES = 4
_LINEAR = 1e-3
"""Relative difference from linear, in float32, up to which a program counts as linear."""


@dataclass(frozen=True)
class _Place:
    """Where one unit of the upper layer stands, and which part of the lower layer it reads."""

    model: Model
    row: int
    column: int
    window: tuple[slice, slice] | None
    """Of the lower layer's map; `None` for all of it."""


def expanded_weights(
    model: Model,
    layer: str,
    source: str,
    units: Sequence[int] | None = None,
    *,
    rates: Mapping[str, Float[np.ndarray, " c"]] | None = None,
) -> Float[np.ndarray, "units h w c"]:
    """Return the weights by which units of a layer read a lower layer, through all that lies between.

    Of a layer with a map, height and width are what one unit sees of `source`, away from borders; of one without, such
    as a dense layer, they are those of the whole map. A `source` without a map has h = w = 1.

    Args:
        model: The model.
        layer: Whose units read.
        source: What they read: a lower layer, or `input`, whose weights are per unit of intensity.
        units: Numbers of the units; `None` for all.
        rates: A factor for each unit of the layers of activations between the two, such as the share of positions at
            which it fires: without it, paths through units that never fire count in full. Layers not named have 1.

    Raises:
        LayerNotFoundError: There is no such layer.
        UsageError: A unit does not exist, or `layer` is not computed from `source`.
        LayerKindError: What lies between is not linear even so, such as an attention or a gate, or the model takes
            volumes.
        ModelError: The model cannot be run on an image so large that no window reaches a border.

    Cost: one backward pass per unit, between the two layers only.

    Source: Voss et al. 2021, "Visualizing Weights", section on expanded weights.
    """
    layer, lower = model.layers.resolve(layer), source if source == "input" else model.layers.resolve(source)
    count = model.layers[layer].channels
    chosen = list(range(count)) if units is None else [int(unit) for unit in units]
    for unit in chosen:
        if not 0 <= unit < count:
            raise UsageError(f"layer {layer!r} has units 0 to {count - 1}, got {unit}")
    if len(model.structure.extents) > 2:
        raise LayerKindError(f"expanded weights are of images and series; {model.name} takes a volume")
    place = _place(model, layer, lower)
    shape = _shape(place.model, lower)
    factors = {name: np.asarray(rate, np.float32) for name, rate in (rates or {}).items()}
    reading = functools.partial(_reading, layer=layer, lower=lower, row=place.row, column=place.column)
    key = ("expanded weights", layer, lower, place.row, place.column, tuple(sorted(factors)))
    _check_linear(place.model, reading, shape, factors, key, f"between {lower!r} and {layer!r}")

    def backward(model: Any, factors: Any, wanted: Any) -> Any:
        zeros = jnp.zeros(shape, jnp.float32)
        pull = jax.vjp(lambda value: reading(model, value, factors), zeros)[1]
        return jax.vmap(lambda one: pull(one)[0])(wanted)

    size = min(_AT_ONCE, max(len(chosen), 1))
    wanted = jax.ShapeDtypeStruct((size, count), np.float32)
    program = compiled(backward, key, (place.model, factors, wanted))
    found = []
    for first in range(0, len(chosen), size):
        part = np.zeros((size, count), np.float32)
        own = chosen[first : first + size]
        part[np.arange(len(own)), own] = 1
        rows = np.asarray(program(place.model, factors, part))[: len(own)]
        if place.window is not None:
            rows = rows[:, place.window[0], place.window[1]]
        found.append(rows.reshape(len(own), *((1, 1) if rows.ndim == 2 else rows.shape[1:3]), -1))
    return np.concatenate(found) if found else np.zeros((0, 1, 1, shape[-1]), np.float32)


def _shape(model: Model, lower: str) -> tuple[int, ...]:
    is_image = lower == "input" and lower not in model.layers
    return model.input_shape if is_image else model.layers[lower].shape


def _reading(
    model: Model, value: Float[Array, "..."], factors: Mapping[str, Array], *, layer: str, lower: str, row: int,
    column: int,
) -> Float[Array, " c"]:  # fmt: skip
    """Return the upper layer at one place as the linearised program computes it from the lower layer's value."""
    program = model.program
    ways: dict[int, Override] = {}
    for operation in program.operations:
        if operation.kind in ACTIVATION_KINDS and len(operation.inputs) == 1:
            ways[operation.value] = Override(operation.inputs, lambda x: x)
    for name, rate in factors.items():
        node = program.layer_node(name)
        if node.operation is not None and node.value in ways and name != layer:
            roles = program.analysis.values[node.value].roles
            shape = [-1 if role == "C" else 1 for role in roles]
            ways[node.value] = Override(
                node.operation.inputs, lambda x, rate=rate, shape=shape: x * rate.reshape(shape).astype(x.dtype)
            )
    for leaf in program.graph.leaves:
        windows = PoolWindows.of(leaf) if leaf.name == "reduce_window_max" else None
        if windows is not None:
            ways[leaf.outputs[0]] = Override(leaf.inputs, functools.partial(_mean_pool, windows=windows))
    image = jnp.zeros(model.input_shape, jnp.float32)
    values = model.run(image, read=(layer,), replace={lower: value}, overrides=ways, need_outputs=False)[1]
    found = values[layer]
    return found[row, column] if found.ndim == 3 else found


def _mean_pool(x: Float[Array, "..."], windows: PoolWindows) -> Float[Array, "..."]:
    total = lax.reduce_window(
        x, 0.0, lax.add, windows.size, windows.strides, windows.padding, window_dilation=windows.dilation
    )
    return total / windows.places


def _place(model: Model, layer: str, lower: str) -> _Place:
    """Return a unit in the middle that sees no border, in the model or, where there is none, in the model enlarged."""
    upper = model.layers[layer]
    if not upper.is_map or not _is_map(model, lower):
        return _Place(model, 0, 0, None)
    for extra in range(_TRIES):
        found = [_along(model, layer, lower, axis) for axis in (0, 1)]
        if all(each is not None for each in found):
            (row, rows), (column, columns) = (each for each in found if each is not None)
            return _Place(model, row, column, (rows, columns))
        height, width = (max(own, _enough(model, layer, axis, extra)) for axis, own in enumerate(model.input_shape[:2]))
        layers = [layer] if lower == "input" else [layer, lower]
        model = resized_model(model, height, width, layers, need_outputs=False)
    raise LayerKindError(f"no unit of {layer!r} sees nothing but the inside of an image, at any size that was tried")


def _is_map(model: Model, lower: str) -> bool:
    return len(_shape(model, lower)) == 3


def _maps(model: Model, name: str, axis: int) -> tuple[float, float, float]:
    """Return stride, first and last pixel of unit 0, were the image unbounded."""
    if name == "input" and name not in model.layers:
        return 1.0, 0.0, 0.0
    field = model.layers[name].receptive_field
    reach = None if field is None else (field.rows, field.columns)[axis].nominal
    if reach is None:
        raise LayerKindError(f"units of {name!r} see the whole image, at every size; name a layer below")
    return float(reach.jump), float(reach.low), float(reach.high)


def _enough(model: Model, layer: str, axis: int, extra: int) -> int:
    jump, low, high = _maps(model, layer, axis)
    unit = max(0, math.ceil(-low / jump)) + extra
    return math.ceil(unit * jump + high + 1 + extra * jump)


def _along(model: Model, layer: str, lower: str, axis: int) -> tuple[int, slice] | None:
    """Return a unit's place along an axis and what it reads of the lower layer; `None` where all see a border."""
    jump, low, high = _maps(model, layer, axis)
    step, first, last = _maps(model, lower, axis)
    units, length = model.layers[layer].shape[axis], model.input_shape[axis]
    inside = [unit for unit in range(units) if unit * jump + low >= 0 and unit * jump + high <= length - 1]
    if not inside:
        return None
    unit = inside[len(inside) // 2]
    begin, end = (unit * jump + low - first) / step, (unit * jump + high - last) / step
    return unit, slice(max(0, math.floor(begin)), math.ceil(end) + 1)


def _check_linear(
    model: Model, reading: Any, shape: tuple[int, ...], factors: Any, key: tuple[Any, ...], where: str
) -> None:
    def three(model: Any, factors: Any, value: Any) -> Any:
        return [reading(model, scale * value, factors) for scale in (0.0, 1.0, 2.0)]

    value = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    program = compiled(three, (*key, "is linear"), (model, factors, jax.ShapeDtypeStruct(shape, np.float32)))
    zero, one, two = (np.asarray(each, np.float64) for each in program(model, factors, value))
    size = np.abs(one - zero).max()
    if not size > 0:
        raise UsageError(f"nothing leads {where}: the upper layer does not change with the lower one")
    off = np.abs((two - zero) - 2 * (one - zero)).max() / size
    if not off < _LINEAR:
        raise LayerKindError(
            f"what lies {where} is not linear, even with activations as identity and max pools as means (off by"
            f" {off:.1%}); name a layer nearer to it"
        )
