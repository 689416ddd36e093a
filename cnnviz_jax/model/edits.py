"""Edits of layers in words: where a model's values are changed, and what to.

A place is `LAYER`, `LAYER:CHANNELS`, `LAYER@ROW,COL` or `LAYER@ROW,COL,HEIGHTxWIDTH`, as in `conv3:31,5@4,5,2x3`; the
layer's name may have `*`. What it becomes is `zero`, `scale(0.5)`, `mean`, `patch`, a number, an array or a function.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.layers import INPUT
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.values import word_and_number

Kind = Literal["affine", "mean", "patch", "function"]

WORDS = {"zero": False, "scale": True, "mean": False, "patch": False}
"""What an edit may be in words, and whether it takes a number."""

_PLACE = re.compile(
    r"(?P<layer>[^:@]+)(?::(?P<channels>[\d,]+))?(?:@(?P<row>\d+),(?P<col>\d+)(?:,(?P<size>\d+x\d+))?)?"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Edit:
    """What becomes of some units of one layer: `factor` times their value and `value` more, or as `kind` says."""

    layer: str
    """The resolved name."""
    label: str
    """Place and change as text."""
    kind: Kind
    """`mean`: the mean of reference images; `patch`: the value of a source image; `function`: of the layer's value."""
    channels: Int[np.ndarray, " channels"]
    """Numbers of the channels that are changed, rising."""
    positions: Int[np.ndarray, " positions"]
    """Numbers of the positions that are changed, counted by rows, rising; 0 for a layer without a map."""
    grid: tuple[int, ...]
    """Rows and columns of the layer; () for one without a map."""
    factor: float = 0.0
    value: Any = 0.0
    """A number, or an array of the layer's shape, one for all images or one for each."""
    function: Callable[[Any], Any] | None = None

    def mask(self, shape: tuple[int, ...]) -> Bool[np.ndarray, "..."]:
        """Return where the layer's value, of that shape, is changed."""
        places = np.zeros(int(np.prod(shape[:-1])), bool)
        places[self.positions] = True
        channels = np.zeros(shape[-1], bool)
        channels[self.channels] = True
        return (places[:, None] & channels).reshape(shape)


def edits_of(asked: Mapping[str, Any], model: Model, images: int) -> tuple[Edit, ...]:
    """Return the edits that a mapping from places to changes asks for, in its order.

    Args:
        asked: As the module says.
        model: Whose layers are named.
        images: How many images there are, one array each where an array has one axis more than its layer.

    Raises:
        LayerNotFoundError: A layer is unknown.
        UsageError: Nothing is asked for, a place is outside its layer, or a change is none of those that exist.
    """
    if not isinstance(asked, Mapping) or not asked:
        raise UsageError(
            f"edits are a mapping from places to changes, such as {{'conv3:31': 'zero'}}; got {asked!r:.80}"
        )
    return tuple(edit for place, change in asked.items() for edit in _edits_at(str(place), change, model, images))


def _edits_at(place: str, change: Any, model: Model, images: int) -> list[Edit]:
    parts: dict[str, Any] = {"layer": place}
    if place not in model.layers and place != INPUT:
        found = _PLACE.fullmatch(place.strip())
        if found is None:
            raise UsageError(
                f"a place is LAYER, LAYER:CHANNELS, LAYER@ROW,COL or LAYER@ROW,COL,HEIGHTxWIDTH; got {place!r}"
            )
        parts = found.groupdict()
    pattern = parts["layer"].replace("/", ".")
    layers = [name for name in model.layers if fnmatchcase(name, pattern)] if "*" in pattern else []
    suffix = place.strip()[len(parts["layer"]) :]
    chosen = layers or [model.layers.resolve(parts["layer"])]
    return [_edit(layer, suffix, parts, change, model, images) for layer in chosen]


def _edit(layer: str, suffix: str, parts: Mapping[str, Any], change: Any, model: Model, images: int) -> Edit:
    shape = model.layers[layer].shape
    channels = np.arange(shape[-1] if shape else 1)
    if parts.get("channels"):
        numbers = [int(word) for word in parts["channels"].split(",") if word]
        wrong = next((number for number in numbers if number >= len(channels)), None)
        if wrong is not None or not numbers:
            got = "none" if wrong is None else wrong
            raise UsageError(f"layer {layer!r} has channels 0 to {len(channels) - 1}, got {got}")
        channels = np.unique(numbers)
    kind, factor, value, function, words = _change(layer, change, shape, images)
    return Edit(
        layer=layer,
        label=f"{layer}{suffix}={words}",
        kind=kind,
        channels=channels,
        positions=_positions(layer, parts, shape),
        grid=shape[:-1],
        factor=factor,
        value=value,
        function=function,
    )


def _positions(layer: str, parts: Mapping[str, Any], shape: tuple[int, ...]) -> Int[np.ndarray, " positions"]:
    every = np.arange(int(np.prod(shape[:-1])))
    if parts.get("row") is None:
        return every
    if len(shape) != 3:
        raise UsageError(f"layer {layer!r} has no rows and columns: its shape is {shape}; leave '@' out")
    row, col = int(parts["row"]), int(parts["col"])
    rows, cols = (int(word) for word in (parts.get("size") or "1x1").split("x"))
    if row + rows > shape[0] or col + cols > shape[1] or not rows or not cols:
        raise UsageError(
            f"{rows}x{cols} units from row {row} and column {col} on leave layer {layer!r} of {shape[0]} x {shape[1]}"
        )
    return every.reshape(shape[:2])[row : row + rows, col : col + cols].ravel()


def _change(
    layer: str, change: Any, shape: tuple[int, ...], images: int
) -> tuple[Kind, float, Any, Callable[[Any], Any] | None, str]:
    """Return kind, factor, value, function and words of a change."""
    if isinstance(change, str):
        word, number = word_and_number(change, f"the change of {layer!r}", WORDS)
        if word in ("mean", "patch"):
            return word, 0.0, 0.0, None, word  # type: ignore[return-value]
        return "affine", number or 0.0, 0.0, None, change.strip()
    if callable(change) and not hasattr(change, "shape"):
        return "function", 0.0, 0.0, change, getattr(change, "__name__", "function")
    try:
        array = np.asarray(change, np.float32)
    except (TypeError, ValueError) as error:
        words = ", ".join(f"{word}(number)" if takes else word for word, takes in WORDS.items())
        raise UsageError(
            f"a change is one of {words}, a number, an array or a function; {layer!r} got a {type(change).__name__}"
        ) from error
    if array.ndim and array.shape not in (shape, (images, *shape)):
        raise UsageError(
            f"layer {layer!r} has values of shape {shape}; its replacement has that shape, or {(images, *shape)} with "
            f"one for each image, and not {array.shape}"
        )
    if not np.isfinite(array).all():
        raise UsageError(f"the replacement of layer {layer!r} has values that are not finite")
    return "affine", 0.0, array, None, f"{float(array):g}" if not array.ndim else "array"


def reference_mean(values: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "..."]:
    """Return what `mean` puts into a layer: each channel's mean over images and positions, in every position."""
    shape = values.shape[1:]
    mean = values.reshape(-1, shape[-1]).astype(np.float64).mean(0)
    return np.broadcast_to(mean, shape).astype(np.float32)
