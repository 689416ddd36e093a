"""Synthesised units of a training: a row per unit, a column per step, the activation reached below each image."""

from matplotlib.axes import Axes

from cnnviz_jax.plugin import Evolution
from cnnviz_plugins.renderers.figures.sheet import EDGE, Sheet, empty_cell
from cnnviz_plugins.renderers.images import channel_note, rgb
from cnnviz_plugins.renderers.options import EvolutionOptions
from cnnviz_plugins.renderers.text import number, plain

_GAP, _VALUE = 0.08, 0.17
_SHORT = {"no_gradient": "no\ngradient", "dead": "dead", "diverged": "diverged"}


def unit_size(result: Evolution, options: EvolutionOptions, width: float) -> tuple[int, float]:
    """Return how many units are drawn, and the height in inches of an image of that width; none, 0."""
    if result.images is None:
        return 0, 0.0
    height, wide = result.images.shape[2:4]
    return min(len(result.units), options.limit), width * height / wide


def unit_row_in(image_h: float) -> float:
    """Return the height in inches of a row: the image, its activation, a gap."""
    return image_h + _VALUE + _GAP


def units_title(result: Evolution) -> str:
    """Return what stands over the images."""
    return f"what excites units of {result.synthesised}"


def units_words(result: Evolution) -> str:
    """Return what a caption says of the images."""
    note = "" if result.images is None else channel_note(result.images.shape[-1])
    return (
        f"Images are made to excite units of {result.synthesised}, from the same start at every step; below each is "
        f"the activation it reaches.{f' The {note}.' if note else ''}"
    )


def draw_units(
    sheet: Sheet, result: Evolution, places: dict[int, float], *, top: float, size: tuple[float, float], units: int
) -> None:
    """Draw the first `units` rows, with the steps `places` at their distance from the left in inches."""
    sheet.text(EDGE, top - 0.17, plain(units_title(result), int(sheet.width_in * 12)))
    width, height = size
    for row in range(units):
        y = top + 0.05 + row * unit_row_in(height)
        sheet.note(EDGE, y + 0.2, f"{result.units[row]}")
        for step, x in places.items():
            draw_unit(sheet.axes(x, y, width, height), result, step, row)
            sheet.note(x, y + height + 0.02, reached(result, step, row))


def draw_unit(axes: Axes, result: Evolution, step: int, unit: int) -> None:
    """Draw one unit's image at one step, or why there is none to believe."""
    assert result.images is not None  # said by unit_size
    status = result.status[step][unit]
    if status == "ok":
        axes.imshow(rgb(result.images[step, unit]), aspect="auto")
    else:
        empty_cell(axes, _SHORT[status])


def reached(result: Evolution, step: int, unit: int) -> str:
    """Return the activation that an image reaches."""
    assert result.activation is not None  # said by unit_size
    return number(float(result.activation[step, unit]))
