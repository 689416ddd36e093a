"""`cnnviz explain TECHNIQUE MODEL IMAGES...`: where a model looks in images."""

from __future__ import annotations

import time
from pathlib import Path

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

USAGE = "cnnviz explain TECHNIQUE MODEL IMAGES... [--target CLASS] [--out FILE] [--plan] [options]"
_PLAN = "--plan"
_PLAN_OPTION = Common(
    name="plan", metavar="", help="print what would be computed, its memory and its time, and stop there"
)
_TARGET = Common(
    name="target",
    metavar="CLASS",
    help="class index, one index per image joined by commas, or a label; each image's top class if left out",
)


def run(words: list[str], settings: Settings) -> int:
    """Explain images by one technique and write the figure."""
    started_s = time.monotonic()
    registry = settings.plugins()
    if words and words[0] in ("-h", "--help"):
        print(verb_help("explain", USAGE, "Show where a model looks in images.", registry))
        return 0
    is_plan = _PLAN in words
    spec, rest = take_technique([word for word in words if word != _PLAN], registry, "explain")
    common = (*MODEL_OPTIONS, _TARGET, *OUTPUT_OPTIONS, SEED_OPTION, CHUNK_OPTION, _PLAN_OPTION)
    line = read_line(spec, rest, common=common, words_help="the model, then images or folders of images")
    word, paths = take_model(line.words, registry, line.common["model"], usage=USAGE)
    check_model(word, line.common["weights"], registry)
    if not paths:
        raise UsageError(f"no images to explain; write {USAGE}")
    files = image_files(paths)
    out = Path(line.common["out"] or f"{spec.name}.png")
    if not is_plan:
        check_form(out, registry, "Attribution", line.common["renderer"])
        check_writable(out)
    chunk = evaluations_at_once(line.common["chunk"])
    key = seed_number(line.common["seed"])

    import numpy as np

    import cnnviz_jax as cv

    model = load(word, line.common["weights"], precision=line.common["precision"], quiet=settings.quiet)
    images = np.stack([cv.load_image(file, model) for file in files])
    options = dict(line.options)
    if "target" not in options:
        given = line.common["target"]
        options["target"] = None if given is None else target_classes(given, model.labels)
    if is_plan:
        from cnnviz_jax.verbs.explain_plan import explain_plan

        rows = explain_plan(spec.name, model, images, key=key, chunk=chunk, **options)
        width = max(len(name) for name, _ in rows)
        print("\n".join(f"{name:<{width}}  {text}" for name, text in rows))
        return 0
    unfinished = out.with_name(f"{out.stem}-unfinished")
    with progress_on_stderr(quiet=settings.quiet) as progress:
        result = cv.explain(
            spec.name, model, images, key=key, chunk=chunk, progress=progress, folder=unfinished, **options
        )
    if not settings.quiet:
        for file, what, score in zip(files, result.provenance.targets, result.scores, strict=True):
            print(f"{file.name}: {what}, score {float(score):.4g}")
    write_result(result, out, renderer=line.common["renderer"], started_s=started_s, settings=settings)
    return 0
