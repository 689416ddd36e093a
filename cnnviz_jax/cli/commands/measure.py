"""`cnnviz measure METRIC MODEL IMAGES...`: how faithful one technique's maps are, by one measure."""

from __future__ import annotations

import time
from pathlib import Path

from cnnviz_jax.cli.commands.masks import load_masks, mask_files
from cnnviz_jax.cli.finish import write_result
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.output import check_form
from cnnviz_jax.cli.positionals import image_files, take_model, take_technique
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.technique_help import verb_help
from cnnviz_jax.cli.technique_options import CHUNK_OPTION, MODEL_OPTIONS, OUTPUT_OPTIONS, SEED_OPTION, Common, read_line
from cnnviz_jax.cli.values import evaluations_at_once, seed_number, target_classes
from cnnviz_jax.errors import UsageError
from cnnviz_jax.verbs.render import check_writable

USAGE = "cnnviz measure METRIC MODEL IMAGES... --technique NAME [--target CLASS] [--out FILE] [options]"
TARGET_OPTION = Common(
    name="target",
    metavar="CLASS",
    help="class index, one index per image joined by commas, or a label; each image's top class if left out",
)
_TECHNIQUE = Common(name="technique", metavar="NAME", help="whose maps are measured, with its defaults (saliency)")
_MASKS = Common(name="masks", metavar="FOLDER", help="masks of the objects, white on black, named as the images")
_REDUCTION = Common(name="reduction", metavar="NAME", help="channels to one number: max_abs (default), sum or sum_abs")


def run(words: list[str], settings: Settings) -> int:
    """Explain images by one technique, measure the maps and write the figure."""
    started_s = time.monotonic()
    registry = settings.plugins()
    if words and words[0] in ("-h", "--help"):
        print(verb_help("measure", USAGE, "Measure how faithful a technique's maps are.", registry))
        return 0
    spec, rest = take_technique(words, registry, "measure")
    common = (*MODEL_OPTIONS, _TECHNIQUE, TARGET_OPTION, _MASKS, _REDUCTION, *OUTPUT_OPTIONS, SEED_OPTION, CHUNK_OPTION)
    line = read_line(spec, rest, common=common, words_help="the model, then images or folders of images")
    word, paths = take_model(line.words, registry, line.common["model"], usage=USAGE)
    check_model(word, line.common["weights"], registry)
    technique = registry.technique(line.common["technique"] or "saliency", "explain")
    if not paths:
        raise UsageError(f"no images to explain; write {USAGE}")
    files = image_files(paths)
    masks = mask_files(line.common["masks"], files)
    out = Path(line.common["out"] or f"{spec.name}.png")
    check_form(out, registry, "Measurement", line.common["renderer"])
    check_writable(out)
    chunk, key = evaluations_at_once(line.common["chunk"]), seed_number(line.common["seed"])

    import numpy as np

    import cnnviz_jax as cv

    model = load(word, line.common["weights"], precision=line.common["precision"], quiet=settings.quiet)
    images = np.stack([cv.load_image(file, model) for file in files])
    given = line.common["target"]
    target = None if given is None else target_classes(given, model.labels)
    reduction: str = line.common["reduction"] or "max_abs"
    with progress_on_stderr(quiet=settings.quiet) as progress:
        maps = cv.explain(technique.name, model, images, target, key=key, chunk=chunk, progress=progress)
        result = cv.measure(
            spec.name,
            model,
            images,
            maps,
            mask=load_masks(masks, model),
            reduction=reduction,
            key=key,
            chunk=chunk,
            progress=progress,
            **line.options,
        )
    if not settings.quiet:
        for file, what, value in zip(files, result.provenance.targets, result.values, strict=True):
            print(f"{file.name}: {what}, {spec.name} {float(value):.4g}")
        print(f"{spec.name} of {technique.name}: mean {result.mean:.4g}, {result.better} is better")
    write_result(result, out, renderer=line.common["renderer"], started_s=started_s, settings=settings)
    return 0
