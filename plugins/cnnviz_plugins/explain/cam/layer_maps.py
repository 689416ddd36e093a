"""What the family shares: the layers that are looked at, and folds that weight their maps."""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, ClassVar, Self

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, LayerKindError, Model
from cnnviz_plugins.explain.cam.augmented import Augmented
from cnnviz_plugins.explain.cam.plugin import MapConfig
from cnnviz_plugins.explain.cam.postprocess import Volumes, finished
from cnnviz_plugins.explain.cam.principal_map import principal_map
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
    volumes: Volumes | None = None
    """In a model of volumes, depth, height and width of the layer's map and of the input."""
    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    takes_vectors: ClassVar[bool] = False
    """Whether a layer of units without places will do: it counts as a map of one place."""

    @classmethod
    def build(cls, config: Any, model: Model) -> Fold:
        """Return the fold for `model`, over six views of every image where the config asks for them."""
        fold = cls.laid_out(config, model)
        return Augmented.of(fold) if config.augment else fold

    @classmethod
    def laid_out(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, its layers resolved."""
        layers = chosen(config, model, cls.takes_vectors)
        several = (("layers", layers), ("fuse", config.fusion)) if len(layers) > 1 else ()
        notes = (("relu", config.rectified), *several, *((("smooth", config.smooth),) if config.smooth else ()))
        warnings = tuple(
            f"layer {name} has no places: its {model.layers[name].channels} units, weighted, add up to one number, and "
            "the map is that number everywhere"
            for name in layers
            if name in model.layers and not model.layers[name].is_map
        )
        return cls(
            config=config,
            layers=layers,
            layer=", ".join(layers),
            notes=notes,
            warnings=warnings,
            volumes=volumes_of(model, layers),
        )

    def evaluate(self, case: Case) -> Any:
        """Return the weighted map of every layer, before any ReLU."""
        found = values_and_gradients(case, *self.layers)
        return tuple(self.joined(self.weigh(*map(_as_map, found[name]))) for name in self.layers)

    def weigh(self, activation: Map, gradient: Map) -> Map:
        """Return each channel, weighted by what its value and d score / d value say."""
        raise TypeError(f"{type(self).__name__} defines no weigh")

    def joined(self, weighted: Map) -> Float[Array, "rows cols *c"]:
        """Return weighted channels as one map: their sum, or what `smooth` has in its place."""
        return principal_map(weighted, centred=True) if self.config.smooth == "eigen" else weighted.sum(-1)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the maps, fused where there are several, at both sizes."""
        return self.result(case.image, tuple(raw[0] for raw in gathered))

    def result(self, image: Float[Array, "h w c"], raws: tuple[Float[Array, "_ _ *c"], ...]) -> Heatmap:
        """Return what weighted maps make."""
        return finished(raws, self.layers, image.shape[:2], self.config, self.volumes)


def volumes_of(model: Model, layers: tuple[str, ...]) -> Volumes | None:
    """Return depth, height and width of a layer's map and of the input, in a model of volumes; else `None`.

    Raises:
        LayerKindError: There are several layers, or the layer has no such map.
    """
    space = model.structure.space
    if space is None or len(model.structure.extents) != 3:
        return None
    before = space.spatial if layers == ("input",) else model.program.layers[layers[0]].volume
    if len(layers) > 1 or before is None:
        raise LayerKindError(f"of volumes one layer with a map is looked at, not {', '.join(layers)}")
    return before, (space.spatial[0], space.spatial[1], space.spatial[2])  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class ChannelMaps(LayerMaps):
    """Maps whose channels are weighted by one evaluation each, the channels of all layers counted on."""

    widths: tuple[int, ...] = ()
    """Channels of each layer."""

    @classmethod
    def laid_out(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, with the number of channels of each layer."""
        fold = super().laid_out(config, model)
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


def chosen(config: MapConfig, model: Model, takes_vectors: bool = False) -> tuple[str, ...]:
    """Return the names of the layers that `config` asks for, in execution order.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: A layer has no map, and is no vector of units that would do.
    """
    if not config.layers:
        if takes_vectors and config.layer is not None and len(model.layers[config.layer].shape) == 1:
            return (model.layers[config.layer].name,)
        return (model.map_layer(config.layer).name,)
    names = {model.map_layer(name).name for name in config.layers}
    return tuple(sorted(names, key=["input", *model.layers].index))


def _as_map(value: Any) -> Map:
    return value if value.ndim == 3 else value.reshape(1, 1, -1)


def quotient(numerator: Float[Array, "*n"], denominator: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return numerator / denominator, and 0 where the denominator is 0."""
    nothing = denominator == 0
    return jnp.where(nothing, 0, numerator / jnp.where(nothing, 1, denominator))
