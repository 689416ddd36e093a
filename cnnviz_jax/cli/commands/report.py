"""`cnnviz report [MODEL] [IMAGES...]`: one offline page about a model and a few images."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from cnnviz_jax.cli.finish import announce
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.output import check_form
from cnnviz_jax.cli.positionals import image_files, take_model
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.values import Parser, model_arguments, seed_number, target_classes
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins.references import load as load_record
from cnnviz_jax.verbs.render import check_writable

USAGE = "cnnviz report [MODEL] [IMAGES...] [--out FILE]"
DEFAULT_MODEL = "shapes"
"""The bundled network, for a line that names no model."""
DEFAULT_OUT = "cnnviz-report.html"
"""Where the page goes if `--out` does not say."""
EXAMPLES = 4
"""How many of a network's own images are shown."""


def run(words: list[str], settings: Settings) -> int:
    """Write the page and say where it is and how long it took."""
    started_s = time.monotonic()
    parser = Parser(
        prog="cnnviz report",
        description="Write one offline page: predictions, every explanation side by side, filters, feature maps,"
        " synthesised inputs, receptive fields. Without a model it shows the bundled network; without images,"
        " the images that come with the network.",
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", metavar="WORDS", help="the model, then images or folders of images")
    model_arguments(parser)
    parser.add_argument("--target", metavar="CLASS", help="what is explained; each image's top class if left out")
    parser.add_argument("--techniques", metavar="NAMES", help="names joined by commas, in place of the usual ones")
    parser.add_argument("--seed", metavar="INT", help="seed of everything random; the same seed gives the same page")
    parser.add_argument("--out", metavar="FILE", default=DEFAULT_OUT, help="the page (default: %(default)s)")
    parser.add_argument("--run", metavar="DIR", help="show what `cnnviz sweep` left in its run folder instead")
    found = parser.parse_intermixed_args(words)
    if found.run is not None:
        return _report_of_run(found, settings, started_s)
    registry = settings.plugins()
    word, paths = take_model(found.words, registry, found.model, usage=USAGE, default=DEFAULT_MODEL)
    check_model(word, found.weights, registry)
    files = image_files(paths)
    out = page_path(found.out)
    check_form(out, registry, "Report", None)
    check_writable(out)
    examples = registry.model(word).examples if word in registry.models else None
    if not files and examples is None:
        raise UsageError(f"no images, and none come with the model {word!r}; write {USAGE}")
    techniques = None if found.techniques is None else [word.strip() for word in found.techniques.split(",")]
    for technique in techniques or ():
        registry.technique(technique)  # a name that nothing offers is refused before the work
    seed = seed_number(found.seed)

    import numpy as np

    import cnnviz_jax as cv

    model = load(word, found.weights, quiet=settings.quiet)
    if files or examples is None:
        images, names = np.stack([cv.load_image(file, model) for file in files]), [file.name for file in files]
    else:
        images, names = load_record(examples)(EXAMPLES)
    target = None if found.target is None else target_classes(found.target, model.labels)
    with progress_on_stderr(quiet=settings.quiet) as progress:
        page = cv.report(
            model, images, out, target=target, techniques=techniques, names=names, key=seed, progress=progress
        )
    left_out = tuple(f"{name} is left out: {reason}" for name, reason in page.refused.items())
    announce(out, left_out, started_s=started_s, settings=settings)
    return 0


def _report_of_run(found: argparse.Namespace, settings: Settings, started_s: float) -> int:
    """Write the page of a sweep: some examples with their heatmaps, and the surveys."""
    given = [found.model, found.weights, found.target, found.techniques, found.seed, *found.words]
    if any(word is not None for word in given):
        raise UsageError("--run shows what a sweep found, model and images included: name only --out")
    registry = settings.plugins()
    out = page_path(found.out)
    check_form(out, registry, "Report", None)
    check_writable(out)

    import cnnviz_jax as cv

    cv.open_run(found.run).report(out)
    announce(out, (), started_s=started_s, settings=settings)
    return 0


def page_path(text: str) -> Path:
    """Return the file for `--out`: in a folder the page has its usual name, a name without a suffix gets `.html`."""
    path = Path(text)
    if path.is_dir():
        return path / DEFAULT_OUT
    return path if path.suffix else path.with_name(f"{path.name}.html")
