"""Where values are given shares: the image, or a layer; either way a score is one function of what stands there.

At a layer `L` with value `h`, a run has two inputs, the image `x` and `h` itself: `score(x, h)` puts `h` in the place
of what the program computes, and what leads round the layer still sees `x`. For the image the two are one.
"""

from dataclasses import dataclass
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import INPUT, Handler, Heatmap, LayerKindError, LayerNode, Model, Target, UsageError, View

SHARES: tuple[tuple[str, Any], ...] = (("unit", "score"),)
"""The note of pixels' values that are shares of a score, not slopes of it."""


class SiteFields(TypedDict):
    """The fields of a fold that say where it looks."""

    site: "Site"
    layer: str | None
    view: View


def _node(model: Model, name: str) -> LayerNode:
    """Return the program's layer that a name stands for; of a dictionary's codes that below them."""
    return model.program.layer_node(model.own_layers((name,))[0])


@dataclass(frozen=True)
class Site:
    """The image, or a layer of a model: every use of a value that several layers read counts."""

    layer: str | None = None
    """The layer's name; `None` is the image."""

    @classmethod
    def of(cls, at: str | None, model: Model) -> "Site":
        """Return the place that the option `at` names; `input` is the image, where no layer has that name.

        Raises:
            LayerNotFoundError: No such layer.
            LayerKindError: Its value does not depend on the image, or is made of whole numbers.
        """
        if at is None:
            return cls()
        name = model.layers.resolve(at)
        if name == INPUT and name not in model.program.layers:
            return cls()
        node = _node(model, name)
        if not jnp.issubdtype(node.dtype, jnp.floating) or not model.program.analysis.depends(node.value):
            raise LayerKindError(
                f"at={at!r}: layer {name!r} of {model.name} holds no numbers that the image changes smoothly; "
                "`model.layers` lists those that do"
            )
        return cls(name)

    def fields(self, view: View = "pixels") -> SiteFields:
        """Return the fields of a fold that looks here; `view` is that of values at the image."""
        return {"site": self, "layer": self.layer, "view": view if self.layer is None else "layer"}

    def shape(self, model: Model) -> tuple[int, ...]:
        """Return the shape of the value: (h, w, c) or (c,)."""
        return model.input_shape if self.layer is None else tuple(model.layers[self.layer].shape)

    def extents(self, model: Model) -> tuple[int, ...]:
        """Return the lengths of the axes of places: rows and columns of a map, depth, rows and columns in a volume."""
        if self.layer is None:
            return model.structure.extents
        node = model.program.layers.get(self.layer)
        return self.shape(model)[:2] if node is None or node.volume is None else node.volume

    def value(self, model: Model, image: Float[Array, "h w c"]) -> Float[Array, "..."]:
        """Return what stands here for an image.

        Cost: one forward pass up to the layer.
        """
        if self.layer is None:
            return image
        return model.run(image, read=(self.layer,), need_outputs=False)[1][self.layer].astype(jnp.float32)

    def score(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        value: Float[Array, "..."],
        target: Target,
        *,
        handlers: dict[str, Handler] | None = None,
    ) -> Float[Array, ""]:
        """Return the score with `value` in its place here; for the image that is the score of `value`.

        Cost: one forward pass from the layer on, and whole where the image reaches the score round it.
        """
        if self.layer is None:
            return model.score(value, target, handlers=handlers)[0]
        own = value.astype(_node(model, self.layer).dtype)
        return model.score(image, target, replace={self.layer: own}, handlers=handlers)[0]

    def gradient(
        self, model: Model, image: Float[Array, "h w c"], value: Float[Array, "..."], target: Target
    ) -> Float[Array, "..."]:
        """Return d score / d value where `value` stands here.

        Cost: one forward and one backward pass, as `score`.
        """
        return jax.grad(lambda moved: self.score(model, image, moved, target))(value)

    def read(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        target: Target,
        *,
        handlers: dict[str, Handler] | None = None,
        rules: dict[str, str] | None = None,
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Return what stands here for an image, and d score / d value there; handlers and rules as for `Model.run`.

        Cost: one forward and one backward pass, the latter down to the layer.
        """
        layer = self.layer
        if layer is None:
            return image, jax.grad(lambda moved: model.score(moved, target, handlers=handlers, rules=rules)[0])(image)
        dtype = _node(model, layer).dtype

        def scored(delta: Array) -> tuple[Array, Any]:
            return model.score(image, target, read=(layer,), add={layer: delta}, handlers=handlers, rules=rules)

        gradient, values = jax.grad(scored, has_aux=True)(jnp.zeros(self.shape(model), dtype))
        return values[layer].astype(jnp.float32), gradient.astype(jnp.float32)

    def heatmap(self, values: Float[Array, "..."], extras: dict[str, Array] | None = None) -> Heatmap:
        """Return values with the axes of what stands here as a result; of a layer's map with the sum over channels."""
        is_map = self.layer is not None and values.ndim == 3
        return Heatmap(values=values, low_res=values.sum(-1) if is_map else None, extras=extras or {})

    def is_bypassed(self, model: Model) -> bool:
        """Return whether the image reaches the model's scores by ways that do not pass through the layer's values too.

        Of tokens, those outside the grid, such as a class token, are no values of the layer here.
        """
        if self.layer is None:
            return False
        node = model.program.layer_node(self.layer)
        if node.grid is not None and node.shape[node.grid.tokens] > node.grid.count:
            return True
        program, ends = model.program, model.structure.read_values((), need_outputs=True)
        given = frozenset({*program.graph.param_ids, _node(model, self.layer).value})
        return program.graph.image_id in program.evaluator.plan(given, tuple(ends), frozenset(), {}).needed

    def sum_note(self, model: Model, what: str) -> tuple[tuple[str, Any], ...]:
        """Return the notes on shares of a score: of an image's pixels their unit; of a layer what they sum to, and
        whether all of it passes through the layer."""
        if self.layer is None:
            return SHARES
        through = f" that passes through {self.layer}; other ways lead round it" if self.is_bypassed(model) else ""
        return (("sum", f"the part of {what}{through}" if through else what),)

    def gradient_notes(self) -> tuple[tuple[str, Any], ...]:
        """Return what the result says of gradients at a layer: their unit, and that they sum to nothing."""
        return () if self.layer is None else (("unit", f"score per unit of {self.layer}"), ("sum", "nothing"))

    def units(self, unit: tuple[int, ...], model: Model) -> Float[np.ndarray, "..."]:
        """Return 1 at a unit and 0 elsewhere: (row, col, channel), or (channel,), which in a map is all of a channel.

        Raises:
            UsageError: The layer has no such unit.
        """
        shape = self.shape(model)
        sizes = shape if len(unit) == len(shape) else shape[-1:]
        if len(unit) not in (1, len(shape)) or any(not 0 <= k < n for k, n in zip(unit, sizes, strict=True)):
            wanted = "(row, col, channel) or (channel,)" if len(shape) == 3 else "(channel,)"
            raise UsageError(f"unit is {wanted} of {self.layer}, whose shape is {shape}; got {unit}")
        chosen = np.zeros(shape, np.float32)
        place: tuple[Any, ...] = (..., *unit)
        chosen[place] = 1
        return chosen


IMAGE = Site()
"""The image itself."""
