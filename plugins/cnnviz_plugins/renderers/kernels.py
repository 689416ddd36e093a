"""What is shown of a filter bank: tiles of pixels with numbers, and the words that keep them honest."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from cnnviz_jax.plugin import FilterBank, UsageError
from cnnviz_plugins.renderers.display import Scale, finite, scales_for
from cnnviz_plugins.renderers.images import atlas, painted
from cnnviz_plugins.renderers.options import FilterOptions

NOT_DIRECT = (
    "These weights act on feature channels, not on colours: they are not directly interpretable as images. "
    "Synthesised inputs and feature maps say more about this layer."
)


@dataclass(frozen=True, kw_only=True)
class FilterTiles:
    """The filters of one layer, ready to be laid out."""

    tiles: tuple[UInt8[np.ndarray, "h w 3"], ...]
    """In the `colour` view one per filter, else filter by filter, one per input channel."""
    numbers: tuple[int, ...]
    """The filter of each row or tile."""
    per_filter: int
    """Tiles per filter."""
    norms: tuple[float, ...]
    """||w|| of each filter shown."""
    scales: tuple[Scale, ...]
    """One per filter shown; all the same where shared."""
    colormap: str | None
    """`None` in the `colour` view, where channels are red, green and blue."""
    caption: str
    note: str
    """The caveat for deeper layers, or an empty text."""

    def strip(self, place: int, *, margin: int = 0) -> UInt8[np.ndarray, "h w 3"]:
        """Return one filter's tiles side by side, with so many pixels of mid-grey between and around several."""
        tiles = self.tiles[place * self.per_filter : (place + 1) * self.per_filter]
        return atlas(tiles, self.per_filter, margin=margin if self.per_filter > 1 else 0, background=128)


def filter_tiles(bank: FilterBank, options: FilterOptions) -> FilterTiles:
    """Return the tiles; a filter of zero norm stays zero.

    Raises:
        RenderError: A weight is not finite.
        UsageError: The colour view is asked for a kernel without three input channels.
    """
    sides = bank.kernel.shape[:-2]
    kernel = _flat(finite(np.asarray(bank.kernel)))
    inputs, outputs = kernel.shape[2:]
    if options.view == "colour" and inputs != 3:
        raise UsageError(f"{bank.layer} has {inputs} input channels; the colour view needs 3, view='channels' works")
    is_colour = inputs == 3 and options.view != "channels"
    shown = min(outputs, options.limit)
    weights = np.moveaxis(kernel[..., :shown], -1, 0)  # o h w i
    norms = np.sqrt((weights**2).sum((1, 2, 3)))
    if options.norm == "unit":
        weights = weights / np.where(norms > 0, norms, 1.0)[:, None, None, None]
    scales = scales_for(list(weights), "symmetric", percentile=100.0, shared=options.scale == "shared")
    columns = inputs if is_colour else min(inputs, options.inputs)
    colormap = None if is_colour else ("gray" if inputs == 1 else "RdBu_r")
    tiles: list[UInt8[np.ndarray, "h w 3"]] = []
    for one, scale in zip(weights, scales, strict=True):
        levels = scale.levels(one)
        if colormap is None:
            tiles.append(np.round(levels * 255).astype(np.uint8))
        else:
            tiles.extend(painted(levels[..., c], colormap) for c in range(columns))
    return FilterTiles(
        tiles=tuple(tiles),
        numbers=tuple(range(shown)),
        per_filter=1 if is_colour else columns,
        norms=tuple(float(norm) for norm in norms),
        scales=tuple(scales),
        colormap=colormap,
        caption=_caption(options, (*sides, inputs, outputs), shown, columns, is_colour),
        note="" if inputs in (1, 3) else NOT_DIRECT,
    )


def _flat(kernel: Float[np.ndarray, "*sides i o"]) -> Float[np.ndarray, "h w i o"]:
    """A kernel as images: of a series one row, of a volume its slices side by side, the front one first."""
    if kernel.ndim == 5:
        depth, height, width, *ends = kernel.shape
        return np.moveaxis(kernel, 0, 1).reshape(height, depth * width, *ends)
    return kernel[None] if kernel.ndim == 3 else kernel


def _caption(options: FilterOptions, shape: tuple[int, ...], shown: int, columns: int, is_colour: bool) -> str:
    *sides, inputs, outputs = shape
    count = f"{outputs} filters" if shown == outputs else f"{shown} of {outputs} filters"
    what = "w / ‖w‖, the unit-norm patch that fires each filter most" if options.norm == "unit" else "raw weights w"
    per = ""
    if not is_colour and inputs > 1:
        per = (
            f"one tile per input channel ({columns} of {inputs})" if columns < inputs else "one tile per input channel"
        )
    middle = "mid-grey is 0" if is_colour or inputs == 1 else "white is 0"
    scale = "one scale for all filters" if options.scale == "shared" else "own scale for each filter"
    slices = "slices side by side, the front one first" if len(sides) == 3 else ""
    size = " × ".join(map(str, (*sides, inputs)))
    parts = (f"{count} of {size}", slices, what, per, f"{middle}, {scale}")
    return "; ".join(part for part in parts if part)
