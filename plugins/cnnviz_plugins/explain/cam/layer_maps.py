"""What the family shares: the layers that are looked at, and folds that weight their maps."""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Self

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model
from cnnviz_plugins.explain.cam.plugin import MapConfig
from cnnviz_plugins.explain.cam.postprocess import finished
from cnnviz_plugins.explain.layer_values import Map, values_and_gradients


@dataclass(frozen=True, kw_only=True)
class LayerMaps(Fold):
    """Maps of one or several layers, each weighted into one; a technique says how in `weigh`.

    `low_res` is the map at the layer's size, `values` the same enlarged to the image.

    Raises (when built):
        LayerNotFoundError: No such layer.
        LayerKindError: A layer has no map.
    """

    config: MapConfig
    layers: tuple[str, ...]

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, its layers resolved."""
        layers = chosen(config, model)
        several = (("layers", layers), ("fuse", config.fusion)) if len(layers) > 1 else ()
        notes = (("relu", config.rectified), *several)
        return cls(config=config, layers=layers, layer=", ".join(layers), notes=notes)

    def evaluate(self, case: Case) -> Any:
        """Return the weighted map of every layer, before any ReLU."""
        found = values_and_gradients(case, *self.layers)
        return tuple(self.weigh(*found[name]) for name in self.layers)

    def weigh(self, activation: Map, gradient: Map) -> Float[Array, "rows cols *c"]:
        """Return one map of a layer's value and d score / d value."""
        raise TypeError(f"{type(self).__name__} defines no weigh")

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the maps, fused where there are several, at both sizes."""
        return self.result(case.image, tuple(raw[0] for raw in gathered))

    def result(self, image: Float[Array, "h w c"], raws: tuple[Float[Array, "_ _ *c"], ...]) -> Heatmap:
        """Return what weighted maps make."""
        return finished(raws, self.layers, image.shape[:2], self.config)


@dataclass(frozen=True, kw_only=True)
class ChannelMaps(LayerMaps):
    """Maps whose channels are weighted by one evaluation each, the channels of all layers counted on."""

    widths: tuple[int, ...] = ()
    """Channels of each layer."""

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, with the number of channels of each layer."""
        fold = super().build(config, model)
        return replace(fold, widths=tuple(model.layers[name].channels for name in fold.layers))

    @property
    def evaluations(self) -> int:
        """One per channel of every layer."""
        return sum(self.widths)

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """Each layer with the number of its first channel and of the next layer's first."""
        ends = tuple(accumulate(self.widths))
        return list(zip(self.layers, (0, *ends[:-1]), ends, strict=True))


def chosen(config: MapConfig, model: Model) -> tuple[str, ...]:
    """Return the names of the layers that `config` asks for, in execution order.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: A layer has no map.
    """
    if not config.layers:
        return (model.map_layer(config.layer).name,)
    names = {model.map_layer(name).name for name in config.layers}
    return tuple(sorted(names, key=["input", *model.layers].index))


def quotient(numerator: Float[Array, "*n"], denominator: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return numerator / denominator, and 0 where the denominator is 0."""
    nothing = denominator == 0
    return jnp.where(nothing, 0, numerator / jnp.where(nothing, 1, denominator))
