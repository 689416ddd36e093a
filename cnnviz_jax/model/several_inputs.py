"""Models of several inputs: held as one image of one row, the numbers of one input behind those of another."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from cnnviz_jax.errors import ImageError

Arrays = Array | np.ndarray


@dataclass(frozen=True)
class SeveralInputs:
    """The axes of each input, by name, in the order of the names given."""

    inputs: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, shapes: Mapping[str, Any]) -> "SeveralInputs":
        """Return inputs of such shapes."""
        return cls(tuple((str(name), tuple(int(n) for n in shape)) for name, shape in shapes.items()))

    @property
    def shape(self) -> dict[str, tuple[int, ...]]:
        """The axes of each input."""
        return dict(self.inputs)

    @property
    def spatial(self) -> tuple[int, ...]:
        """None: there are no places that all inputs share."""
        return ()

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width and channels as they are held."""
        return 1, sum(prod(shape) for _, shape in self.inputs), 1

    @property
    def words(self) -> str:
        """What they are called in messages."""
        return f"several inputs ({', '.join(name for name, _ in self.inputs)})"

    def held(self, inputs: Any) -> Any:
        """Return a mapping of arrays (n, *shape) as images (n, 1, numbers, 1); what is held so already is kept."""
        if not isinstance(inputs, Mapping):
            return inputs
        rows = [jnp.asarray(inputs[name]).reshape(len(inputs[name]), -1) for name, _ in self.inputs]
        return jnp.concatenate([row.astype(jnp.float32) for row in rows], 1)[:, None, :, None]

    def own(self, images: Shaped[Arrays, "*n h w c"]) -> dict[str, Any]:
        """Return images (*n, 1, numbers, 1) as the arrays of each input, (*n, *shape)."""
        lead = images.shape[:-3]
        flat = images.reshape(*lead, self.image[1])
        ends = tuple(accumulate(prod(shape) for _, shape in self.inputs))
        parts = zip(self.inputs, (0, *ends[:-1]), ends, strict=True)
        return {name: flat[..., first:end].reshape(*lead, *shape) for (name, shape), first, end in parts}

    def flat(self, images: Shaped[Arrays, "n h w c"]) -> Shaped[Arrays, "n numbers"]:
        """Return images (n, 1, numbers, 1) as rows of numbers."""
        return images.reshape(len(images), self.image[1])

    def own_map(self, values: Shaped[Arrays, "n h w *c"], volume: Any = None) -> Shaped[Arrays, "..."]:
        """Return maps (n, 1, numbers) or (n, 1, numbers, 1) as rows of numbers; others are left as they are."""
        is_own = values.shape[1:3] == self.image[:2] and values.shape[3:] in ((), (1,))
        return values.reshape(len(values), self.image[1]) if is_own else values

    def held_map(self, values: Shaped[Arrays, "..."]) -> Shaped[Arrays, "..."]:
        """Return rows of numbers (n, numbers) as maps (n, 1, numbers)."""
        return values.reshape(len(values), *self.image[:2]) if values.shape[1:] == self.image[1:2] else values

    def packed(self, inputs: Any) -> Any:
        """Return a mapping of arrays (n, *shape), or of single ones, as images; what is held so already is kept.

        Raises:
            ImageError: It is no mapping, a name is missing or unknown, a shape does not fit, or numbers are whole.
        """
        if getattr(inputs, "shape", ())[1:] == self.image:
            return inputs
        if getattr(inputs, "shape", ())[1:] == self.image[1:2]:
            return inputs.reshape(len(inputs), *self.image)
        names = [name for name, _ in self.inputs]
        if not isinstance(inputs, Mapping) or set(inputs) != set(names):
            found = ", ".join(map(str, inputs)) if isinstance(inputs, Mapping) else type(inputs).__name__
            raise ImageError(f"the model takes a mapping of arrays called {', '.join(names)}; got {found}")
        found_arrays, counts = {}, {}
        for name, shape in self.inputs:
            array = np.asarray(inputs[name])
            if not np.issubdtype(array.dtype, np.floating):
                raise ImageError(
                    f"input {name!r} holds {array.dtype}, and only floats have gradients; fix it in a function of the "
                    "others: cv.adapt(lambda params, x: ..., params, input_shape={...})"
                )
            array = array[None] if array.shape == shape else array
            if array.shape[1:] != shape:
                raise ImageError(f"input {name!r} is {shape}, or several (n, *shape); got an array of {array.shape}")
            found_arrays[name], counts[name] = array.astype(np.float32), len(array)
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ImageError(f"inputs come in equal numbers, one of each for an example; got {listed}")
        return np.asarray(self.held(found_arrays))


def held_together(space: Any, inputs: Mapping[str, Any]) -> Array:
    """Return a mapping of arrays, which may be traced, as images; unchecked.

    Raises:
        ImageError: The model takes one input.
    """
    if not isinstance(space, SeveralInputs):
        raise ImageError(f"the model takes one input, got a mapping of {', '.join(map(str, inputs))}")
    held: Array = space.held(inputs)
    return held
