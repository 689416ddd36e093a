"""Images inside the page: each one is embedded once and drawn wherever it is needed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_plugins.renderers.colormaps import palette
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.images import channel_note, data_uri, indexed_png, png, rgb
from cnnviz_plugins.renderers.text import number


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
