"""Attribution figures: per image the input, the map over it, the raw map where there is one, and a colour bar."""

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Attribution
from cnnviz_plugins.renderers.colormaps import colormap
from cnnviz_plugins.renderers.figures.sheet import EDGE, Sheet, image_extent
from cnnviz_plugins.renderers.heats import Heat, heats, raw_heats, signed_colours
from cnnviz_plugins.renderers.images import channel_note, grey, rgb
from cnnviz_plugins.renderers.options import HeatOptions
from cnnviz_plugins.renderers.text import caption_of, size, unit_of

_GAP, _BAR, _TICKS = 0.14, 0.12, 0.75
_PANEL = 2.3


def attribution_figure(attribution: Attribution, options: HeatOptions) -> Figure:
    """Return one row per image, at most `options.limit`: input, map over image, raw map, colour bar."""
    shown = heats(attribution, options)[: options.limit]
    raw = raw_heats(attribution, shown)
    images = np.asarray(attribution.images)
    height, width = images.shape[1:3]
    panel_h = float(np.clip(_PANEL * height / width, 0.8, 4.6))
    panel_w = panel_h * width / height
    panels = 3 + (raw is not None or signed_colours(attribution, 0) is not None)
    sheet_w = max(2 * EDGE + panels * panel_w + panels * _GAP + _BAR + _TICKS, 5.6)

    provenance = attribution.provenance
    layer = f" at {provenance.layer}" if provenance.layer else ""
    left_out = len(images) - len(shown)
    words = [shown[0].caption, channel_note(images.shape[-1])]
    words += [f"{left_out} more images are not shown (limit={options.limit})"] if left_out else []

    row_h = 0.36 + panel_h + 0.24 + _GAP
    top = EDGE + 0.3
    heading = f"{provenance.technique}{layer} · {provenance.model}"
    sheet = Sheet.with_caption(heading, words, attribution.warnings, width=sheet_w, top=top, body=len(shown) * row_h)
    for k, heat in enumerate(shown):
        sheet.text(EDGE, top + 0.08, caption_of(attribution, k, int(sheet_w * 11)))
        _row(sheet, attribution, k, heat, raw[k] if raw else None, top + 0.36, (panel_w, panel_h), options)
        top += row_h
    return sheet.figure


def _row(
    sheet: Sheet,
    attribution: Attribution,
    index: int,
    heat: Heat,
    raw: Heat | None,
    top: float,
    panel: tuple[float, float],
    options: HeatOptions,
) -> None:
    image = np.asarray(attribution.images)[index]
    extent = image_extent(image.shape)
    width, height = panel
    lefts = iter([EDGE + k * (width + _GAP) for k in range(5)])

    def place(words: str) -> "object":
        left = next(lefts)
        sheet.note(left, top + height + 0.05, words)
        return sheet.axes(left, top, width, height)

    axes: list = [place("image")]
    axes[0].imshow(rgb(image))
    axes.append(place("all zero" if heat.is_zero else "map over image"))
    axes[1].imshow(grey(image), cmap="gray", vmin=0, vmax=1)
    axes[1].imshow(heat.levels, cmap=colormap(heat.colormap), vmin=0, vmax=1, alpha=options.opacity, extent=extent)
    axes.append(place("map"))
    axes[2].imshow(heat.levels, cmap=colormap(heat.colormap), vmin=0, vmax=1, extent=extent)
    signed = signed_colours(attribution, index)
    if raw is not None:
        axes.append(place(f"raw, {size(raw.values.shape)}"))
        axes[3].imshow(raw.levels, cmap=colormap(raw.colormap), vmin=0, vmax=1, extent=extent)
    elif signed is not None:
        axes.append(place("signed, grey is 0"))
        axes[3].imshow(signed, extent=extent)
    for one in axes:
        one.set(xlim=extent[:2], ylim=extent[2:])
    sheet.color_bar(next(lefts), top, _BAR, height, heat.scale, heat.colormap, unit_of(attribution))
