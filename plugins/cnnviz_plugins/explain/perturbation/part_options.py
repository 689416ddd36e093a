"""Options that name the parts of an image and what occludes them, shared by the family; imports nothing heavy."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

from cnnviz_jax.plugin import UsageError, check_fill, word_and_number

FILLS = {"mean": False, "model-mean": False, "blur": True, "noise": False}
"""Words that `fill` may be, and whether each takes a number."""

SEGMENT_FILLS = {**FILLS, "segment-mean": False}
"""The same for techniques that occlude segments."""

SEGMENTERS = {
    "grid": True, "slic": True, "quickshift": True, "felzenszwalb": True, "pixels": False, "channels": False,
    "elements": False,
}  # fmt: skip
"""Words that `segments` may be, and whether each takes a number."""

Usual = dict[str, dict[str, Any]]
Numbering = tuple[int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...]
"""The number of the part of each place, or of each value, of an image, a series, a volume or a vector."""
Segmentation = str | Numbering
"""The parts of the image or of a layer: words, or the number of each value's part."""


class Conventional:
    """A config whose options of `None` take what its convention has."""

    usual: ClassVar[Usual]
    """By the name of the convention; `paper` where there is no choice."""

    def resolved(self) -> Self:
        """Return the same with nothing left open."""
        usual = self.usual[getattr(self, "convention", "paper")]
        missing = {name: value for name, value in usual.items() if getattr(self, name) is None}
        return replace(self, **missing)  # type: ignore[type-var]  # every config is a dataclass


@dataclass(frozen=True, kw_only=True)
class SegmentConfig(Conventional):
    """What the parts of an image are, and what occludes them."""

    usual: ClassVar[Usual] = {"paper": {"fill": "segment-mean"}}

    segments: str | tuple[int, ...] | tuple[tuple[int, ...], ...] | tuple[tuple[tuple[int, ...], ...], ...] = "grid(8)"
    """The parts: `grid(cells along each axis)`, `pixels`, `channels`, `elements` (every value for itself), a mask of
    part numbers from 0 as large as the images (height x width, or height x width x channels) or as the vector, series
    or volume, or superpixels of scikit-image, made for each image: `slic(number)`, `quickshift(at most)`,
    `felzenszwalb(at most)`."""
    fill: float | tuple[float, ...] | str | None = None
    """What occludes: as for `occlusion`, or `segment-mean`, each part's own mean colour, which it is when not given and
    no convention says otherwise."""

    def __post_init__(self) -> None:
        if self.fill is not None:
            check_fill(self.fill, "fill", SEGMENT_FILLS, arrays=True)
        if not isinstance(self.segments, str):
            object.__setattr__(self, "segments", _mask(self.segments))
            return
        word, number = word_and_number(self.segments, "segments", SEGMENTERS)
        if not SEGMENTERS[word]:
            return
        if not number or number != int(number) or number < 1:
            raise UsageError(f"segments takes a positive whole number, got {self.segments!r}")


def _mask(rows: Any) -> Numbering:
    _check_shape(rows)
    return cast(Numbering, _whole(rows))


def _check_shape(rows: Any) -> tuple[int, ...]:
    """The shape of nested tuples; raises where it is none."""
    if not isinstance(rows, list | tuple):
        return ()
    shapes = {_check_shape(row) for row in rows}
    if len(shapes) != 1:
        raise UsageError("segments is a word or a mask of height x width part numbers, or one number for each value")
    return (len(rows), *shapes.pop())


def _whole(rows: Any) -> Any:
    if isinstance(rows, list | tuple):
        return tuple(map(_whole, rows))
    if rows != int(rows) or rows < 0:
        raise UsageError("the part numbers of segments are whole and count from 0")
    return int(rows)
