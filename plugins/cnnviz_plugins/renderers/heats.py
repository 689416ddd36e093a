"""What is shown of an attribution: one map per image with its scale, colours and words, for pages and figures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Attribution, RenderError
from cnnviz_plugins.renderers.colormaps import fitting
from cnnviz_plugins.renderers.display import (
    Scale,
    finite,
    natural_policy,
    reduce_channels,
    scale_for,
    scales_for,
)
from cnnviz_plugins.renderers.options import HeatOptions, Reduction

_REDUCTION_WORDS: dict[Reduction, str] = {
    "max_abs": "largest |value| over channels",
    "sum_abs": "sum of |value| over channels",
    "signed_sum": "sum over channels",
    "l2": "Euclidean norm over channels",
}


@dataclass(frozen=True, kw_only=True)
class Heat:
    """One map as it is shown."""

    values: Float[np.ndarray, "..."]
    """One number per pixel (h, w), or per place of another input, before the scale."""
    scale: Scale
    colormap: str
    note: str = ""
    """How the channels became one number."""

    @property
    def levels(self) -> Float[np.ndarray, "..."]:
        """The values on the scale, in [0, 1]."""
        return self.scale.levels(self.values)

    @property
    def is_zero(self) -> bool:
        """Whether every value is 0."""
        return not self.values.any()

    @property
    def caption(self) -> str:
        """Reduction and policy in words."""
        return "; ".join(part for part in (self.note, self.scale.caption) if part)


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The channel maps of one image at one layer."""

    heats: tuple[Heat, ...]
    numbers: tuple[int, ...]
    """The channel number of each."""
    total: int
    """How many channels the layer has."""
    chosen: str = ""
    """By what the technique chose those shown, such as `strongest`; empty where the user did."""

    @property
    def caption(self) -> str:
        """How many are shown, which, and on which scale."""
        shown = f"{len(self.heats)} of {self.total}" if len(self.heats) < self.total else f"all {self.total}"
        shown += f" channels, {self.chosen} first" if self.chosen else " channels"
        return f"{shown}; {self.heats[0].scale.caption}" if self.heats else shown


def heats(attribution: Attribution, options: HeatOptions) -> list[Heat]:
    """Return one map per image; for `view="maps"` use `channel_maps`, for units without places `units_figure`.

    Raises:
        RenderError: A value is not finite, or there is no map.
    """
    if not attribution.has_map:
        what, layer = attribution.provenance.technique, attribution.provenance.layer
        raise RenderError(f"{what} at {layer} gives a layer's own values, not a map of the image; draw it by itself")
    values, note = finite(np.asarray(attribution.values)), ""
    if attribution.view == "layer":
        note = str(dict(attribution.provenance.notes).get("map", _REDUCTION_WORDS["signed_sum"]))
        values = finite(np.asarray(attribution.low_res))
    elif values.ndim == np.ndim(attribution.images) > 2:
        reduction = options.reduction if attribution.view == "pixels" else "signed_sum"
        note = _REDUCTION_WORDS[reduction] if values.shape[-1] > 1 else ""
        values = reduce_channels(values, reduction)
    policy = natural_policy(values) if options.policy == "auto" else options.policy
    scales = scales_for(list(values), policy, percentile=options.percentile, shared=options.scale == "shared")
    colours = fitting(options.colormap, policy)
    return [
        Heat(values=one, scale=scale, colormap=colours, note=note) for one, scale in zip(values, scales, strict=True)
    ]


def raw_heats(attribution: Attribution, shown: list[Heat]) -> list[Heat] | None:
    """Return the maps before upsampling on the scales of the shown ones, or `None` where there are none."""
    if attribution.low_res is None or attribution.view == "layer":  # a layer's map is shown raw itself
        return None
    raw = finite(np.asarray(attribution.low_res))
    return [Heat(values=one, scale=heat.scale, colormap=heat.colormap) for one, heat in zip(raw, shown, strict=True)]


def signed_colours(attribution: Attribution, index: int) -> Float[np.ndarray, "h w 3"] | None:
    """Return a signed pixel map as an image around mid-grey, or `None` where it has not three channels."""
    values = np.asarray(attribution.values)
    if attribution.view != "pixels" or values.ndim != 4 or values.shape[-1] != 3:
        return None
    return scale_for(values[index], "symmetric").levels(values[index])


def channel_maps(attribution: Attribution, options: HeatOptions) -> list[Maps]:
    """Return the channel maps of each image, at most `options.limit` of them.

    Channel numbers are `extras["channels"]` (n c) where each image has its own, the provenance's note
    `channels` where the technique was told which, else 0, 1, ... Its notes `layer_channels` and `select` say how many
    the layer has and by what the technique chose.

    Raises:
        RenderError: A value is not finite.
    """
    values = finite(np.asarray(attribution.values))
    total = values.shape[-1]
    notes: dict[str, Any] = dict(attribution.provenance.notes)
    stated = notes.get("channels", range(total))
    of_layer, chosen = int(notes.get("layer_channels") or total), str(notes.get("select", "")).replace("_", " ")
    numbers = np.asarray(attribution.extras.get("channels", np.tile(np.asarray(stated), (len(values), 1))))
    policy = natural_policy(values) if options.policy == "auto" else options.policy
    name = fitting(options.colormap, policy)
    colours = "viridis" if options.colormap == "auto" and policy == "positive" else name
    result = []
    for one, names in zip(values, numbers, strict=True):
        tiles = [one[..., c] for c in range(min(total, options.limit))]
        scales = scales_for(tiles, policy, percentile=options.percentile, shared=options.scale == "shared")
        shown = tuple(
            Heat(values=tile, scale=scale, colormap=colours) for tile, scale in zip(tiles, scales, strict=True)
        )
        result.append(Maps(heats=shown, numbers=tuple(map(int, names[: len(tiles)])), total=of_layer, chosen=chosen))
    return result
