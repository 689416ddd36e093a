"""`cnnviz name MODEL FOLDER`: what a layer's units may be called."""

from typing import Any

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.technique_options import LAYER_OPTION, MODEL_OPTIONS, SURVEY_OPTIONS, Common
from cnnviz_jax.cli.values import evaluations_at_once, indices
from cnnviz_jax.errors import UsageError

VERB = Verb(
    name="name",
    usage="cnnviz name MODEL FOLDER --labels folders|CSV | --masks FIELD [--layer LAYER] [--length 3] [--out FILE]",
    about="Say what a layer's units may be called: classes, concepts or formulas of them, chosen on half of the images,"
    " verified on the other half, and refused where chance does as well.",
    words="the model, then a folder of images, an .npz, a .zarr or package.module:factory",
    options=(
        *MODEL_OPTIONS,
        LAYER_OPTION,
        Common("units", "3,17,40", "which units; all if left out"),
        Common("labels", "folders|CSV", "names are classes: the folders' names, or a CSV of path and label"),
        Common("masks", "FIELD", "names are concepts: the field in which the images bring their masks"),
        Common("length", "INT", "concepts in a name, joined by and, or, not: 1 (default) to 3", "1"),
        Common("score", "NAME", "auprc (default), pearson, cosine, f1, iou; auroc, accuracy, mean_difference"),
        *SURVEY_OPTIONS,
    ),
    result="UnitNames",
)


def run(words: list[str], settings: Settings) -> int:
    """Name the units, print the table and write the figure."""
    request = Request.read(VERB, words, settings)
    given = request.given
    images = request.source("units are named over one folder, .npz, .zarr or factory")
    if (given["labels"] is None) == (given["masks"] is None):
        raise UsageError(f"names come from --labels or from --masks, one of them; write {VERB.usage}")
    if not str(given["length"]).isdigit():
        raise UsageError(f"length is 1, 2 or 3, got {given['length']!r}")
    units = None if given["units"] is None else indices(given["units"], "units")
    request.check_output("UnitNames")
    options: dict[str, Any] = {name: given[name] for name in ("layer", "labels", "masks", "score")}
    options |= {"units": units, "length": int(given["length"]), "key": request.key}

    import cnnviz_jax as cv

    model = request.load()
    with request.progress() as progress:
        batch = evaluations_at_once(given["batch"])
        result = cv.name_units(model, images, batch=batch, progress=progress, **options)
    if not (request.as_json or settings.quiet):
        rows = [
            {
                "unit": row["unit"],
                "name": row["name"],
                "score": f"{row['score']:.4f}",
                "chance": f"{row['threshold']:.4f}",
            }
            for row in result.table()
        ]
        show(
            rows, as_json=False, empty="no units", title=f"{result.layer} of {model.name}, {result.image_count} images"
        )
    return request.write(result)
