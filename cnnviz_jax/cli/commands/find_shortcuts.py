"""`cnnviz find-shortcuts MODEL IMAGES`: classes that rest on what is no part of their object."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz_jax.cli.commands.masks import load_masks, mask_files
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import load
from cnnviz_jax.cli.positionals import image_files
from cnnviz_jax.cli.request import Request, Verb
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, OUTPUT_OPTIONS, Common
from cnnviz_jax.cli.values import whole_number
from cnnviz_jax.errors import UsageError

if TYPE_CHECKING:
    from cnnviz_jax.data.dataset import Dataset

_AT_ONCE = 64
VERB = Verb(
    name="find-shortcuts",
    usage="cnnviz find-shortcuts MODEL IMAGES --dictionary FILE [--labels folders|CSV] [--masks FOLDER|FIELD]"
    " [--out FILE]",
    about="Find classes that a network knows by what stands beside their objects: the features whose removal costs a"
    " class most, and with masks of the objects an alarm where a class rests on what is no part of them.",
    words="the model, then a folder of images, an .npz, a .zarr or package.module:factory: held out, but not cleaned",
    options=(
        *MODEL_OPTIONS,
        Common("labels", "folders|CSV", "classes of a folder's images: its folders, or a CSV of path and label"),
        Common(
            "masks",
            "FOLDER|FIELD",
            "the objects: white on black in files named as the images, or the images' own field",
        ),
        Common("candidates", "INT", "features that are removed for each class, by their gradients", "12"),
        Common("most", "INT", "features of a set", "3"),
        Common("margin-px", "PX", "how far from the object a place counts as outside; a quarter of what a unit sees"),
        Common("loss", "SHARE", "share of a class's images that must be lost for an alarm", "0.25"),
        *OUTPUT_OPTIONS,
    ),
    result="Shortcuts",
)


def run(words: list[str], settings: Settings) -> int:
    """Find them, print the table and write the figure."""
    request = Request.read(VERB, words, settings)
    given = request.given
    images = request.source("shortcuts are looked for in one folder, .npz, .zarr or factory")
    if given["dictionary"] is None:
        raise UsageError(
            "features are missing: --dictionary FILE, as `cnnviz dictionary MODEL IMAGES --save FILE` does"
        )
    options: dict[str, Any] = {name: whole_number(given[name], name) for name in ("candidates", "most")}
    options |= {"loss": _number(given["loss"], "loss")}
    options |= {"margin_px": None if given["margin_px"] is None else _number(given["margin_px"], "margin-px")}
    is_folder = given["masks"] is not None and Path(given["masks"]).is_dir()
    files = mask_files(given["masks"], image_files([images])) if is_folder else None
    request.check_output("Shortcuts")

    import cnnviz_jax as cv
    from cnnviz_jax.data.dataset import Dataset
    from cnnviz_jax.data.unreadable import unread_note

    model = load(request.model, given["weights"], precision=given["precision"], quiet=settings.quiet)
    dataset = Dataset.of(images, model.input_shape, labels=given["labels"], class_names=model.labels)
    if not dataset.is_labelled:
        raise UsageError(f"{images} comes without classes; --labels folders or a CSV file names them")
    field = None if is_folder else given["masks"]
    pixels, labels, masks, unread = _gathered(dataset, model.input_shape, field)
    if is_folder:
        masks = load_masks(files, model)[[k for k in range(len(dataset)) if k not in unread]]
    with request.progress() as progress:
        result = cv.find_shortcuts(
            model, request.features(), pixels, labels, mask=masks, progress=progress, **options
        )  # fmt: skip
    result = dataclasses.replace(result, warnings=(*result.warnings, *unread_note(unread.values())))
    if not (request.as_json or settings.quiet):
        rows = [{name: f"{value:.4g}" if isinstance(value, float) else value for name, value in row.items()}
                for row in result.table()]  # fmt: skip
        title = f"{result.layer} of {model.name}, {result.held_out_count} images held out"
        show(rows, as_json=False, empty="no classes", title=title)
        if masks is not None:
            request.say(f"classes with a shortcut: {', '.join(result.alarms) or 'none'}")
    return request.write(result, alarms=list(result.alarms))


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{name} {text!r} is not a number")
    return number


def _gathered(dataset: Dataset, shape: tuple[int, int, int], field: str | None) -> tuple[Any, Any, Any, dict[int, str]]:
    """Return images, labels, masks from a field of the images, and why images could not be read, which are left out.

    Raises:
        UsageError: The images come without that field.
        ImageError: None can be read.
    """
    import numpy as np

    from cnnviz_jax.data.given import in_unit_range
    from cnnviz_jax.data.unreadable import check_some_read

    unread: dict[int, str] = {}
    parts = []
    for batch in dataset.batches(_AT_ONCE, shape, ("label", *([field] if field else []))):
        unread |= batch.unreadable
        own = batch.fields[field][batch.valid] > 0.5 if field else np.zeros(0)
        parts.append((in_unit_range(batch.images[batch.valid]), batch.fields["label"][batch.valid], own))
    check_some_read(unread, len(dataset))
    images, labels, masks = (np.concatenate(each) for each in zip(*parts, strict=True))
    return images, labels, masks if field else None, unread
