"""`cnnviz explain TECHNIQUE MODEL IMAGES...`: where a model looks in images."""

import dataclasses
from typing import Any

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb, stacked
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, RUN_OPTIONS, TARGET_OPTION, Common
from cnnviz_jax.compiling import compiling_quickly
from cnnviz_jax.errors import UsageError

_NOISE = (
    Common("noise", "NOISE", "explain noisy copies: relative(share) of max - min, or absolute(value)"),
    Common("noise_samples", "INT", "how many copies, with --noise; 50 if left out"),
    Common("noise_kind", "NAME", "of the copies' maps, with --noise: mean (default), square or variance"),
)
_PLAN = Common("plan", "", "print what would be computed, its memory and its time, and stop there")
VERB = Verb(
    name="explain",
    kind="explain",
    usage="cnnviz explain TECHNIQUE MODEL IMAGES... [--target CLASS] [--out FILE] [--plan] [options]",
    about="Show where a model looks in images.",
    options=(*MODEL_OPTIONS, TARGET_OPTION, *RUN_OPTIONS, *_NOISE, _PLAN),
    result="Attribution",
)
SEVERAL = dataclasses.replace(
    VERB,
    kind=None,
    usage="cnnviz explain TECHNIQUE,TECHNIQUE,... MODEL IMAGES... [--target CLASS] [--out FILE] [options]",
    about="Show where a model looks in images, several techniques side by side, each with its own defaults.",
    options=(*MODEL_OPTIONS, TARGET_OPTION, *RUN_OPTIONS),
)
"""The line that joins names of techniques by commas."""


def run(words: list[str], settings: Settings) -> int:
    """Explain images by one technique, or by several side by side, and write the figure."""
    if words and "," in words[0]:
        return _several([name for name in words[0].split(",") if name], words[1:], settings)
    request = Request.read(VERB, words, settings)
    files = request.image_files()
    is_plan = request.given["plan"] is not None
    if not is_plan:
        request.check_output(request.result)

    import cnnviz_jax as cv

    model = request.load()
    images = stacked(files, model)
    options = {"target": request.target(model), "key": request.key, "chunk": request.chunk, **request.options}
    options |= {name: value for name, value in _noise_of(request).items() if name not in options}
    if is_plan:
        from cnnviz_jax.verbs.explain import Prepared
        from cnnviz_jax.verbs.explain_plan import explain_plan

        target, key, chunk = (options.pop(name) for name in ("target", "key", "chunk"))
        prepared = Prepared.of(request.name, model, images, target, key, None, options)
        rows = explain_plan(prepared, model, chunk=chunk)
        width = max(len(name) for name, _ in rows)
        request.say("\n".join(f"{name:<{width}}  {text}" for name, text in rows))
        return request.finish([], plan=dict(rows))
    unfinished = request.out.with_name(f"{request.out.stem}-unfinished")
    with request.progress() as progress, compiling_quickly():
        result = cv.explain(
            request.name, model, images, progress=progress, folder=unfinished, names=[file.name for file in files],
            **options,
        )  # fmt: skip
    for file, what, score in zip(files, result.provenance.targets, result.scores, strict=True):
        request.say(f"{file.name}: {what}, score {float(score):.4g}")
    return request.write(result)


def _noise_of(request: Request) -> dict[str, Any]:
    """Return what was said of noisy copies, as `cv.explain` takes it."""
    found = {option.name: request.given.get(option.name) for option in _NOISE}
    samples = found["noise_samples"]
    if samples is not None and not samples.isdecimal():
        raise UsageError(f"--noise-samples is a whole number, got {samples!r}")
    found["noise_samples"] = None if samples is None else int(samples)
    return {name: value for name, value in found.items() if value is not None}


def _several(names: list[str], words: list[str], settings: Settings) -> int:
    """Explain images by several techniques and write one figure."""
    request = Request.read(SEVERAL, words, settings)
    for name in names:
        request.registry.technique(name, "explain")
    files = request.image_files()
    many = len(names) > 1
    request.check_output("Attribution", many=many)

    import cnnviz_jax as cv

    model = request.load()
    images, target, titles = stacked(files, model), request.target(model), [file.name for file in files]
    results = []
    with request.progress() as progress, compiling_quickly():
        shared: dict[str, Any] = {"key": request.key, "chunk": request.chunk, "progress": progress, "names": titles}
        for name in names:
            results.append(cv.explain(name, model, images, target, **shared))
    for file, what in zip(files, results[0].provenance.targets, strict=True):
        request.say(f"{file.name}: {what}")
    return request.write(results if many else results[0])
