"""`cnnviz inspect TECHNIQUE MODEL`: what a model itself holds."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb
from cnnviz_jax.cli.technique_options import LAYER_OPTION, MODEL_OPTIONS, OUTPUT_OPTIONS
from cnnviz_jax.plugins.references import look_in_current_folder

VERB = Verb(
    name="inspect",
    kind="inspect",
    usage="cnnviz inspect TECHNIQUE MODEL [--layer LAYER] [--out FILE] [options]",
    about="Show what a model itself holds.",
    words="the model",
    options=(*MODEL_OPTIONS, LAYER_OPTION, *OUTPUT_OPTIONS),
)


def run(words: list[str], settings: Settings) -> int:
    """Inspect a model, an image or a recorded training by one technique and write the figure."""
    request = Request.read(VERB, words, settings)
    if request.model:
        request.refuse_words(f"inspect {request.name} takes a model only")
    request.check_output(request.result)

    import cnnviz_jax as cv

    if request.model:
        options = {"layer": request.given["layer"], **request.options}
        return request.write(cv.inspect(request.name, request.load(), **options))
    look_in_current_folder()  # a recorded training may name its network as package.module:factory
    return request.write(cv.inspect(request.name, request.words[0], **request.options))
