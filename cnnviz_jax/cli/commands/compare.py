"""`cnnviz compare [MODEL] [IMAGES...]`: which technique is most faithful for a network."""

from __future__ import annotations

import json
import time
from pathlib import Path

from cnnviz_jax.cli.commands.masks import load_masks, mask_files
from cnnviz_jax.cli.finish import write_result
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.output import check_form
from cnnviz_jax.cli.positionals import image_files, take_model
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.values import Parser, evaluations_at_once, model_arguments, seed_number, target_classes
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.references import load as load_record
from cnnviz_jax.plugins.specs import Kind
from cnnviz_jax.verbs.render import check_writable

USAGE = "cnnviz compare [MODEL] [IMAGES...] [--techniques a,b] [--metrics d,e] [--out FILE]"
DEFAULT_MODEL = "shapes"
EXAMPLES = 8
"""How many of a network's own images are measured where none are given."""


def run(words: list[str], settings: Settings) -> int:
    """Explain and measure, print the table and write the figure."""
    started_s = time.monotonic()
    parser = Parser(
        prog="cnnviz compare",
        description="Set techniques side by side: explain the same images by each, measure each map, rank."
        " Without a model it takes the bundled network; without images, those that come with the network.",
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", metavar="WORDS", help="the model, then images or folders of images")
    model_arguments(parser)
    parser.add_argument(
        "--techniques", metavar="A,B", help="names of explain techniques; all that are installed if left out"
    )
    parser.add_argument("--metrics", metavar="D,E", help="names of measures; deletion, insertion if left out")
    parser.add_argument("--target", metavar="CLASS", help="what is explained; each image's top class if left out")
    parser.add_argument("--masks", metavar="FOLDER", help="masks of the objects, white on black, named as the images")
    parser.add_argument(
        "--reduction", metavar="NAME", default="max_abs", help="channels to one number: %(default)s, sum, sum_abs"
    )
    parser.add_argument("--seed", metavar="INT", help="seed of everything random; the same seed gives the same table")
    parser.add_argument("--chunk", metavar="INT", help="evaluations at once, in place of what memory allows")
    parser.add_argument("--out", metavar="FILE", default="compare.png", help="the figure (default: %(default)s)")
    parser.add_argument("--renderer", metavar="NAME", help="which renderer writes it, where the suffix leaves a choice")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    found = parser.parse_intermixed_args(words)
    registry = settings.plugins()
    word, paths = take_model(found.words, registry, found.model, usage=USAGE, default=DEFAULT_MODEL)
    check_model(word, found.weights, registry)
    techniques, metrics = _named(found.techniques, registry, "explain"), _named(found.metrics, registry, "measure")
    files = image_files(paths)
    masks = mask_files(found.masks, files)
    out = Path(found.out)
    check_form(out, registry, "Comparison", found.renderer)
    check_writable(out)
    examples = registry.model(word).examples if word in registry.models else None
    if not files and examples is None:
        raise UsageError(f"no images, and none come with the model {word!r}; write {USAGE}")
    key, chunk = seed_number(found.seed), evaluations_at_once(found.chunk)

    import numpy as np

    import cnnviz_jax as cv

    model = load(word, found.weights, quiet=settings.quiet)
    if files or examples is None:
        images, names = np.stack([cv.load_image(file, model) for file in files]), [file.name for file in files]
    else:
        images, names = load_record(examples)(EXAMPLES)
    target = None if found.target is None else target_classes(found.target, model.labels)
    with progress_on_stderr(quiet=settings.quiet) as progress:
        result = cv.compare(
            model,
            images,
            techniques,
            metrics,
            target,
            mask=load_masks(masks, model),
            reduction=found.reduction,
            names=names,
            key=key,
            chunk=chunk,
            progress=progress,
        )
    rows = result.rows()
    if found.json:
        print(json.dumps({"table": rows, "refused": result.refused}, indent=2))
    elif not settings.quiet:
        title = f"{model.name}, {len(images)} images; the most faithful first"
        show([_cells(row, result.metrics) for row in rows], as_json=False, empty="", title=title)
        for name, reason in result.refused.items():
            print(f"left out: {name}: {reason}")
    quiet = settings if not found.json else Settings(quiet=True)
    write_result(result, out, renderer=found.renderer, started_s=started_s, settings=quiet)
    return 0


def _named(text: str | None, registry: Plugins, kind: Kind) -> list[str] | None:
    if text is None:
        return None
    return [registry.technique(name.strip(), kind).name for name in text.split(",") if name.strip()]


def _cells(row: dict[str, object], metrics: tuple[str, ...]) -> dict[str, object]:
    """Return a row as shown: four digits, places with one decimal."""
    shown = {}
    for head, value in row.items():
        digits = ".4f" if head in metrics else ".1f" if head == "mean place" else ""
        shown[head] = format(value, digits) if isinstance(value, float) and digits else value
    return shown
