"""`cnnviz explore MODEL [IMAGES...] --out site`: a folder of pages for every layer, unit, image and class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb, stacked
from cnnviz_jax.cli.technique_options import BATCH_OPTION, LABELS_OPTION, MODEL_OPTIONS, SEED_OPTION, Common
from cnnviz_jax.cli.values import evaluations_at_once
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins.references import is_reference

DEFAULT_OUT = "site"
_EXAMPLES = 200
"""How many of a network's own images are read."""
VERB = Verb(
    name="explore",
    usage="cnnviz explore MODEL [IMAGES...|SITE] [--out FOLDER] [--synthesis none|top:N|all] [--serve]",
    about="Make a folder of pages in which every layer, unit, image and class has an address. It opens from the disk;"
    " the same command continues one that was interrupted, and adds synthesised images to one that is complete. Without"
    " images, those that come with the network. With --serve, the pages are shown by a server of this machine alone,"
    " and an image dropped there is explained.",
    words="the model, then one folder, .npz, .zarr or package.module:factory of images, or image files; with --serve"
    " also a site that is there",
    options=(
        *MODEL_OPTIONS,
        Common("out", "FOLDER", f"where to write (default: {DEFAULT_OUT})", DEFAULT_OUT),
        LABELS_OPTION,
        Common("layers", "LAYERS", "whose units get pages: names and patterns joined by commas, or all; where left out,"
               " each convolution and dense layer behind its norm and activation"),
        Common("detail", "full|light", "light has smaller crops and only the strongest images", "full"),
        Common("synthesis", "none|top:N|all", "images made to excite N units of each layer, or all", "none"),
        Common("recipe", "NAME", "how they are made, as `cnnviz synthesize --help` lists it", "quick"),
        Common("beside", "FOLDER", "a site next to this one, of another checkpoint: pages that show units of both"),
        Common("serve", "", "then serve the site on 127.0.0.1 until Ctrl-C: an image dropped on its page is explained"),
        Common("port", "INT", "where to listen; a free port if left out"),
        Common("panels", "NAMES", "panels that are shown on request, joined by commas, as `cnnviz panels` lists them"),
        Common("collections", "NAMES", "further pages, such as atlas:relu4 and grid:3, joined by commas, as"
               " `cnnviz collections` lists them"),
        Common("masks", "FIELD", "the field in which the images bring concept masks: pages of concepts and of what"
               " detects them"),
        BATCH_OPTION,
        SEED_OPTION,
    ),
)  # fmt: skip


def run(words: list[str], settings: Settings) -> int:
    """Write the site and say where it is and how long it took."""
    request = Request.read(VERB, words, settings)
    given, port = request.given, _port(request.given)
    if given["serve"] and len(request.words) == 1 and (Path(request.words[0]) / "site.json").is_file():
        return _serve(request.words[0], request.load(), port)
    names: Sequence[str] | None = None
    is_source = len(request.words) == 1 and not _is_image(request.words[0])
    files = [] if is_source else request.image_files(examples=True)
    if given["labels"] is not None and not is_source:
        raise UsageError("--labels are those of a folder; name one folder of images")
    batch = evaluations_at_once(given["batch"])

    import numpy as np

    import cnnviz_jax as cv

    model = request.load()
    images: Any
    labels: Any
    if is_source:
        images, labels = request.words[0], given["labels"]
    elif files:
        images, labels = stacked(files, model), None
        names = [file.name for file in files]
    else:
        images, titles = cv.example_images(request.model, _EXAMPLES)
        known = model.labels or ()
        labels = np.array([known.index(word) for word in titles]) if set(titles) <= set(known) else None
        names = [f"{word} {number}" for number, word in enumerate(titles)]
    with request.progress() as progress:
        site = cv.explore(
            model,
            images,
            given["out"],
            labels,
            layers=None if given["layers"] is None else given["layers"].split(","),
            detail=given["detail"],
            synthesis=given["synthesis"],
            recipe=given["recipe"],
            beside=given["beside"],
            panels=[] if given["panels"] is None else given["panels"].split(","),
            collections=[] if given["collections"] is None else given["collections"].split(","),
            masks=given["masks"],
            key=request.key,
            names=names,
            batch=batch,
            progress=progress,
        )
    code = request.finish([], Path(given["out"]) / "index.html", warnings=site.summary["warnings"])
    return _serve(given["out"], model, port) if given["serve"] else code


def _port(given: Mapping[str, Any]) -> int:
    text = given["port"] or "0"
    if not text.isdigit() or int(text) > 65535:
        raise UsageError(f"--port is a number up to 65535, got {text!r}")
    if given["port"] and not given["serve"]:
        raise UsageError("--port says where --serve listens; give both")
    return int(text)


def _serve(folder: str, model: Any, port: int) -> int:
    import cnnviz_jax as cv

    try:
        cv.serve(folder, model, port=port)
    except KeyboardInterrupt as stopped:
        if type(stopped) is not KeyboardInterrupt:
            raise  # a signal that ends the process
    return 0


def _is_image(word: str) -> bool:
    return not Path(word).is_dir() and not is_reference(word) and Path(word).suffix.lower() not in (".npz", ".zarr")
