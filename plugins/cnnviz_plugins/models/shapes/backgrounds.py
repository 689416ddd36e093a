"""The backgrounds: a colour gradient, one of four kinds of scenery on it, and litter; none tells of the class."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from cnnviz_plugins.models.shapes.colours import background_colours, litter_colours
from cnnviz_plugins.models.shapes.outlines import Plane
from cnnviz_plugins.models.shapes.rng import Rng
from cnnviz_plugins.models.shapes.textures import coverage

Images = Float[np.ndarray, "n h w 3"]
"""Red, green and blue of n images."""

Paint = Float[np.ndarray, "n #h #w 3"]
"""Images, or one colour for each."""


def gradient(x: Plane, y: Plane, rng: Rng) -> Images:
    """One muted colour fading into another."""
    first, second = np.moveaxis(background_colours(2, rng), 1, 0)[:, :, None, None, :]
    angle = rng.uniform(0, 2 * np.pi, 1, 1)
    along = (x * np.cos(angle) + y * np.sin(angle)) / x.shape[-1]
    return _mix(first, second, np.clip(0.5 + along, 0, 1))


def clouds(x: Plane, y: Plane, rng: Rng) -> Images:
    """Soft noise at three scales between three colours."""
    low, high, third = np.moveaxis(background_colours(3, rng), 1, 0)[:, :, None, None, :]
    size = x.shape[-1]
    fields = [
        sum(share * _smooth_noise(cells, size, rng) for cells, share in ((3, 0.55), (6, 0.3), (13, 0.15)))
        for _ in range(2)
    ]
    mist, haze = (np.clip(0.5 + 1.6 * field, 0, 1) for field in fields)
    return _mix(_mix(low, high, mist), third, 0.6 * haze)


def facets(x: Plane, y: Plane, rng: Rng) -> Images:
    """Overlapping half-planes, like folded paper."""
    images = gradient(x, y, rng)
    colours = background_colours(5, rng)
    for fold in range(5):
        angle, offset = rng.uniform(0, 2 * np.pi, 1, 1), rng.uniform(-20, 20, 1, 1)
        beyond = coverage(x * np.cos(angle) + y * np.sin(angle) - offset)
        images = _mix(images, colours[:, fold, None, None], 0.55 * beyond)
    return images


def scribbles(x: Plane, y: Plane, rng: Rng) -> Images:
    """Bent pen strokes across the image."""
    images = gradient(x, y, rng)
    colours = background_colours(6, rng)
    for stroke in range(6):
        angle, offset = rng.uniform(0, 2 * np.pi, 1, 1), rng.uniform(-28, 28, 1, 1)
        along, away = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        bend = rng.uniform(2, 7, 1, 1) * np.sin(along * rng.uniform(0.06, 0.16, 1, 1) + rng.uniform(0, 6, 1, 1))
        line = coverage(np.abs(away - offset - bend) - rng.uniform(0.4, 1.3, 1, 1))
        images = _mix(images, colours[:, stroke, None, None], 0.85 * line)
    return images


SPRINKLES = 12
"""The most sprinkles an image has."""


def litter(images: Images, rng: Rng, kept: Bool[np.ndarray, "n 12"] | None = None) -> Images:
    """`images` with up to a dozen sprinkles in the colours of objects, so that colour alone finds no object.

    Args:
        images: What lies behind.
        rng: Decides how many there are, where, and how they look, whichever are kept.
        kept: Which of them are drawn; all where not given.
    """
    count, patch = SPRINKLES, np.arange(11)
    room = images.shape[1] - len(patch) + 1
    # Each sprinkle is mixed into the patch around it only; whole planes would take longer than all else.
    rows = rng.integers(room, count, 1, 1) + patch[:, None]
    cols = rng.integers(room, count, 1, 1) + patch
    angle, length = rng.uniform(0, np.pi, count, 1, 1), rng.uniform(0, 2.6, count, 1, 1)
    x, y = patch - rng.uniform(4.5, 5.5, count, 1, 1), patch[:, None] - rng.uniform(4.5, 5.5, count, 1, 1)
    along, away = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    distance = np.hypot(np.maximum(np.abs(along) - length, 0), away) - rng.uniform(0.5, 1.2, count, 1, 1)
    shown = 0.9 * (rng.uniform(0, 1, count, 1, 1) < 0.6) * coverage(distance)  # n count 11 11
    if kept is not None:
        shown = shown * kept[:, :, None, None]
    colours = litter_colours(count, rng)
    images, each = images.copy(), np.arange(len(images))[:, None, None]
    for sprinkle in range(count):
        place = each, rows[:, sprinkle], cols[:, sprinkle]
        images[place] = _mix(images[place], colours[:, sprinkle, None, None], shown[:, sprinkle])
    return images


BACKGROUNDS: dict[str, Callable[[Plane, Plane, Rng], Images]] = {
    "gradient": gradient,
    "clouds": clouds,
    "facets": facets,
    "scribbles": scribbles,
}
"""The kinds of scenery; coordinates are pixels from the image's centre."""


def _mix(first: Paint, second: Paint, share: Plane) -> Images:
    return first + (second - first) * share[..., None].astype(np.float32)


def _smooth_noise(cells: int, size: int, rng: Rng) -> Plane:
    """Random heights on a grid of cells, joined smoothly, one value a pixel."""
    place = np.linspace(0, cells, size, endpoint=False, dtype=np.float32)
    cell = place.astype(int)
    ease = place - cell
    ease = ease * ease * (3 - 2 * ease)
    weights = np.zeros((size, cells + 1), np.float32)  # pixel, grid line
    weights[np.arange(size), cell] = 1 - ease
    weights[np.arange(size), cell + 1] = ease
    heights = rng.normal(cells + 1, cells + 1)
    return np.einsum("yi,nij,xj->nyx", weights, heights, weights, optimize=True)
