"""A page for each concept that masks show: the images that show it most, and the units that detect it."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from cnnviz_jax.plugin import Bars, Collection, Dissection, Facts, Part, SiteCase, Text, Tiles, Units

_UNITS = 24
_NOTE = (
    "The number is the overlap: pixels where the unit is above its threshold and the concept is, over pixels where"
    " either is, in all images. Above {:g} a unit counts as a detector."
)


def build(config: Any, case: SiteCase) -> Collection | None:
    """Return the pages of the concepts, in the order of the masks; `None` where no layer has a map."""
    found: dict[str, Dissection] = {layer: own["dissection"] for layer, own in case.results.items()}
    first = next(iter(found.values()), None)
    if first is None or first.concept_images is None:
        return None
    masks, counts = _Masks(case), first.concept_images

    def page(number: int) -> list[Part]:
        return [
            Facts(rows=[("images that show it", counts[number]), ("images read", first.image_count)]),
            *_images(case, first, masks, number),
            *_detectors(found, number),
        ]

    notes = [f"{count} images" for count in counts.tolist()]
    return Collection(titles=first.concepts, page=page, notes=notes)


class _Masks:
    """Masks of images, each image read once for all concepts of one page."""

    def __init__(self, case: SiteCase) -> None:
        self._case = case
        self._kept: dict[int, Bool[np.ndarray, "concepts h w"]] = {}

    def of(self, image: int, concept: int) -> Bool[np.ndarray, "h w"]:
        if image not in self._kept:
            shown = self._case.dataset.source[image].fields[self._case.masks]
            self._kept[image] = np.packbits(np.asarray(shown, bool), -1)
        packed = self._kept[image][concept]
        return np.unpackbits(packed, axis=-1, count=self._case.model.input_shape[1]).astype(bool)


def _images(case: SiteCase, found: Dissection, masks: _Masks, number: int) -> list[Part]:
    tiles = []
    if found.concept_id is None or found.concept_pixels is None:
        return []
    for image, pixels in zip(found.concept_id[number].tolist(), found.concept_pixels[number].tolist(), strict=True):
        if image < 0:
            continue
        rows, columns = np.nonzero(masks.of(image, number))
        box = np.array([rows.min(), columns.min(), rows.max(), columns.max()])
        tiles.append(case.tile(image, box, pixels, of=f"{found.concepts[number]}:"))
    note = "Each is cut to the box around its mask. The number is the mask's pixels."
    return [Tiles(tiles=tiles, title="Images that show it most"), Text(text=note)] if tiles else []


def _detectors(found: dict[str, Dissection], number: int) -> list[Part]:
    rows = [
        (layer, unit, own.iou[unit, number])
        for layer, own in found.items()
        for unit in np.flatnonzero(own.iou[:, number] > 0).tolist()
    ]
    least = next(iter(found.values())).detector_at
    rows.sort(key=lambda row: (-row[2], -list(found).index(row[0]), row[1]))
    units = {layer: int(own.iou[:, number].argmax()) for layer, own in found.items()}
    best = [(layer, own.iou[units[layer], number], f"#/{layer}/{units[layer]}") for layer, own in found.items()]
    return [
        *(
            [Units(rows=rows[:_UNITS], title="Units that overlap it most"), Text(text=_NOTE.format(least))]
            if rows
            else []
        ),
        Bars(rows=best, title="The best unit of each layer"),
    ]
