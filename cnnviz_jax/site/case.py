"""What a panel is given: one layer with what was found about its units, and the images to cut tiles from."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.model.layers import Layer
from cnnviz_jax.model.model import Model
from cnnviz_jax.site.network import input_of, slices_of, sources_of
from cnnviz_jax.site.parts import Tile
from cnnviz_jax.site.sheets import as_bytes, shrunk

Detail = Literal["full", "light"]
TILE_PX: dict[Detail, int] = {"full": 64, "light": 32}
"""Longest side of a tile; smaller fields keep their pixels."""
_CACHE_BYTES = 512 * 2**20


class Images:
    """The images as bytes, those used last kept in memory."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._kept: OrderedDict[int, UInt8[np.ndarray, "h w 3"]] = OrderedDict()

    def __getitem__(self, number: int) -> UInt8[np.ndarray, "h w 3"]:
        if number not in self._kept:
            self._kept[number] = as_bytes(self.dataset.image(number))
            while len(self._kept) * self._kept[number].nbytes > _CACHE_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]

    def tile(
        self, number: int, box: Sequence[int] | Int[np.ndarray, "4"], value: float | np.floating[Any] | None, *,
        of: str, longest_px: int, of_px: int | None = None,
    ) -> Tile:  # fmt: skip
        """Return the part of an image inside a box as a tile, so much smaller as brings `of_px` down to `longest_px`.

        `of_px` is the crop's own longest side when not given. For the rest see `PageCase.tile`.
        """
        top, left, bottom, right = (int(edge) for edge in box)
        crop, place = (
            self[number][top : bottom + 1, left : right + 1],
            f"rows {top} to {bottom}, columns {left} to {right}",
        )
        if not crop.size:
            crop, place = np.full((1, 1, 3), 128, np.uint8), "the padding"
        words = f"{of} " if of else ""
        return Tile(
            pixels=shrunk(crop, longest_px / (of_px or max(crop.shape))),
            alt=f"{words}{place} of {self.dataset.source.name(number)}",
            value=value,
            image=number,
            box=(top, left, bottom, right),
        )


@dataclass(frozen=True, kw_only=True)
class PageCase:
    """What every page of a site may show: the network and its images, of which tiles are cut."""

    model: Model
    dataset: Dataset
    shown: tuple[str, ...]
    """The layers whose units have pages, in execution order."""
    detail: Detail
    images: Images

    def tile(
        self,
        number: int,
        box: Sequence[int] | Int[np.ndarray, "4"],
        value: float | np.floating[Any] | None = None,
        *,
        of: str = "",
    ) -> Tile:
        """Return the part of an image inside a box as a tile that links to the image.

        Args:
            number: Of the image in the data set.
            box: Top, left, bottom, right, inclusive. Of an empty one, where a unit sees only padding, the tile is one
                grey pixel.
            value: A number to stand below it.
            of: What it is, for readers who do not see it.
        """
        return self.images.tile(number, box, value, of=of, longest_px=TILE_PX[self.detail], of_px=self._scale_px)

    @property
    def _scale_px(self) -> int | None:
        """The side of a crop that a whole tile shows; `None` for its own, so that each tile has its own scale."""
        return None


@dataclass(frozen=True, kw_only=True)
class LayerCase(PageCase):
    """One layer of a site, for the panels of its units' pages."""

    layer: Layer
    results: Mapping[str, Any]
    """What the panel's surveys found at this layer, by the technique's name."""

    @property
    def _scale_px(self) -> int:
        """The longest side of any unit's box, so that all tiles of a layer have one scale."""
        field, sides = self.layer.receptive_field, self.model.input_shape[:2]
        if field is None:
            return max(*sides, 1)
        return max(1, *(int((reach.last - reach.first + 1).max()) for reach in (field.rows, field.columns)))

    def sources_of(self, layer: str) -> tuple[list[str], list[str]]:
        """Return the layers with a kernel whose channels are a layer's units, and the layers that are added to it.

        One kernel in most networks; more behind a sum of two branches.
        """
        return sources_of(self.model, layer, self.shown)

    def input_of(self, kernel_layer: str) -> str | None:
        """Return the layer with pages whose channels a kernel reads; `None` where there is none."""
        return input_of(self.model, kernel_layer, self.shown)

    def slices_of(self, kernel_layer: str) -> Float[np.ndarray, "h w i o"]:
        """Return a layer's kernel by channel; of a dense layer behind a flattened map, by that map's channels."""
        return slices_of(self.model, kernel_layer)
