"""One input in a cell of a figure, whole and what lies in its box: an image, a series as curves, a volume's slice."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from cnnviz_plugins.renderers.display import finite
from cnnviz_plugins.renderers.figures.sheet import Sheet, empty_cell, height_of, line_style, outlined
from cnnviz_plugins.renderers.images import channel_note, rgb

MOST_LINES = 12
"""Channels of a series that are drawn: as many as can be told apart."""
MOST_SLICES = 9
"""Slices of a volume in a montage."""

INPUTS = {1: ("series", "series"), 2: ("image", "images"), 3: ("volume", "volumes")}
"""What one input and several are called, by the number of spatial axes."""


class Cell(Protocol):
    """How inputs of one kind are drawn in cells of one size."""

    @property
    def width(self) -> float:
        """In inches."""

    @property
    def height(self) -> float:
        """Of one of the two, in inches."""

    @property
    def words(self) -> str:
        """What the caption says of it."""

    def note(self, box: Int[np.ndarray, " ends"]) -> str:
        """Return what is said of a box beside its value."""

    def whole(self, axes: Axes, image: Float[np.ndarray, "..."], box: Int[np.ndarray, " ends"], colour: str) -> None:
        """Draw the whole input, and the box in it unless the box is empty."""

    def inside(
        self, sheet: Sheet, corner: tuple[float, float], image: Float[np.ndarray, "..."], box: Int[np.ndarray, " ends"]
    ) -> None:
        """Draw what lies in the box, with its top left corner there."""


@dataclass(frozen=True)
class _Sized:
    """What cells of every kind have; see `Cell`."""

    width: float
    height: float
    words: str


@dataclass(frozen=True)
class ImageCell(_Sized):
    """An image, with its box as a frame; below, the pixels inside it."""

    def note(self, box: Int[np.ndarray, " ends"]) -> str:
        """Return nothing: the frame says it."""
        return ""

    def whole(self, axes: Axes, image: Float[np.ndarray, "h w c"], box: Int[np.ndarray, "4"], colour: str) -> None:
        """Draw the image and the frame."""
        axes.imshow(rgb(image), aspect="auto")
        if not is_empty(box):
            _framed(axes, box, colour)

    def inside(
        self, sheet: Sheet, corner: tuple[float, float], image: Float[np.ndarray, "h w c"], box: Int[np.ndarray, "4"]
    ) -> None:
        """Draw the pixels in the frame, undistorted."""
        top, left, bottom, right = box
        _enlarged(sheet, corner, (self.width, self.height), rgb(image[top : bottom + 1, left : right + 1]))


@dataclass(frozen=True)
class SeriesCell(_Sized):
    """A series as one curve for each channel, with its interval shaded; below, the interval alone."""

    limits: tuple[float, float]
    """Of the values drawn, the same for all cells."""

    def note(self, box: Int[np.ndarray, " ends"]) -> str:
        """Return the interval's ends."""
        return "" if is_empty(box) else f"{box[0]}–{box[1]}"

    def whole(self, axes: Axes, image: Float[np.ndarray, "steps ..."], box: Int[np.ndarray, "2"], colour: str) -> None:
        """Draw the curves and the interval."""
        if not is_empty(box):
            axes.axvspan(box[0] - 0.5, box[1] + 0.5, facecolor=colour, alpha=0.45, linewidth=0)
        self._drawn(axes, image, 0)

    def inside(
        self,
        sheet: Sheet,
        corner: tuple[float, float],
        image: Float[np.ndarray, "steps ..."],
        box: Int[np.ndarray, "2"],
    ) -> None:
        """Draw the curves in the interval, spread over the cell's width."""
        self._drawn(sheet.axes(*corner, self.width, self.height), image[box[0] : box[1] + 1], int(box[0]))

    def _drawn(self, axes: Axes, series: Float[np.ndarray, "steps ..."], first: int) -> None:
        axes.set_axis_on()
        curves(axes, series, first)
        axes.set(xticks=[], yticks=[], ylim=self.limits)


@dataclass(frozen=True)
class VolumeCell(_Sized):
    """The slice of a volume through the middle of its box, with the box as a frame; below, what is inside it."""

    def note(self, box: Int[np.ndarray, " ends"]) -> str:
        """Return which slice is drawn."""
        return "" if is_empty(box) else f"slice {_middle(box)}"

    def whole(self, axes: Axes, image: Float[np.ndarray, "d h w c"], box: Int[np.ndarray, "6"], colour: str) -> None:
        """Draw the slice and the frame; of an empty box the middle slice."""
        depth = len(image) // 2 if is_empty(box) else _middle(box)
        axes.imshow(in_grey(image)[depth], cmap="gray", vmin=0, vmax=1, aspect="auto")
        if not is_empty(box):
            _framed(axes, box[[1, 2, 4, 5]], colour)

    def inside(
        self, sheet: Sheet, corner: tuple[float, float], image: Float[np.ndarray, "d h w c"], box: Int[np.ndarray, "6"]
    ) -> None:
        """Draw the box's part of the slice, undistorted."""
        part = in_grey(image)[_middle(box), box[1] : box[4] + 1, box[2] : box[5] + 1]
        _enlarged(sheet, corner, (self.width, self.height), part)


def cell_of(images: Float[np.ndarray, "..."], axes: int) -> Cell:
    """Return how inputs (n, *shape) are drawn whose spatial axes are so many: 1 of series and vectors, 3 of volumes."""
    if axes == 1:
        channels = images.shape[2] if images.ndim == 3 else 1
        low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 1.0)
        reach = 0.06 * (high - low) or 0.5
        words = f"; the first {MOST_LINES} of {channels} channels" if channels > MOST_LINES else ""
        return SeriesCell(1.45, 0.62, f"All series are on one scale{words}.", (low - reach, high + reach))
    width = 0.95
    high = height_of(width, images.shape[axes - 1 : axes + 1])
    if axes == 2:
        return ImageCell(width, high, channel_note(images.shape[-1]))
    mean = "mean of channels, " if images.shape[-1] > 1 else ""
    return VolumeCell(
        width, high, f"Slices through the middle of the box; {mean}black to white is each volume's range."
    )


def curves(axes: Axes, series: Float[np.ndarray, "steps ..."], first: int = 0) -> None:
    """Draw the channels of a series, at most `MOST_LINES`, from step `first` on."""
    channels = finite(series)[:, None] if series.ndim == 1 else finite(series)
    steps = np.arange(first, first + len(channels))
    for channel in range(min(channels.shape[1], MOST_LINES)):
        mark = "." if len(channels) == 1 else ""
        axes.plot(steps, channels[:, channel], linewidth=0.9, marker=mark, **line_style(channel))
    axes.set_xlim(first - 0.5, first + len(channels) - 0.5)


def in_grey(volume: Float[np.ndarray, "d h w c"]) -> Float[np.ndarray, "d h w"]:
    """Return the mean of a volume's channels, its range brought to [0, 1]; 0 where all are one value."""
    grey = finite(volume).mean(-1)
    low, high = float(grey.min()), float(grey.max())
    return (grey - low) / (high - low) if high > low else np.zeros_like(grey)


def montage(volume: Float[np.ndarray, "d h w c"]) -> tuple[Float[np.ndarray, "rows columns"], tuple[int, ...]]:
    """Return slices of a volume in grey, at most nine from front to back, row by row with white lines, and which."""
    grey = in_grey(volume)
    shown = tuple(int(k) for k in np.unique(np.linspace(0, len(grey) - 1, min(len(grey), MOST_SLICES)).round()))
    columns = int(np.ceil(np.sqrt(len(shown))))
    high, wide = grey.shape[1] + 1, grey.shape[2] + 1
    sheet = np.ones((-(-len(shown) // columns) * high - 1, columns * wide - 1))
    for place, depth in enumerate(shown):
        top, left = place // columns * high, place % columns * wide
        sheet[top : top + high - 1, left : left + wide - 1] = grey[depth]
    return sheet, shown


def is_empty(box: Int[np.ndarray, " ends"]) -> bool:
    """Return whether a box holds nothing, as that of a unit that sees only padding."""
    half = len(box) // 2
    return bool((box[:half] > box[half:]).any())


def padding_only(sheet: Sheet, corner: tuple[float, float], cell: Cell) -> None:
    """Mark the cell of an empty box."""
    empty_cell(sheet.axes(*corner, cell.width, cell.height), "sees only\npadding")


def _middle(box: Int[np.ndarray, "6"]) -> int:
    """The slice in the middle of a volume's box."""
    return int(box[0] + box[3]) // 2


def _framed(axes: Axes, box: Int[np.ndarray, "4"], colour: str) -> None:
    top, left, bottom, right = (int(edge) for edge in box)
    outlined(axes, (left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, colour, width=1.1)


def _enlarged(sheet: Sheet, corner: tuple[float, float], most: tuple[float, float], pixels: np.ndarray) -> None:
    """Draw pixels as large as fits; grey where they are one number each."""
    scale = min(most[0] / pixels.shape[1], most[1] / pixels.shape[0])
    axes = sheet.axes(*corner, pixels.shape[1] * scale, pixels.shape[0] * scale)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1} if pixels.ndim == 2 else {}
    axes.imshow(pixels, aspect="auto", **grey)
