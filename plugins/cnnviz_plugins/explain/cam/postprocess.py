"""From weighted maps of one or several layers to the result: ReLU, scale, fusion and enlargement, each by name."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Heatmap
from cnnviz_plugins.explain.cam.plugin import MapConfig


@dataclass(frozen=True)
class Convention:
    """What is done with a map once it is weighted."""

    scale: Literal["none", "max", "min-max"] = "none"
    epsilon: float = 0.0
    """Added to what is divided by."""
    again: bool = False
    """Whether the enlarged map is scaled once more."""
    resize: "Enlarging" = "linear"


Enlarging = Literal["linear", "cubic", "nearest", "corners"]
"""How a map is enlarged: bilinear or bicubic with half-pixel centres; to the cell that a pixel's top left corner falls
into, as PyTorch's `nearest`; bilinear with the corners' centres on each other, as PyTorch's `align_corners=True`."""

CONVENTIONS = {
    "paper": Convention(),
    # captum/attr/_core/layer/grad_cam.py: relu_attributions=False; LayerAttribution.interpolate: torch's nearest.
    "captum": Convention(resize="nearest"),
    # PAIR saliency/core/grad_cam.py: divided by the maximum, then resized.
    "pair": Convention(scale="max"),
    "tf-explain": Convention(),
    # xplique docs/api/attributions/grad_cam.md: "we upsample using bicubic interpolation".
    "xplique": Convention(resize="cubic"),
    # pytorch_grad_cam/base_cam.py and utils/image.py: scale_cam_image before and after the mean over layers.
    "pytorch-grad-cam": Convention(scale="min-max", epsilon=1e-7, again=True),
    # torchcam/methods/core.py: _CAM._normalize.
    "torchcam": Convention(scale="min-max", epsilon=1e-8),
}
"""By name; sources are the peers' own files."""


Volumes = tuple[tuple[int, int, int], tuple[int, int, int]]
"""Depth, height and width of a map in a volume, and of the volume."""


def finished(
    raws: tuple[Float[Array, "_ _ *c"], ...],
    layers: tuple[str, ...],
    size: tuple[int, ...],
    config: MapConfig,
    volumes: Volumes | None = None,
) -> Heatmap:
    """Return the heatmap that weighted maps make.

    One layer: `low_res` is its map after the ReLU, `values` the same enlarged. Several: each map runs from 0 to 1,
    `low_res` is their fusion at the size of the largest map, `values` at the image's.

    Args:
        raws: The weighted maps, one per layer, before any ReLU.
        layers: The layers' names.
        size: Height and width of the image.
        config: What the user chose.
        volumes: Where the map is of a volume: see `resized`.
    """
    how = CONVENTIONS[config.convention]
    kept = [jax.nn.relu(raw) if config.rectified else raw for raw in raws]
    if len(raws) == 1:
        low_res = scaled(kept[0], how.scale, how.epsilon)
        values = resized(low_res, size, how.resize, volumes)
        extras = {"before_relu": raws[0]}
    else:
        fuse = config.fusion
        fused = partial(jnp.mean if fuse == "mean" else jnp.max, axis=0)
        largest = max(raw.shape[0] for raw in raws), max(raw.shape[1] for raw in raws)
        if fuse == "tanh-max":
            ready = [jnp.tanh(2 * scaled(each, "max", how.epsilon)) for each in kept]
        else:
            ready = [scaled(each, "min-max", how.epsilon) for each in kept]
        low_res = fused(jnp.stack([resized(each, largest, how.resize) for each in ready]))
        if config.convention == "torchcam":  # fuses at the largest map's size
            values = resized(low_res, size, how.resize)
        else:
            values = fused(jnp.stack([resized(each, size, how.resize) for each in ready]))
        extras = {f"before_relu {name}": raw for name, raw in zip(layers, raws, strict=True)}
    if how.again:
        values = scaled(jax.nn.relu(values), how.scale, how.epsilon)
    return Heatmap(values=values, low_res=low_res, extras=extras)


def scaled(values: Float[Array, "*shape"], scale: str, epsilon: float = 0.0) -> Float[Array, "*shape"]:
    """Return values over their maximum, or moved and divided to run from 0 to 1; zeros where that means nothing."""
    if scale == "none":
        return values
    moved = values - values.min() if scale == "min-max" else values
    top = moved.max() + epsilon
    return jnp.where(top > 0, moved / jnp.where(top > 0, top, 1), 0)


def resized(
    values: Float[Array, "_ _ *c"], size: tuple[int, ...], method: Enlarging, volumes: Volumes | None = None
) -> Float[Array, "_ _ *c"]:
    """Return a map at another size; with `volumes`, one whose rows are the slices of a volume, one below the other."""
    if volumes is not None:
        before, after = volumes
        whole = values.reshape(*before, *values.shape[2:])
        if method == "nearest":
            depth, rows, cols = (_cells(into, of) for into, of in zip(after, before, strict=True))
            return whole[depth][:, rows][:, :, cols].reshape(*size, *values.shape[2:])
        if method == "corners":
            along = (jnp.asarray(_between(into, of)) for into, of in zip(after, before, strict=True))
            spread: Array = jnp.einsum("ia,jb,kc,abc...->ijk...", *along, whole, precision="highest")
        else:
            spread = jax.image.resize(whole, (*after, *values.shape[2:]), method, antialias=False)
        return spread.reshape(*size, *values.shape[2:])
    if method == "nearest":
        rows, cols = (_cells(into, of) for into, of in zip(size, values.shape, strict=False))
        return values[rows][:, cols]
    if method == "corners":
        down, across = (jnp.asarray(_between(into, of)) for into, of in zip(size, values.shape, strict=False))
        return jnp.einsum("ij,jk...,lk->il...", down, values, across, precision="highest")
    enlarged: Array = jax.image.resize(values, (*size, *values.shape[2:]), method, antialias=False)
    return enlarged


def _cells(into: int, of: int) -> Int[np.ndarray, " into"]:
    """Which of `of` cells each of `into` pixels falls into."""
    # In float32, as PyTorch's upsample kernels compute floor(i * (of / into)): 50 pixels of 13 cells go 0 0 0 0 1 1 1 1
    # 2, where half-pixel centres go 0 0 1 1 1 1 2.
    scale = np.float32(of) / np.float32(into)
    return np.minimum((np.arange(into, dtype=np.float32) * scale).astype(np.int32), of - 1)


def _between(into: int, of: int) -> Float[np.ndarray, "into of"]:
    """Linear interpolation at `into` places from the first of `of` to the last, as a matrix."""
    at = np.arange(into) * ((of - 1) / max(1, into - 1))
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(of))).astype(np.float32)
