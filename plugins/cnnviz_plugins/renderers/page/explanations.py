"""Explanations for the page: one card per image and technique, channel maps as numbered tiles."""

from typing import Any

import numpy as np

from cnnviz_jax.plugin import Attribution, Prediction
from cnnviz_plugins.renderers.heats import channel_maps, heats, raw_heats, signed_colours
from cnnviz_plugins.renderers.images import data_uri, heat_png, png
from cnnviz_plugins.renderers.options import HeatOptions
from cnnviz_plugins.renderers.page.sections import Embedded
from cnnviz_plugins.renderers.text import number, percent, size, target_of, unit_of


def cards(
    name: str, attribution: Attribution, summary: str, options: HeatOptions, embedded: Embedded
) -> list[dict[str, Any]]:
    """Return one card per image."""
    shown = heats(attribution, options)
    raw = raw_heats(attribution, shown)
    scores = np.asarray(attribution.scores)
    result = []
    for k, heat in enumerate(shown):
        signed = signed_colours(attribution, k)
        small = None
        if raw is not None:
            small = {
                "uri": data_uri(heat_png(raw[k].levels, raw[k].colormap)),
                "label": f"raw {size(raw[k].values.shape)}",
                "width": raw[k].values.shape[1],
                "height": raw[k].values.shape[0],
            }
        elif signed is not None:
            colours = np.round(signed * 255).astype(np.uint8)
            small = {
                "uri": data_uri(png(colours)),
                "label": "signed colours",
                "width": signed.shape[1],
                "height": signed.shape[0],
            }
        result.append(
            {
                "technique": name,
                "summary": summary,
                "target": target_of(attribution, k),
                "score": number(float(scores[k]), 4),
                "heat": data_uri(heat_png(heat.levels, heat.colormap)),
                "is_zero": heat.is_zero,
                "small": small,
                "bar": embedded.bar(heat.scale, heat.colormap, unit_of(attribution)),
                "caption": heat.caption,
                "warnings": attribution.warnings,
                "layer": attribution.provenance.layer,
            }
        )
    return result


def map_section(
    attribution: Attribution, summary: str, options: HeatOptions, images: list[dict[str, Any]], embedded: Embedded
) -> dict[str, Any]:
    """Return the channel maps of every image at one layer."""
    blocks = []
    for k, maps in enumerate(channel_maps(attribution, options)):
        tiles = [
            {
                "number": channel,
                "uri": data_uri(heat_png(heat.levels, heat.colormap)),
                "is_zero": heat.is_zero,
                "limits": f"{number(heat.scale.low)} to {number(heat.scale.high)}",
            }
            for heat, channel in zip(maps.heats, maps.numbers, strict=True)
        ]
        heat = maps.heats[0] if maps.heats else None
        bar = embedded.bar(heat.scale, heat.colormap, unit_of(attribution)) if heat else None
        if bar and options.scale == "own":
            ends = {"positive": ("0", "highest"), "symmetric": ("−largest", "largest"), "unit": ("0", "1")}
            low, high = ends.get(heat.scale.policy, ("lowest", "highest")) if heat else ("", "")
            bar |= {"low": low, "high": high, "is_zero": False}
        blocks.append({"image": images[k], "tiles": tiles, "caption": maps.caption, "bar": bar})
    shape = np.asarray(attribution.values).shape
    return {
        "technique": attribution.provenance.technique,
        "summary": summary,
        "layer": attribution.provenance.layer or "",
        "shape": size(shape[1:]),
        "width": shape[2],
        "height": shape[1],
        "blocks": blocks,
        "warnings": attribution.warnings,
    }


def prediction_rows(prediction: Prediction) -> list[dict[str, Any]]:
    """Return the best classes with bar lengths in percent."""
    rows = zip(
        prediction.labels,
        np.asarray(prediction.probabilities).tolist(),
        np.asarray(prediction.scores).tolist(),
        strict=True,
    )
    return [
        {"label": label, "share": percent(share), "length": round(100 * share, 2), "score": number(score, 4)}
        for label, share, score in rows
    ]
