"""A layer's values in other terms: codes of a dictionary, and how they stand beside a model's own layers.

A dictionary turns the values of a layer into codes and back. A model that was given one has two more layers: the codes,
`relu4.dictionary`, which may be read and changed, and what they are chosen from, `relu4.dictionary.pre`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import LayerKindError
from cnnviz_jax.model.layers import Layer, LayerTable
from cnnviz_jax.results.pytrees import static

DICTIONARY = "dictionary"
"""The kind of such a layer in the table."""


class Codec:
    """How the values of a layer become codes and back: a pytree, whose arrays are arguments of compiled programs.

    Subclass as a frozen dataclass registered with `jax.tree_util.register_dataclass`, with the two arrays below among
    its fields, and define `affine` and `encode`. All methods are traceable and keep leading axes.
    """

    directions: Any
    """(codes, channels): what one of each code adds to the layer's value."""
    offset: Any
    """(channels,): the value without codes."""
    _precision: ClassVar[str] = "highest"

    @property
    def affine(self) -> tuple[Float[Array, "k c"], Float[Array, " k"]]:
        """Weights and constants of `pre`: `values @ weights.T + constants`."""
        raise TypeError(f"{type(self).__name__} defines no affine")

    def pre(self, values: Float[Array, "*n c"]) -> Float[Array, "*n k"]:
        """Return what the codes are chosen from: for each code a number that falls nowhere to a flat zero."""
        weights, constants = self.affine
        return jnp.einsum("...c,kc->...k", values, weights, precision=self._precision) + constants

    def encode(self, values: Float[Array, "*n c"]) -> Float[Array, "*n k"]:
        """Return the codes of each row, most of them 0."""
        raise TypeError(f"{type(self).__name__} defines no encode")

    def added(self, codes: Float[Array, "*n k"]) -> Float[Array, "*n c"]:
        """Return what codes add to a value: `decode` without its offset."""
        return jnp.einsum("...k,kc->...c", codes, jnp.asarray(self.directions), precision=self._precision)

    def decode(self, codes: Float[Array, "*n k"]) -> Float[Array, "*n c"]:
        """Return the values that the codes stand for."""
        return self.added(codes) + self.offset


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class CodeLayer:
    """The codes of one layer as a further layer of a model."""

    codec: Any
    """A `Codec`."""
    name: str = static()
    """What the codes are called among the layers."""
    layer: str = static()
    """The layer whose values they stand for."""

    @property
    def pre_name(self) -> str:
        """What the numbers that codes are chosen from are called."""
        return f"{self.name}.pre"

    @property
    def names(self) -> tuple[str, str]:
        """Both."""
        return self.name, self.pre_name

    def read(self, name: str, value: Float[Array, "*n c"]) -> Float[Array, "*n k"]:
        """Return the layer `name`, one of `names`, for a value of the layer below."""
        value = jnp.asarray(value, jnp.float32)
        return self.codec.encode(value) if name == self.name else self.codec.pre(value)


def code_layer(
    layers: LayerTable, model: str, dictionary: Any, name: str | None = None, layer: str | None = None
) -> CodeLayer:
    """Return the layer that a dictionary adds to a model's; see `Model.with_dictionary`.

    Raises:
        LayerNotFoundError: The model has no layer that the dictionary could stand for.
        LayerKindError: The layer is none of the model itself, or has other channels, or the name is taken.
    """
    below = layers.resolve(layer or dictionary.layer or "")
    if below not in layers or layers[below].kind == DICTIONARY:
        raise LayerKindError(f"a dictionary stands for a layer of the model itself, not for {below!r}")
    channels, found = layers[below].channels, np.shape(dictionary.codec.directions)[1]
    if channels != found:
        raise LayerKindError(f"the dictionary has {found} channels, layer {below!r} of {model} {channels}")
    own = (name or f"{below}.dictionary").replace("/", ".")
    added = CodeLayer(jax.tree.map(jnp.asarray, dictionary.codec), own, below)
    if taken := [each for each in added.names if each in layers]:
        raise LayerKindError(f"{model} has a layer {taken[0]!r} already; give the dictionary another name=")
    return added


def with_code_rows(rows: Mapping[str, Layer], codes: Sequence[CodeLayer]) -> dict[str, Layer]:
    """Return the rows of a layer table with those of codes, each behind the layer that it stands for."""
    found: dict[str, Layer] = {}
    for name, row in rows.items():
        found[name] = row
        for added in codes:
            if added.layer == name:
                count = len(added.codec.directions)
                shape = (*row.shape[:-1], count)
                found |= {
                    each: dataclasses.replace(
                        row, name=each, kind=DICTIONARY, shape=shape, channels=count, params=(), _kernel=None
                    )
                    for each in added.names
                }
    return found


def layers_below(codes: Sequence[CodeLayer], names: Sequence[str]) -> tuple[str, ...]:
    """Return the layers of the program that these are read off: themselves, or what a dictionary stands for."""
    below = {name: added.layer for added in codes for name in added.names}
    return tuple(dict.fromkeys(below.get(name, name) for name in names))


def read_codes(codes: Sequence[CodeLayer], values: Mapping[str, Any], read: Sequence[str]) -> dict[str, Any]:
    """Return those of the layers `read` that are codes, from the values of the layers below."""
    return {name: added.read(name, values[added.layer]) for added in codes for name in added.names if name in read}


def change_codes(
    codes: Sequence[CodeLayer], add: dict[str, Any], replace: dict[str, Any], seen: dict[str, Any]
) -> None:
    """Put, in place of changes of codes, changes of the layers below; `seen` takes the new codes when those run."""
    for below in {added.layer for added in codes if {*added.names} & {*add, *replace}}:
        own = tuple(added for added in codes if added.layer == below)
        names = [name for added in own for name in added.names]
        new = {name: replace.pop(name) for name in names if name in replace}
        delta = {name: add.pop(name) for name in names if name in add}
        start, shift = replace.pop(below, None), add.pop(below, 0)

        def moved(
            value: Any, *, own: Any = own, new: Any = new, delta: Any = delta, start: Any = start, shift: Any = shift
        ) -> Any:
            value = start(value) if callable(start) else value
            return _changed(own, value + shift, new, delta, seen)

        is_fixed = start is not None and not callable(start)
        replace[below] = moved(jnp.asarray(start)) if is_fixed else moved


def _changed(
    layers: tuple[CodeLayer, ...],
    value: Float[Array, "*n c"],
    replace: Mapping[str, Any],
    add: Mapping[str, Any],
    seen: dict[str, Any],
) -> Float[Array, "*n c"]:
    """Return a layer's value once its codes are changed; `seen` takes the codes as they are then.

    What the codes leave of the value stays: the change moves the value by what it adds in codes. With nothing
    changed the value is the same bit by bit, and a gradient through it that of the model alone.
    """
    moved = value
    for layer in layers:
        if layer.pre_name in replace or layer.pre_name in add:
            raise LayerKindError(f"layer {layer.pre_name!r} is only read; change the codes, {layer.name!r}")
        if layer.name in replace or layer.name in add:
            codes = layer.read(layer.name, value)
            new = replace.get(layer.name, codes)
            new = (new(codes) if callable(new) else new) + add.get(layer.name, 0)
            seen[layer.name] = new
            moved = moved + layer.codec.added(new - codes).astype(value.dtype)
    return moved
