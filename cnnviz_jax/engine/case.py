"""What one evaluation of a technique is given: a model, an image, a target, a key, and how far the work is."""

from dataclasses import dataclass, field
from typing import Any

import jax
from jaxtyping import Array, Float

from cnnviz_jax.data.fills import fill_of
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.arrays import GivenArray
from cnnviz_jax.options.fills import Fill


# A pytree, so that it goes through vmap and grad like its parts; one object, so that a technique names only what it
# needs, and a new fact for all of them is one line here.
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Case:
    """One image, or one target of a synthesis, as the traced functions of a technique see it."""

    model: Model
    target: Any
    """What is scored, a `Target` without batch axis; in a measure the `EvaluatedMap`."""
    key: Any = None
    """A key of this evaluation's own; `None` in `finish`, `refine` and `snapshot`, which draw nothing."""
    image: Any = None
    """(h, w, c) in [0, 1]; `None` in an iteration, whose image is its state."""
    context: Any = ()
    """What the fold's `prepare` returned for this image; () before it."""
    index: Any = 0
    """Which evaluation or step this is, int32."""
    given: Any = field(default_factory=dict)
    """By name, this image's own arrays: those that options are, and those of the fold's `companions`."""
    shared: Any = field(default_factory=dict)
    """By name, the arrays of options in `distributions`, the same for all images."""

    def filled(self, fill: Fill, *, key: Any = None) -> Float[Array, "..."]:
        """Return the image that a fill makes of this one, be it words, numbers or an array that the user gave.

        Args:
            fill: The option.
            key: For `noise`.
        """
        if isinstance(fill, GivenArray):
            # The option itself, part of a program's identity, has shape and digest alone; the numbers are an argument.
            found: Array = self.given[fill.option]
            return found
        return fill_of(self.image, fill, self.model, key=key)
