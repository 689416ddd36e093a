"""`cnnviz survey TECHNIQUE MODEL FOLDER`: what a layer's units answer to over many images."""

from __future__ import annotations

import time
from pathlib import Path

from cnnviz_jax.cli.finish import write_result
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.output import check_form
from cnnviz_jax.cli.positionals import take_model, take_technique
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.technique_help import verb_help
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, OUTPUT_OPTIONS, Common, read_line
from cnnviz_jax.cli.values import channel_indices, evaluations_at_once
from cnnviz_jax.errors import ImageError, UsageError
from cnnviz_jax.plugins.references import is_reference
from cnnviz_jax.verbs.render import check_writable

USAGE = "cnnviz survey TECHNIQUE MODEL FOLDER [--layer LAYER] [--units 3,17,40] [--labels folders|CSV] [--out FILE]"
_LABELS = Common(name="labels", metavar="folders|CSV", help="classes: the folders' names, or a CSV of path and label")
_BATCH = Common(name="batch", metavar="INT", help="images at once, in place of what memory allows")


def run(words: list[str], settings: Settings) -> int:
    """Survey a folder of images by one technique and write the figure."""
    started_s = time.monotonic()
    registry = settings.plugins()
    if words and words[0] in ("-h", "--help"):
        print(verb_help("survey", USAGE, "Show what a layer's units answer to over a data set.", registry))
        return 0
    spec, rest = take_technique(words, registry, "survey")
    common = (*MODEL_OPTIONS, _LABELS, *OUTPUT_OPTIONS, _BATCH)
    line = read_line(spec, with_units_apart(rest), common=common, words_help="the model, then a folder of images")
    word, others = take_model(line.words, registry, line.common["model"], usage=USAGE)
    check_model(word, line.common["weights"], registry)
    if len(others) != 1:
        raise UsageError(
            "a survey takes one folder, .npz, .zarr or package.module:factory of images, "
            f"got {len(others)}; write {USAGE}"
        )
    if not Path(others[0]).exists() and not is_reference(others[0]):
        raise ImageError(f"no folder {others[0]!r}")
    out = Path(line.common["out"] or f"{spec.name}.png")
    check_form(out, registry, None, line.common["renderer"])
    check_writable(out)
    batch = evaluations_at_once(line.common["batch"])

    import cnnviz_jax as cv

    model = load(word, line.common["weights"], precision=line.common["precision"], quiet=settings.quiet)
    with progress_on_stderr(quiet=settings.quiet) as progress:
        result = cv.survey(
            spec.name, model, others[0], line.common["labels"], batch=batch, progress=progress, **line.options
        )
    write_result(result, out, renderer=line.common["renderer"], started_s=started_s, settings=settings)
    return 0


def with_units_apart(words: list[str]) -> list[str]:
    """Return the words with `--units 3,17,40` or `--units 0:6` as one word per unit, as options of many values are.

    Raises:
        UsageError: The units are no such list.
    """
    apart: list[str] = []
    is_value = False
    for word in words:
        name, _, value = word.partition("=")
        if name == "--units" and value:
            apart += ["--units", *map(str, _units(value))]
            continue
        apart += map(str, _units(word)) if is_value and ("," in word or ":" in word) else [word]
        is_value = word == "--units"
    return apart


def _units(text: str) -> list[int]:
    try:
        return channel_indices(text)
    except UsageError as error:
        raise UsageError(str(error).replace("channels", "units", 1)) from error
