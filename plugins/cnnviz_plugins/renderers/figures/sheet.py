"""A sheet of paper laid out in inches from its top left corner, pinned settings, and saving without dates."""

import contextlib
import io
import textwrap
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cnnviz_plugins.renderers.colormaps import colormap
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.figures.inks import COLOURS, FAINT, INK, RULE, YELLOW
from cnnviz_plugins.renderers.text import number, plain

TITLE_PT, TEXT_PT, SMALL_PT = 11.0, 8.5, 7.0
EDGE = 0.3  # inches left free around a figure
HEADING, CAPTION = "cnnviz-heading", "cnnviz-caption"
"""What tells these texts from the others of a figure."""
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
_LONGEST_SIDE_PX = 60_000  # Agg draws at most 2**16 pixels a side

_lock = threading.RLock()
_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT_PT,
    "text.color": INK,
    "text.parse_math": False,  # a label such as a$b$ is text
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "image.interpolation": "nearest",
    "svg.hashsalt": "cnnviz",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


@contextlib.contextmanager
def pinned_style() -> Iterator[None]:
    """Draw with this project's settings whatever the user's matplotlibrc says, and put them back after."""
    with _lock, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def save(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write the figure without dates, so that equal figures give equal bytes.

    A figure too long for the drawing library is written at fewer pixels per inch.
    """
    kind = path.suffix.lower().lstrip(".")
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "svg": {"Date": None},
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    }
    _save(figure, path, kind, dpi, metadata.get(kind, {}))


def png_of(figure: Figure, *, dpi: int) -> bytes:
    """Return what `save` writes to a PNG."""
    file = io.BytesIO()
    _save(figure, file, "png", dpi, {"Software": None})
    return file.getvalue()


def _save(figure: Figure, file: Path | io.BytesIO, kind: str, dpi: int, metadata: dict[str, Any]) -> None:
    # Level 6, Pillow's own, takes half as long again and makes a map over a photograph 0.6 % smaller.
    more: dict[str, Any] = {"pil_kwargs": {"compress_level": 4}} if kind == "png" else {}
    figure.savefig(file, format=kind, dpi=_drawable(figure, dpi), metadata=metadata, facecolor="white", **more)


def _drawable(figure: Figure, dpi: int) -> int:
    """Return the pixels per inch at which the drawing library can draw the figure."""
    return min(dpi, int(_LONGEST_SIDE_PX / float(max(figure.get_size_inches()))))


class Sheet:
    """A figure on which things are placed in inches from the top left corner."""

    def __init__(self, width_in: float, height_in: float) -> None:
        self.width_in, self.height_in = width_in, height_in
        self.figure = Figure(figsize=(width_in, height_in))

    def axes(self, left: float, top: float, width: float, height: float, *, frame: bool = False) -> Axes:
        """Return axes at that place; without a frame they show only what is drawn in them."""
        box = (
            left / self.width_in,
            1 - (top + height) / self.height_in,
            width / self.width_in,
            height / self.height_in,
        )
        axes = self.figure.add_axes(box)
        if not frame:
            axes.set_axis_off()
        return axes

    def text(self, left: float, top: float, words: str, *, size: float = TEXT_PT, **style: Any) -> None:
        """Write words whose top left corner is there."""
        # One line stands on its baseline, or words with and without descenders would not line up.
        is_one_line = "\n" not in words
        down = 0.8 * size / 72 if is_one_line else 0.0
        place: dict[str, Any] = {"va": "baseline" if is_one_line else "top", "ha": "left", "linespacing": 1.35}
        look: dict[str, Any] = {"color": INK, "fontsize": size} | place | style
        self.figure.text(left / self.width_in, 1 - (top + down) / self.height_in, words, **look)

    def note(self, left: float, top: float, words: str) -> None:
        """Write small grey words whose top left corner is there."""
        self.text(left, top, words, size=SMALL_PT, color=FAINT)

    def heading(self, words: str) -> None:
        """Write what the figure shows at its top, cut to its width."""
        words = plain(words, int(self.width_in * 11))
        self.text(EDGE, EDGE - 0.05, words, size=TITLE_PT, fontweight="bold", gid=HEADING)

    @classmethod
    def with_caption(
        cls, heading: str, words: Sequence[str], warnings: Sequence[str], *, width: float, top: float, body: float
    ) -> Self:
        """Return a sheet with a heading above a body and a caption below it.

        Args:
            heading: What the figure shows.
            words: Lines of the caption; empty ones are left out.
            warnings: What the result warns of, said last.
            width: In inches.
            top: Where the body begins, in inches from the top.
            body: Its height in inches; the caption stands below.
        """
        lines = [*filter(None, words), *(f"Warning: {warning}" for warning in warnings)]
        caption = wrapped("\n".join(lines), width - 2 * EDGE, SMALL_PT)
        sheet = cls(width, top + body + lines_height(caption, SMALL_PT) + EDGE)
        sheet.heading(heading)
        sheet.text(EDGE, top + body, caption, size=SMALL_PT, color=FAINT, gid=CAPTION)
        return sheet

    def color_bar(
        self, left: float, top: float, width: float, height: float, scale: Scale, colours: str, unit: str
    ) -> None:
        """Draw an upright colour bar with the scale's limits and the unit."""
        axes = self.axes(left, top, width, height, frame=True)
        low, high = (scale.low, scale.high) if scale.high > scale.low else (-1.0, 1.0) if scale.zero else (0.0, 1.0)
        is_zero = scale.high <= scale.low
        bar = self.figure.colorbar(ScalarMappable(Normalize(low, high), colormap(colours)), cax=axes)
        bar.outline.set_linewidth(0.5)
        bar.ax.yaxis.set_major_locator(MaxNLocator(4))
        # Without this, values such as 1e-5 put a shared factor above the bar, far from the number it belongs to.
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        if is_zero:
            bar.set_ticks([0.0])
        bar.ax.tick_params(length=2, pad=2)
        bar.set_label(unit, fontsize=SMALL_PT, color=FAINT)


def entitle(figure: Figure, title: str) -> None:
    """Put another title in the place of a figure's heading, cut to its width."""
    (heading,) = (text for text in figure.texts if text.get_gid() == HEADING)
    heading.set_text(plain(title, int((figure.get_figwidth() - 2 * EDGE) * 10.5)))


def wrapped(words: str, width_in: float, size: float) -> str:
    """Return the words broken into lines that fit a width; a letter is about 0.54 of its size wide."""
    letters = max(int(width_in * 72 / (size * 0.56)), 8)
    return "\n".join(line for part in words.split("\n") for line in (textwrap.wrap(part, letters) or [""]))


def lines_height(words: str, size: float) -> float:
    """Return the height in inches of broken lines."""
    return (words.count("\n") + 1) * size * 1.42 / 72


def tidy(axes: Axes, *hidden: str) -> None:
    """Shorten the ticks of axes and hide some sides of their frame; right and top if none is named."""
    axes.tick_params(length=2, pad=2)
    axes.spines[list(hidden or ("right", "top"))].set_visible(False)


def plotted(axes: Axes) -> Axes:
    """Return axes of curves: open to the right and above, with faint lines across and short numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    return axes


def line_style(place: int) -> dict[str, Any]:
    """Return colour and dashes of the curve in that place, told apart by all common kinds of colour vision."""
    return {"color": COLOURS[place % 7], "linestyle": _DASHES[place // 7 % 4]}


def outlined(
    axes: Axes, corner: tuple[float, float], wide: float, high: float, colour: str = YELLOW, *, width: float = 1.2
) -> None:
    """Draw a frame that shows on any image: a dark line under a bright one."""
    for edge, thick in (("black", 2 * width), (colour, width)):
        axes.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor=edge, linewidth=thick))


def height_of(width: float, shape: Sequence[int]) -> float:
    """Return how high a cell of that width is for images of these rows and columns: from 0.4 to 2.5 times the width."""
    rows, columns = shape
    return width * min(max(rows / columns, 0.4), 2.5)


def image_extent(shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Return the extent that lays a coarser map over an image of this height and width."""
    return (-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5)


def empty_cell(axes: Axes, words: str) -> None:
    """Mark axes as an empty cell that says why it is empty; hatched, so that nobody takes it for an image."""
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1), facecolor="white")
    axes.fill_between([0, 1], 0, 1, facecolor="white", hatch="////", edgecolor="#c9d1d9", linewidth=0)
    style = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": RULE, "linewidth": 0.6}
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=SMALL_PT, color=INK, bbox=style)
