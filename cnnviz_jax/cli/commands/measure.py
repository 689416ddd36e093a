"""`cnnviz measure METRIC MODEL IMAGES...`: how faithful one technique's maps are, by one measure."""

from typing import Any

from cnnviz_jax.cli.answer import rows_of
from cnnviz_jax.cli.commands.masks import load_masks, mask_files
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb, stacked
from cnnviz_jax.cli.technique_options import MAPS_OPTIONS, MODEL_OPTIONS, Common

VERB = Verb(
    name="measure",
    kind="measure",
    usage="cnnviz measure METRIC MODEL IMAGES... --technique NAME [--target CLASS] [--out FILE] [options]",
    about="Measure how faithful a technique's maps are.",
    options=(
        *MODEL_OPTIONS,
        Common("technique", "NAME", "whose maps are measured, with its defaults (saliency)"),
        *MAPS_OPTIONS,
    ),
)


def run(words: list[str], settings: Settings) -> int:
    """Explain images by one technique, measure the maps and write the figure."""
    request = Request.read(VERB, words, settings)
    technique = request.registry.technique(request.given["technique"] or "saliency", "explain").name
    files = request.image_files()
    masks = mask_files(request.given["masks"], files)
    request.check_output("Measurement")

    import cnnviz_jax as cv

    model = request.load()
    images, target = stacked(files, model), request.target(model)
    with request.progress() as progress:
        shared: dict[str, Any] = {"key": request.key, "chunk": request.chunk, "progress": progress}
        maps = cv.explain(technique, model, images, target, **shared)
        options = {"mask": load_masks(masks, model), "reduction": request.given["reduction"], **request.options}
        result = cv.measure(request.name, model, images, maps, **shared, **options)
    for file, what, value in zip(files, result.provenance.targets, result.values, strict=True):
        request.say(f"{file.name}: {what}, {request.name} {float(value):.4g}")
    request.say(f"{request.name} of {technique}: mean {result.mean:.4g}, {result.better} is better")
    rows = [row | {"image": file.name} for file, row in zip(files, rows_of(result), strict=True)]
    return request.write(result, table=rows, of=technique, mean=result.mean, better=result.better)
