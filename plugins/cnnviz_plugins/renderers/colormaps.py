"""Colour maps by name: perceptual and colour-blind safe by default, the lecture's convention on request."""

import functools

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.colors import Colormap

from cnnviz_jax.plugin import UsageError, did_you_mean
from cnnviz_plugins.renderers.options import Policy

ZEILER_FERGUS = "zeiler-fergus"
"""Large drop blue, small drop dark red: matplotlib's jet turned round, as in Zeiler and Fergus 2013, figure 7.
Neither perceptual nor safe for the colour-blind; for comparison with the article only."""


def colormap(name: str) -> Colormap:
    """Return the colour map.

    Raises:
        UsageError: There is none of that name; near matches are offered.
    """
    known = [ZEILER_FERGUS, *matplotlib.colormaps]
    if name not in known:
        raise UsageError(f"no colour map {name!r}.{did_you_mean(name, known)} matplotlib's names work, and `auto`")
    return matplotlib.colormaps["jet_r" if name == ZEILER_FERGUS else name]


def fitting(name: str, policy: Policy) -> str:
    """Return `name`, or the colour map that suits the policy where it is `auto`."""
    if name != "auto":
        colormap(name)
        return name
    return {"symmetric": "RdBu_r", "positive": "inferno"}.get(policy, "viridis")


@functools.lru_cache(maxsize=32)
def palette(name: str) -> UInt8[np.ndarray, "256 3"]:
    """Return the colour map's 256 colours."""
    return np.round(colormap(name)(np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)


def indices(levels: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Return the palette index of each level in [0, 1]."""
    codes: np.ndarray = np.round(np.clip(levels, 0, 1) * 255).astype(np.uint8)
    return codes
