"""Feature maps: what each channel of a layer answers to the image, and where."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, UsageError, View
from cnnviz_plugins.explain.activation.plugin import FeatureMapsConfig


@dataclass(frozen=True, kw_only=True)
class FeatureMaps(Fold):
    """The layer's value as it is, (rows, cols, channels), at the layer's own size.

    Raises (when built):
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no map.
        UsageError: The layer has no such channel.

    Cost: one forward pass per image, up to the layer.
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    view: View = "maps"
    layer: str  # always resolved
    channels: tuple[int, ...] | None
    select: str = "given"
    count: int | None = None

    @classmethod
    def build(cls, config: FeatureMapsConfig, model: Model) -> "FeatureMaps":
        """Return the fold for `model`, its layer resolved."""
        layer = model.map_layer(config.layer)
        for channel in config.channels or ():
            if not 0 <= channel < layer.channels:
                raise UsageError(f"layer {layer.name!r} has channels 0 to {layer.channels - 1}, got {channel}")
        count, channels = config.count, config.channels
        if config.select == "given" and count is not None:
            channels = (channels or tuple(range(layer.channels)))[:count]
        notes: tuple[tuple[str, Any], ...] = (("layer_channels", layer.channels),)
        notes += () if channels is None else (("channels", channels),)
        notes += () if config.select == "given" else (("select", config.select),)
        most = layer.channels if channels is None else len(channels)
        kept = most if count is None else min(count, most)
        return cls(layer=layer.name, channels=channels, select=config.select, count=kept, notes=notes)

    def evaluate(self, case: Case) -> Float[Array, "rows cols channels"]:
        """Return the layer's value."""
        value = case.model.run(case.image, read=(self.layer,), need_outputs=False)[1][self.layer]
        return value if self.channels is None else value[..., list(self.channels)]

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return it, or the channels that answer most to this image with their numbers."""
        value = gathered[0]
        if self.select == "given":
            return Heatmap(values=value)
        flat = value.reshape(-1, value.shape[-1])
        rank = flat.max(0) if self.select == "strongest" else flat.std(0)
        best = jax.lax.top_k(rank, self.count or value.shape[-1])[1]  # equal ones in their own order
        numbers = jnp.asarray(self.channels or range(value.shape[-1]), jnp.int32)[best]
        return Heatmap(values=value[..., best], extras={"channels": numbers})
