"""`cnnviz survey TECHNIQUE MODEL FOLDER`: what a layer's units answer to over many images."""

import dataclasses

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb
from cnnviz_jax.cli.technique_options import BATCH_OPTION, LABELS_OPTION, MODEL_OPTIONS, OUTPUT_OPTIONS
from cnnviz_jax.cli.values import evaluations_at_once

VERB = Verb(
    name="survey",
    kind="survey",
    usage="cnnviz survey TECHNIQUE MODEL FOLDER [--layer LAYER] [--units 3,17,40] [--labels folders|CSV] [--out FILE]",
    about="Show what a layer's units answer to over a data set. --layer all, or a pattern such as 'relu*' or"
    " conv1,conv2, takes several layers in one pass and writes a file for each, its name behind that of --out.",
    words="the model, then a folder of images",
    options=(*MODEL_OPTIONS, LABELS_OPTION, *OUTPUT_OPTIONS, BATCH_OPTION),
)


def run(words: list[str], settings: Settings) -> int:
    """Survey a folder of images by one technique and write the figure."""
    request = Request.read(VERB, words, settings)
    images = request.source("a survey takes one folder, .npz, .zarr or package.module:factory of images")
    labels = request.given["labels"]
    request.check_output(request.result)
    batch = evaluations_at_once(request.given["batch"])

    import cnnviz_jax as cv

    model = request.load()
    with request.progress() as progress:
        result = cv.survey(request.name, model, images, labels, batch=batch, progress=progress, **request.options)
    if not isinstance(result, dict):
        return request.write(result)
    wrote = []
    for layer, found in result.items():
        named = request.out.with_stem(f"{request.out.stem}-{layer.replace('/', '.')}")
        dataclasses.replace(request, out=named).rendered(found)
        wrote.append(named)
    code = request.finish(list(result.values()), *wrote)
    for named in wrote[1:]:
        request.say(f"wrote {named}")
    return code
