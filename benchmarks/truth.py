"""Explanations against what is known: parts taken away exactly, mosaics, and shares of cells that a network can spare.

`python benchmarks/truth.py --results runs.jsonl --networks DIR --table table.md` explains images of the bundled family
three times over and writes the table of `docs/truth.md`; one JSON line per technique, so that the same command goes on
where it stopped.

- *Parts*: `--images` test images that a network, fine-tuned with parts left out, names rightly. Their parts are the
  quarters of the object, every sprinkle and the scenery; each is taken away by drawing the image again.
- *Figures*: the same of figures, whose 20 classes are words of five parts, so that classes share parts: sufficient sets
  count, and two classes that share different parts with the image's are explained on it.
- *Mosaics*: `--mosaics` of 2 x 2 images of different classes, each of them named with a probability above 0.9 alone.
  Two of the four classes are explained; a class's object is taken away by drawing its image again without it.
- *Cells*: F-Fidelity on `--cells` images, of a network fine-tuned with up to a tenth of 8 x 8 cells gone.

The networks are kept in `--networks`, and made there where they are not: about 170 CPU seconds, and 700 for that of
figures. Two maps are always in the table: `random`, one number for each of 8 x 8 cells, and `drops`, the falls of the
score themselves.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rows import keep_row, kept_rows

import cnnviz_jax as cv
from cnnviz_jax.errors import CnnvizError
from cnnviz_jax.results.intervals import interval, resampled_means
from cnnviz_plugins.measure.localization.grid import cell_mask, cell_shares, mosaic
from cnnviz_plugins.measure.truth.fidelity import fidelity
from cnnviz_plugins.measure.truth.parts import completeness_score, minimal_sets, part_importance
from cnnviz_plugins.measure.truth.protocol import Remembered, parts_report, target_sensitivity
from cnnviz_plugins.models.figures import training
from cnnviz_plugins.models.figures.classes import CODES, pairs
from cnnviz_plugins.models.figures.parts import parted_figure
from cnnviz_plugins.models.shapes import bundled, fine_tuning
from cnnviz_plugins.models.shapes.canvas import SIZE_PX
from cnnviz_plugins.models.shapes.images import draw_images
from cnnviz_plugins.models.shapes.parted import PartedImage
from cnnviz_plugins.models.shapes.parts import QUARTERS, parted
from cnnviz_plugins.models.shapes.train import save

TECHNIQUES: dict[str, dict[str, Any]] = {
    "saliency": {},
    "smoothgrad": {"samples": 20},
    "smoothdiff": {},
    "input-x-gradient": {},
    "integrated-gradients": {"nodes": 20},
    "gradient-shap": {"samples": 20},
    "deeplift": {},
    "lrp": {},
    "deep-taylor": {},
    "excitation-backprop": {},
    "guided-backprop": {},
    "deconvnet": {},
    "grad-cam": {},
    "hires-cam": {},
    "layer-cam": {},
    "finer-cam": {},
    "eigen-cam": {},
    "kpca-cam": {},
    "feature-ablation": {},
    "occlusion": {"window": 16, "stride": 8},
}
STEPS = {"parts": 400, "cells": 150}
CELLS, SHARES, DRAWS = 8, (0.1, 0.3, 0.5, 0.7, 0.9), 20
SURE = 0.9
CONTROLS = ("random", "drops")
_KIND = ("section", "technique")


def main() -> None:
    """Measure what is missing, then write the table."""
    sections = {"parts": _parts, "mosaics": _mosaics, "figures": _figures, "cells": _cells}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="JSON lines; what is there is not measured again")
    parser.add_argument("--networks", type=Path, required=True, help="folder of the fine-tuned networks")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--mosaics", type=int, default=100)
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--techniques", nargs="+", default=[*CONTROLS, *TECHNIQUES])
    parser.add_argument("--sections", nargs="+", choices=list(sections), default=list(sections))
    parser.add_argument("--table", type=Path, default=None, help="Markdown file to write")
    asked = parser.parse_args()
    for name in asked.sections:
        missing = [each for each in asked.techniques if (name, each) not in kept_rows(asked.results, *_KIND)]
        if missing:
            for row in sections[name](missing, asked):
                keep_row(asked.results, {"section": name} | row)
                print(name, row["technique"], row.get("refused", f"{time.process_time():.0f} CPU s"), flush=True)
    if asked.table:
        asked.table.write_text(_table(kept_rows(asked.results, *_KIND)), encoding="utf-8")


def _network(kind: str, folder: Path) -> cv.Model:
    """Return the bundled network, fine-tuned so that it knows what the section does to images."""
    if not (folder / kind).exists():
        if kind == "figures":
            network, loss = training.trained()
        else:
            network = bundled.load_shapes()
            batches = fine_tuning.part_batches if kind == "parts" else fine_tuning.cell_batches
            loss = fine_tuning.fine_tuned(network, batches(STEPS[kind]), STEPS[kind])
        folder.mkdir(parents=True, exist_ok=True)
        save(network, folder / kind)
        print(f"fine-tuned for {kind}: loss {loss:.3f}", flush=True)
    return (training if kind == "figures" else bundled).build(folder / kind)


def _explained(name: str, model: cv.Model, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return maps (n, h, w), summed over channels, signs kept."""
    result = cv.explain(name, model, images, labels, key=0, progress=False, **TECHNIQUES[name])
    values = np.asarray(result.values, np.float64)
    return values.sum(-1) if values.ndim == 4 else values


def _random(count: int, seed: int = 5) -> np.ndarray:
    cells = np.random.default_rng(seed).normal(size=(count, CELLS, CELLS))
    return cells.repeat(SIZE_PX // CELLS, 1).repeat(SIZE_PX // CELLS, 2)


def _parts(names: list[str], asked: Any) -> Iterator[dict[str, Any]]:
    model = _network("parts", asked.networks)
    own, tried = _named_rightly(model, parted, asked.images)
    yield from (row | {"tried": tried} for row in _by_parts(names, model, own))


def _figures(names: list[str], asked: Any) -> Iterator[dict[str, Any]]:
    model = _network("figures", asked.networks)
    own, tried = _named_rightly(model, parted_figure, asked.images)
    random = np.random.default_rng(7)
    chosen = [pairs(one.label) for one in own]
    two = np.array([each[random.integers(len(each))] for each in chosen])  # the classes asked for on each image
    shared = CODES[two] == CODES[[one.label for one in own]][:, None]  # images x two x slots
    falls = [_falls_of_two(model, *each) for each in zip(own, two, shared, strict=True)]
    for row in _by_parts(names, model, own, [minimal_sets(CODES, one.label) for one in own]):
        if "refused" not in row:
            row["sensitive"] = _sensitive(row["technique"], model, own, two, shared, falls)
        yield row | {"tried": tried}


def _falls_of_two(model: cv.Model, own: PartedImage, classes: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """How far the scores of two classes, the rows, fall as the parts go that either shares with the image."""
    kept = np.ones((3, len(own.names)), bool)
    kept[1:, : parts.shape[1]] = ~parts
    scores = np.asarray(model(own.redrawn(kept)), np.float64)[:, classes]
    return (scores[0] - scores[1:]).T


def _sensitive(
    name: str, model: cv.Model, own: list[PartedImage], two: np.ndarray, shared: np.ndarray, falls: list[np.ndarray]
) -> list[float]:
    """Whether the maps of two classes each favour, on each image, the parts that the class shares with it."""
    images = np.stack([one.image for one in own])
    if name == "drops":
        found = falls
    else:
        random = [_random(len(own), seed) for seed in (8, 9)]
        maps = random if name == "random" else [_explained(name, model, images, two[:, which]) for which in (0, 1)]
        found = [
            np.stack([part_importance(heat[at], one.masks)[: parts.shape[1]] @ parts.T for heat in maps])
            for at, (one, parts) in enumerate(zip(own, shared, strict=True))
        ]
    return [target_sensitivity(each, fallen) for each, fallen in zip(found, falls, strict=True)]


def _named_rightly(model: cv.Model, drawn: Callable[[int], PartedImage], count: int) -> tuple[list[PartedImage], int]:
    """Return the first images that the network names rightly, and how many were looked at."""
    own: list[PartedImage] = []
    number = 0
    while len(own) < count:
        image = drawn(number)
        if np.asarray(model(image.image[None])).argmax() == image.label:
            own.append(image)
        number += 1
    return own, number


def _by_parts(
    names: list[str], model: cv.Model, own: list[PartedImage], sets: list[list[tuple[int, ...]]] | None = None
) -> Iterator[dict[str, Any]]:
    images, labels = np.stack([one.image for one in own]), np.array([one.label for one in own])
    networks = [Remembered(lambda kept, one=one: np.asarray(model(one.redrawn(kept)))) for one in own]
    for name in names:
        try:
            if name == "drops":
                importances = [_falls(ask, one) for ask, one in zip(networks, own, strict=True)]
                totals = [float(each.sum()) for each in importances]
            else:
                maps = _random(len(own)) if name == "random" else _explained(name, model, images, labels)
                importances = [part_importance(heat, one.masks) for heat, one in zip(maps, own, strict=True)]
                totals = [float(heat.sum()) for heat in maps]
            found = parts_report(networks, importances, totals, sets)
            row = {field: getattr(found, field).tolist() for field in _OF_PARTS}
            yield {"technique": name, "thresholds": found.thresholds, **row}
        except CnnvizError as reason:
            yield {"technique": name, "refused": str(reason)}


def _falls(ask: Remembered, own: PartedImage) -> np.ndarray:
    count = len(own.names)
    found = ask(np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)]))[:, own.label]
    return found[0] - found[1:]


def _mosaics(names: list[str], asked: Any) -> Iterator[dict[str, Any]]:
    model = cv.load_model("shapes")
    wide = model.at_size(2 * SIZE_PX, 2 * SIZE_PX)
    whole, masks, labels, falls = [], [], [], []
    for own in _fours(model, asked.mosaics):
        whole.append(mosaic(np.stack([one.image for one in own])))
        pair = (0, 3)  # two corners, as the source
        labels.append([own[at].label for at in pair])
        objects = np.zeros((2, 2 * SIZE_PX, 2 * SIZE_PX), bool)
        fallen = np.zeros((2, 2))
        for column, at in enumerate(pair):
            objects[column][cell_mask(2 * SIZE_PX, 2 * SIZE_PX, 2, at)] = own[at].masks[:QUARTERS].any(0).ravel()
            images = [one.image for one in own]
            bare = np.arange(len(own[at].names)) >= QUARTERS
            images[at] = own[at].redrawn(bare[None])[0]
            scores = np.asarray(wide(np.stack([whole[-1], mosaic(np.stack(images))])))[:, labels[-1]]
            fallen[:, column] = scores[0] - scores[1]
        masks.append(objects)
        falls.append(fallen)
    images, targets = np.stack(whole), np.array(labels)
    for name in names:
        try:
            shares, sensitive = [], []
            if name == "random":
                maps = _random(2 * len(images), seed=6).repeat(2, 1).repeat(2, 2).reshape(2, *images.shape[:3])
            elif name == "drops":
                maps = np.einsum("nab,nbhw->anhw", np.stack(falls), np.stack(masks).astype(np.float64))
            else:
                maps = np.stack([_explained(name, wide, images, targets[:, which]) for which in (0, 1)])
            for at in range(len(images)):
                both = maps[:, at]
                cells = [np.asarray(cell_shares(heat.astype(np.float32), 2)) for heat in both]
                shares.append(float((cells[0][0, 0] + cells[1][1, 1]) / 2))
                importances = np.stack([part_importance(heat, masks[at]) for heat in both])
                sensitive.append(target_sensitivity(importances, falls[at]))
            yield {"technique": name, "cell": shares, "sensitive": sensitive}
        except CnnvizError as reason:
            yield {"technique": name, "refused": str(reason)}


def _fours(model: cv.Model, count: int) -> Iterator[list[PartedImage]]:
    """Yield four images of different classes each, all of which the network is sure of."""
    random, number = np.random.default_rng(0), 50_000
    for _ in range(count):
        labels, found = random.permutation(10)[:4], []
        for label in labels:
            while True:
                number += 1
                if number % 10 != label:
                    continue
                image = parted(number)
                scores = np.asarray(model(image.image[None]), np.float64)[0]
                odds = np.exp(scores - scores.max())
                if odds[label] / odds.sum() > SURE:
                    found.append(image)
                    break
        yield found


def _cells(names: list[str], asked: Any) -> Iterator[dict[str, Any]]:
    model = _network("cells", asked.networks)
    images, labels = draw_images(range(20_000, 20_000 + asked.cells))
    right = np.asarray(model(images)).argmax(1) == labels
    images, labels = images[right], labels[right]
    fill, wide = draw_images(range(256), split="train")[0].mean((0, 1, 2)), SIZE_PX // CELLS

    def asking(image: np.ndarray, label: int) -> Any:
        def right(kept: np.ndarray) -> np.ndarray:
            seen = kept.reshape(-1, CELLS, CELLS).repeat(wide, 1).repeat(wide, 2)[..., None]
            return np.asarray(model(np.where(seen, image, fill).astype(np.float32))).argmax(-1) == label

        return right

    for name in names:
        try:
            plus, minus = [], []
            if name == "random":
                maps = _random(len(images))
            elif name == "drops":
                maps = _cell_drops(model, images, labels, fill)
            else:
                maps = _explained(name, model, images, labels)
            for heat, image, label in zip(maps, images, labels, strict=True):
                cells = heat.reshape(CELLS, wide, CELLS, wide).sum((1, 3)).ravel()
                found = [fidelity(asking(image, label), cells, share, draws=DRAWS) for share in SHARES]
                plus.append(float(np.mean([each.plus for each in found])))
                minus.append(float(np.mean([each.minus for each in found])))
            yield {"technique": name, "plus": plus, "minus": minus}
        except CnnvizError as reason:
            yield {"technique": name, "refused": str(reason)}


def _cell_drops(model: cv.Model, images: np.ndarray, labels: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """How far the score of each image falls without each cell alone."""
    wide, maps = SIZE_PX // CELLS, []
    gone = np.eye(CELLS**2, dtype=bool).reshape(-1, CELLS, CELLS).repeat(wide, 1).repeat(wide, 2)[..., None]
    for image, label in zip(images, labels, strict=True):
        scores = np.asarray(model(np.concatenate([image[None], np.where(gone, fill, image)]).astype(np.float32)))
        falls = (scores[0] - scores[1:])[:, label].astype(np.float64)
        maps.append(falls.reshape(CELLS, CELLS).repeat(wide, 0).repeat(wide, 1))
    return np.stack(maps)


def _table(rows: dict[tuple[str, str], dict[str, Any]]) -> str:
    """Write every technique that was measured, with the columns of the sections that were, the best first."""
    known = {key: row for key, row in rows.items() if "refused" not in row}
    sections = [each for each in _COLUMNS if any(of == each for of, _ in known)]
    heads = ["technique", *(head for each in sections for head in _COLUMNS[each])]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    scored = []
    for name in dict.fromkeys(name for of, name in known if of == sections[0]):
        columns = [_columns(each, known.get((each, name))) for each in sections]
        first, *_ = columns[0].values()
        shown = [_shown(head, values) for each in columns for head, values in each.items()]
        scored.append((float(np.nanmean(first)), [_named(name), *shown]))
    lines += ["| " + " | ".join(cells) + " |" for _, cells in sorted(scored, key=lambda each: -each[0])]
    counts = [f"{max(len(row[key]) for (of, _), row in known.items() if of == each)} {words}"
              for each, (key, words) in _COUNTED.items() if each in sections]  # fmt: skip
    refused = sorted({f"`{name}` ({row['refused']})" for (_, name), row in rows.items() if "refused" in row})
    notes = [f"{', '.join(counts)}.", f"Left out: {'; '.join(refused) or 'none'}."]
    return "\n".join([*lines, "", *notes]) + "\n"


_COLUMNS = {
    "parts": ("Com", "PC", "DC", "D", "Cor"),
    "mosaics": ("Con", "grid"),
    "figures": ("Com", "CSDC", "PC", "DC", "D", "Cor", "Con"),
    "cells": ("F+", "F-", "F+ less F-"),
}
_COUNTED = {
    "parts": ("preserved", "images by their parts"),
    "mosaics": ("cell", "mosaics"),
    "figures": ("preserved", "figures by their parts"),
    "cells": ("plus", "images by cells"),
}
_OF_PARTS = ("preserved", "deleted", "distracted", "ordered", "sufficient")


def _columns(section: str, row: dict[str, Any] | None) -> dict[str, Any]:
    """Return a section's columns of numbers for each image; None where it was not measured."""
    if row is None:
        return dict.fromkeys(_COLUMNS[section])
    if section in ("parts", "figures"):
        kept, gone, apart, order, share = (np.array(row[key], float) for key in _OF_PARTS)
        complete = completeness_score(share, kept, gone, apart)
        found: tuple[Any, ...] = (complete, kept, gone, apart, order)
        if section == "figures":
            found = (complete, share, kept, gone, apart, order, row["sensitive"])
    elif section == "mosaics":
        found = row["sensitive"], row["cell"]
    else:
        found = row["plus"], row["minus"], np.subtract(row["plus"], row["minus"])
    return dict(zip(_COLUMNS[section], found, strict=True))


def _named(name: str) -> str:
    return f"*{name}*" if name in CONTROLS else f"[{name}](techniques/{name}.md)"


def _shown(head: str, values: Any) -> str:
    """Write what completeness is made of as means, all else with intervals."""
    return (
        f"{np.nanmean(values):.2f}"
        if head in ("CSDC", "PC", "DC", "D") and values is not None
        else _with_interval(values)
    )


def _with_interval(values: Any) -> str:
    """Write a mean with its 95 % interval; a dash where it was not measured."""
    if values is None:
        return "-"
    known = np.asarray(values, float)
    low, high = interval(resampled_means(known[None])[0]) or (np.nan, np.nan)
    mean, low, high = (round(float(value), 2) + 0.0 for value in (np.nanmean(known), low, high))  # no -0.00
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
