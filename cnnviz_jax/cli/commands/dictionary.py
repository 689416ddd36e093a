"""`cnnviz dictionary MODEL IMAGES`: features of a layer beyond its units."""

from collections.abc import Sequence
from pathlib import Path

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, SURVEY_OPTIONS, Common
from cnnviz_jax.cli.values import evaluations_at_once, whole_number
from cnnviz_jax.errors import UsageError

_METHOD = "--method"
_DEFAULT = "topk"
VERB = Verb(
    name="dictionary",
    kind="dictionary",
    usage="cnnviz dictionary MODEL IMAGES [--layer LAYER] [--method topk] [--size 512] [--out FILE]",
    about="Learn features of a layer beyond its units: directions whose sums, few at a time, are its values.\n"
    "`--out features.npz` keeps the dictionary for `--dictionary` of other commands; a figure shows how it went.",
    words="the model, then a folder of images",
    options=(
        *MODEL_OPTIONS,
        Common("save", "FILE", "where to keep the dictionary, .npz or .zarr, beside the figure"),
        Common("positions", "INT", "positions of an image that are learned from", "4"),
        Common("seeds", "INT", "how often it is learned anew, to see what is stable", "1"),
        Common("folder", "FOLDER", "where a training keeps its state, to go on after a stop"),
        *SURVEY_OPTIONS,
    ),
    result="Dictionary",
)


def run(words: list[str], settings: Settings) -> int:
    """Learn a dictionary from a folder of images and write the figure or the dictionary."""
    method, rest = _method(words)
    is_overview = rest in (["-h"], ["--help"]) and len(rest) == len(words)
    request = Request.read(VERB, rest if is_overview else [method, *rest], settings)
    images = request.source("a dictionary takes one folder, .npz, .zarr or package.module:factory of images")
    request.check_output(request.result)
    positions, seeds = (whole_number(request.given[name], name) for name in ("positions", "seeds"))
    batch = evaluations_at_once(request.given["batch"])

    import cnnviz_jax as cv

    model = request.load()
    with request.progress() as progress:
        result = cv.learn_dictionary(
            request.name, model, images, key=request.key, batch=batch, progress=progress,
            folder=request.given["folder"], positions=positions, seeds=seeds, **request.options,
        )  # fmt: skip
    if request.given["save"]:
        cv.save(result, request.given["save"])
    request.rendered(result)
    return request.finish(result, request.out, *([Path(request.given["save"])] if request.given["save"] else []))


def _method(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the technique that `--method` names, and the line without it.

    Raises:
        UsageError: No name follows.
    """
    rest, method = [], _DEFAULT
    places = iter(words)
    for word in places:
        name, equals, value = word.partition("=")
        if name != _METHOD:
            rest.append(word)
            continue
        method = value if equals else next(places, "")
        if not method:
            raise UsageError(f"{_METHOD} takes a name, as `cnnviz techniques --kind dictionary` lists them")
    return method, rest
