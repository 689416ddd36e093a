"""What each section of the page shows beside its result, and the images inside the page."""

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from cnnviz_jax.plugin import Attribution, FilterBank, ReceptiveFields
from cnnviz_plugins.renderers.colormaps import palette
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.figure import figure
from cnnviz_plugins.renderers.figures.sheet import pinned_style
from cnnviz_plugins.renderers.geometry import field_rows, frame_window
from cnnviz_plugins.renderers.heats import Heat, channel_maps, heats, raw_heats, signed_colours
from cnnviz_plugins.renderers.images import channel_note, data_uri, heat_png, indexed_png, png, rgb
from cnnviz_plugins.renderers.kernels import filter_tiles
from cnnviz_plugins.renderers.options import FilterOptions, HeatOptions
from cnnviz_plugins.renderers.text import number, size, unit_of


@dataclass
class Embedded:
    """The images and colour bars that the page's SVG definitions hold, by identifier."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)

    def image(self, identifier: str, image: Float[np.ndarray, "h w c"]) -> dict[str, Any]:
        """Take in an image and return what the template needs to draw it."""
        height, width, channels = image.shape
        if identifier not in self.images:
            self.images[identifier] = {"uri": data_uri(png(rgb(image))), "width": width, "height": height}
        return {
            "id": identifier,
            "width": width,
            "height": height,
            "is_small": max(height, width) < 160,
            "note": channel_note(channels),
        }

    def bar(self, scale: Scale, colormap: str, unit: str) -> dict[str, Any]:
        """Take in a colour map and return a horizontal colour bar with its limits in words."""
        identifier = f"bar-{colormap}"
        if identifier not in self.images:
            strip = indexed_png(np.arange(256, dtype=np.uint8)[None], palette(colormap))
            self.images[identifier] = {"uri": data_uri(strip), "width": 256, "height": 1}
        is_zero = scale.high <= scale.low
        return {
            "id": identifier,
            "low": "" if is_zero else number(scale.low),
            "high": "" if is_zero else number(scale.high),
            "zero_at": round(100 * scale.zero, 1) if 0 < scale.zero < 1 and not is_zero else None,
            "is_zero": is_zero,
            "unit": unit,
            "caption": scale.caption,
        }


_DPI = 110


def painted_uri(heat: Heat) -> str:
    """Return a map in its colours as a `data:` address."""
    return data_uri(heat_png(heat.levels, heat.colormap))


def cards(attribution: Attribution, options: HeatOptions, embedded: Embedded) -> list[dict[str, Any]]:
    """Return one card per image: its map, its colour bar, and the raw map or the signed colours in small."""
    shown = heats(attribution, options)
    raw = raw_heats(attribution, shown)
    result = []
    for k, heat in enumerate(shown):
        signed, small = signed_colours(attribution, k), None
        if raw is not None:
            shape = raw[k].values.shape
            small = {"uri": painted_uri(raw[k]), "label": f"raw {size(shape)}", "shape": shape}
        elif signed is not None:
            colours = np.round(signed * 255).astype(np.uint8)
            small = {"uri": data_uri(png(colours)), "label": "signed colours", "shape": signed.shape}
        bar = embedded.bar(heat.scale, heat.colormap, unit_of(attribution))
        result.append({"heat": heat, "small": small, "bar": bar})
    return result


def map_section(
    attribution: Attribution, options: HeatOptions, images: list[dict[str, Any]], embedded: Embedded
) -> dict[str, Any]:
    """Return the channel maps of every image at one layer."""
    blocks = []
    for maps, image in zip(channel_maps(attribution, options), images, strict=True):
        bar = None
        if maps.heats:
            heat = maps.heats[0]
            bar = embedded.bar(heat.scale, heat.colormap, unit_of(attribution))
            if options.scale == "own":
                ends = {"positive": ("0", "highest"), "symmetric": ("−largest", "largest"), "unit": ("0", "1")}
                low, high = ends.get(heat.scale.policy, ("lowest", "highest"))
                bar |= {"low": low, "high": high, "is_zero": False}
        blocks.append({"image": image, "maps": maps, "bar": bar})
    return {"blocks": blocks}


def field_section(result: ReceptiveFields, images: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows with their colours; boxes are drawn over the first image that has the input's size."""
    rows = field_rows(result)
    height, width, _ = result.input_shape
    left, top, right, bottom = frame_window(rows, (height, width))
    places = (int(70 + 165 * (len(rows) - 1 - k) / max(len(rows) - 1, 1)) for k in range(len(rows)))
    colours = ("#" + palette("plasma")[place].tobytes().hex() for place in places)
    return {
        "rows": list(zip(rows, colours, strict=True)),
        "view": f"{left} {top} {right - left} {bottom - top}",
        "stroke": round((right - left) / 180, 3),
        "image": next((one for one in images if (one["height"], one["width"]) == (height, width)), None),
    }


def figure_section(result: Any) -> dict[str, Any]:
    """Return the result's figure as an image inside the page.

    Raises:
        RenderError: The result has no figure either.
    """
    buffer = io.BytesIO()
    with pinned_style():
        figure(result).savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None}, facecolor="white")
    with Image.open(buffer) as image:
        width, height = image.size
    return {"uri": data_uri(buffer.getvalue()), "width": width, "height": height}


def filter_section(bank: FilterBank, options: FilterOptions, embedded: Embedded) -> dict[str, Any]:
    """Return the filters of one layer, one tile or one strip of tiles each."""
    shown = filter_tiles(bank, options)
    unit = "w / ‖w‖" if options.norm == "unit" else "w"
    is_signed = shown.colormap is not None and options.scale == "shared"
    bar = embedded.bar(shown.scales[0], shown.colormap or "gray", unit) if is_signed else None
    return {"shown": shown, "bar": bar}


def spark(curve: Float[np.ndarray, " steps"]) -> str:
    """Return the points of a curve in a 100 x 24 box, at most 100 of them; empty where it is not finite."""
    curve = np.asarray(curve, np.float64)
    if curve.size < 2 or not np.isfinite(curve).all():
        return ""
    steps = np.unique(np.linspace(0, curve.size - 1, min(curve.size, 100)).round().astype(int))
    low, high = float(curve.min()), float(curve.max())
    x = 100 * steps / (curve.size - 1)
    y = 22 - 20 * (curve[steps] - low) / (high - low or 1.0)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
