"""The pages of images and classes: what was answered, and which units fire most for them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.reducers import Total
from cnnviz_jax.errors import ImageError
from cnnviz_jax.results.units import Exemplars
from cnnviz_jax.site.case import Detail, Images
from cnnviz_jax.site.folder import CLASSES_PER_FILE, IMAGES_PER_FILE, SiteFolder
from cnnviz_jax.site.sheets import SheetPlace, Sheets, shrunk

MOST_IMAGES = 4000
"""Images with a page; of more, those that stand among some unit's strongest, as far as there is room."""
_LARGE_PX: dict[Detail, int] = {"full": 224, "light": 96}
_SHEET_PIXELS = 4 * 224 * 224
_SHEET_BYTES = 150_000
_FRONT, _FRONT_PX, _FRONT_BYTES = 48, 64, 60_000
_UNITS, _CLASS_UNITS, _CLASS_IMAGES = 24, 32, 60


class Strongest:
    """Which units of which layers an image, or a class, fires most, gathered layer by layer."""

    def __init__(self) -> None:
        self._of_image: dict[int, list[tuple[Any, ...]]] = {}
        self._of_class: dict[int, list[tuple[Any, ...]]] = {}

    def add(self, place: int, exemplars: Exemplars) -> None:
        """Take in a layer; `place` is its place among the layers shown."""
        best = exemplars.value[:, 0]
        for unit, rank in zip(*np.nonzero((exemplars.id >= 0) & (exemplars.value > 0)), strict=True):
            share = float(exemplars.value[unit, rank] / best[unit])
            entry = (-share, -place, int(unit), exemplars.value[unit, rank])
            self._of_image.setdefault(int(exemplars.id[unit, rank]), []).append(entry)
        if exemplars.class_means is not None and exemplars.selectivity is not None:
            means = exemplars.class_means
            for unit in np.flatnonzero(means.max(0) > 0):
                entry = (-float(exemplars.selectivity[unit]), -place, int(unit), means[:, unit].max())
                self._of_class.setdefault(int(means[:, unit].argmax()), []).append(entry)

    def images(self) -> list[int]:
        """Return the images that some unit answers to most, in order of number."""
        return sorted(self._of_image)

    def of_image(self, number: int, layers: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return (layer, unit, value, share of the unit's maximum), the largest shares first, deep layers before."""
        return self._named(self._of_image.get(number, []), layers, _UNITS)

    def of_class(self, number: int, layers: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return (layer, unit, mean of the class, selectivity) of the units that answer to it most selectively."""
        return self._named(self._of_class.get(number, []), layers, _CLASS_UNITS)

    @staticmethod
    def _named(entries: list[tuple[Any, ...]], layers: Sequence[str], most: int) -> list[tuple[Any, ...]]:
        ordered = sorted(entries, key=lambda entry: entry[:3])[:most]
        return [(layers[-place], unit, value, -share) for share, place, unit, value in ordered]


def write_images(
    folder: SiteFolder, dataset: Dataset, images: Images, detail: Detail, layers: Sequence[str],
    strongest: Strongest, labels: Int[np.ndarray, " n"], answers: Total | None,
) -> list[int]:  # fmt: skip
    """Write sheets and data of the images and return their numbers."""
    numbers = list(range(len(dataset))) if len(dataset) <= MOST_IMAGES else strongest.images()[:MOST_IMAGES]
    readable = [number for number in numbers if _pixels(images, number, detail) is not None]
    for first in range(0, len(readable), IMAGES_PER_FILE):
        group = readable[first : first + IMAGES_PER_FILE]
        sheets, at, done = Sheets(), list[SheetPlace](), 0
        while done < len(group):
            first_pixels = _pixels(images, group[done], detail)
            each = max(1, min(len(group) - done, _SHEET_PIXELS // max(first_pixels.size // 3, 1)))
            part = group[done : done + each]
            path = folder.tiles / f"images-{first // IMAGES_PER_FILE}-{len(sheets.files)}"
            at += sheets.write(path, [_pixels(images, number, detail) for number in part], most_bytes=_SHEET_BYTES)
            done += each
        pages = {}
        for number, place in zip(group, at, strict=True):
            pages[number] = {
                "name": dataset.source.name(number),
                "size": images[number].shape[:2],
                "at": place,
                "label": labels[number],
                "answers": _answers(answers, number),
                "units": strongest.of_image(number, layers),
            }
        folder.write(f"images-{first // IMAGES_PER_FILE}", {"sheets": sheets.files, "images": pages})
    return readable


def write_front(folder: SiteFolder, images: Images, shown: Sequence[int]) -> dict[str, Any]:
    """Write the first images small, for the first page, and return where each is."""
    if not len(shown):
        return {"sheets": [], "at": []}
    tiles = [shrunk(images[number], _FRONT_PX / max(images[number].shape)) for number in shown[:_FRONT]]
    sheets = Sheets()
    at = sheets.write(folder.tiles / "front", tiles, most_bytes=_FRONT_BYTES)
    return {"sheets": sheets.files, "at": at}


def _pixels(images: Images, number: int, detail: Detail) -> Any:
    try:
        pixels = images[number]
    except ImageError:
        return None
    return shrunk(pixels, _LARGE_PX[detail] / max(pixels.shape))


def _answers(answers: Total | None, number: int) -> list[tuple[Any, ...]]:
    if answers is None or answers["classes"][number, 0] < 0:
        return []
    columns = (answers[name][number] for name in ("classes", "scores", "probabilities"))
    return list(zip(*columns, strict=True))


def write_classes(
    folder: SiteFolder, names: Sequence[str], shown: Sequence[int], layers: Sequence[str],
    strongest: Strongest, label_of: Int[np.ndarray, " n"], answers: Total | None,
) -> None:  # fmt: skip
    """Write the classes' pages: their units, their images, and the images that are mistaken for them or for others."""
    numbers = np.asarray(shown, int)
    labels = label_of[numbers]
    # Without answers nothing is told apart from its label, so that nothing is mistaken.
    told = labels if answers is None else answers["classes"][numbers, 0]
    pages: dict[int, Mapping[str, Any]] = {}
    for index, name in enumerate(names):
        own = labels == index
        missed, mistaken = own & (told != index), ~own & (told == index) & (labels >= 0)
        pages[index] = {
            "name": name,
            "units": strongest.of_class(index, layers),
            "images": numbers[own][:_CLASS_IMAGES],
            "count": int(own.sum()),
            "missed": list(zip(numbers[missed], told[missed], strict=True))[:_CLASS_IMAGES],
            "mistaken": list(zip(numbers[mistaken], labels[mistaken], strict=True))[:_CLASS_IMAGES],
        }
    for first in range(0, len(names), CLASSES_PER_FILE):
        part = {index: pages[index] for index in range(first, min(first + CLASSES_PER_FILE, len(names)))}
        folder.write(f"classes-{first // CLASSES_PER_FILE}", {"classes": part})
