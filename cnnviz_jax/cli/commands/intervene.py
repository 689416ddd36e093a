"""`cnnviz intervene MODEL IMAGES... --edits EDITS`: change values inside a model and show what its scores do."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.positionals import ImageFile, image_files
from cnnviz_jax.cli.request import Request, Verb, stacked
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.technique_options import (
    CHUNK_OPTION,
    MODEL_OPTIONS,
    OUTPUT_OPTIONS,
    TARGET_OPTION,
    Common,
)
from cnnviz_jax.errors import UsageError

_ROWS = 40
"""Most rows of the table that is printed; JSON has all."""
VERB = Verb(
    name="intervene",
    usage="cnnviz intervene MODEL IMAGES... --edits 'LAYER:CHANNELS=zero' [--each channel] [--source FILE] [options]",
    about="Change values inside a model and show what its scores do. An edit is PLACE=CHANGE: a place is LAYER,"
    " LAYER:CHANNELS, LAYER@ROW,COL or LAYER@ROW,COL,HEIGHTxWIDTH; a change is zero, scale(0.5), mean, patch or a"
    " number.",
    options=(
        *MODEL_OPTIONS,
        Common("edits", "EDITS", "edits joined by ';', such as 'relu4:31=zero; conv2=scale(0.5)'"),
        Common("each", "all|edit|channel|position", "what is changed at once; all of it if left out", "all"),
        Common("source", "FILE", "the image, or folder of one for each image, whose values 'patch' takes"),
        Common("reference", "FOLDER", "images over which 'mean' is taken; those explained if left out"),
        TARGET_OPTION,
        *OUTPUT_OPTIONS,
        CHUNK_OPTION,
    ),
    result="Intervention",
)


def run(words: list[str], settings: Settings) -> int:
    """Make the edits, print the table and write the figure."""
    request = Request.read(VERB, words, settings)
    edits = edits_in(request.given["edits"])
    each = request.given["each"]
    if each not in ("all", "edit", "channel", "position"):
        raise UsageError(f"--each is all, edit, channel or position, got {each!r}")
    files = request.image_files()
    others = {name: _files(request.given[name]) for name in ("source", "reference")}
    request.check_output("Intervention")

    import cnnviz_jax as cv

    model = request.load()
    given = {name: None if own is None else stacked(own, model) for name, own in others.items()}
    with request.progress() as progress:
        result = cv.intervene(
            model,
            stacked(files, model),
            edits,
            request.target(model),
            each=each,
            names=[file.name for file in files],
            chunk=request.chunk,
            progress=progress,
            **given,
        )
    rows = result.table()
    if not (request.as_json or settings.quiet):
        shown = [{name: format(x, ".4g") if isinstance(x, float) else x for name, x in row.items()} for row in rows]
        show(shown[:_ROWS], as_json=False, empty="", title=f"{model.name}: scores before and after")
        if len(rows) > _ROWS:
            print(f"{len(rows) - _ROWS} more rows; --json prints all")
    return request.write(result)


def edits_in(text: str | None) -> dict[str, str | float]:
    """Return edits as a line gives them, joined by `;`, by place.

    Raises:
        UsageError: There is none, one is not PLACE=CHANGE, or a place is named twice.
    """
    found: dict[str, str | float] = {}
    for part in (text or "").split(";"):
        place, sign, change = (word.strip() for word in part.rpartition("="))
        if not sign or not place or not change:
            raise UsageError(f"--edits is PLACE=CHANGE, several joined by ';', such as 'relu4:31=zero'; got {text!r}")
        if place in found:
            raise UsageError(f"--edits changes {place!r} twice")
        try:
            found[place] = float(change)
        except ValueError:
            found[place] = change
    return found


def _files(word: str | None) -> list[ImageFile] | None:
    return None if word is None else image_files([word])
