"""`cnnviz compare [MODEL] [IMAGES...]`: which technique is most faithful for a network."""

from typing import Any

from cnnviz_jax.cli.commands.masks import load_masks, mask_files
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb, images_and_names, on_the_bundled
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.technique_options import MAPS_OPTIONS, Common

_EXAMPLES = 8
"""How many of a network's own images are measured where none are given."""
VERB = on_the_bundled(
    Verb(
        name="compare",
        usage="cnnviz compare [MODEL] [IMAGES...] [--techniques a,b] [--metrics d,e] [--out FILE]",
        about="Set techniques side by side: explain the same images by each, measure each map, rank.",
        options=(
            Common("techniques", "A,B", "names of explain techniques; all installed ones if left out"),
            Common("metrics", "D,E", "names of measures; deletion, insertion if left out"),
            *MAPS_OPTIONS,
        ),
    )
)


def run(words: list[str], settings: Settings) -> int:
    """Explain and measure, print the table and write the figure."""
    request = Request.read(VERB, words, settings)
    techniques, metrics = request.techniques("techniques", "explain"), request.techniques("metrics", "measure")
    files = request.image_files(examples=True)
    masks = mask_files(request.given["masks"], files)
    request.check_output("Comparison")

    import cnnviz_jax as cv

    model = request.load()
    images, names = images_and_names(request, files, model, examples=_EXAMPLES)
    with request.progress() as progress:
        result = cv.compare(
            model,
            images,
            techniques,
            metrics,
            request.target(model),
            mask=load_masks(masks, model),
            reduction=request.given["reduction"],
            names=names,
            key=request.key,
            chunk=request.chunk,
            progress=progress,
        )
    rows = result.rows()
    if not (request.as_json or settings.quiet):
        title = f"{model.name}, {len(images)} images; the most faithful first"
        show([_cells(row, result.metrics) for row in rows], as_json=False, empty="", title=title)
        print(
            "[ ]: 95 % interval, by bootstrap over the images; =: best by that measure, or cannot be told apart from it"
        )
        for name, reason in result.refused.items():
            print(f"left out: {name}: {reason}")
    return request.write(result, refused=result.refused)


def _cells(row: dict[str, Any], metrics: tuple[str, ...]) -> dict[str, object]:
    """Return a row as shown: means and mean places with their intervals, `=` where it leads or cannot be told apart."""
    shown: dict[str, object] = {}
    for head, value in row.items():
        if head in ("intervals", "leads"):
            continue
        digits = ".4f" if head in metrics else ".1f" if head == "mean place" else ""
        shown[head] = format(value, digits) if isinstance(value, float) and digits else value
        if head in row["intervals"] and value is not None:
            low, high = (format(end, ".3f" if head in metrics else ".1f") for end in row["intervals"][head])
            shown[head] = f"{shown[head]} [{low}, {high}]"
        if head in row["leads"]:
            shown[head] = f"{shown[head]} ="
    return shown
