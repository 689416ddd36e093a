"""`cnnviz synthesize [TECHNIQUE] MODEL --layer L --channels 0:64`: inputs that excite units most."""

from typing import Any

from cnnviz_jax.cli.commands.synthesis_files import folder_beside, joined, write_beside
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.positionals import ImageFile, image_files
from cnnviz_jax.cli.request import Request, Verb, stacked
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, RUN_OPTIONS, Common
from cnnviz_jax.cli.values import indices, whole_number
from cnnviz_jax.errors import UsageError

DEFAULT = "activation-maximization"
"""The technique of a line that names none."""
VERB = Verb(
    name="synthesize",
    kind="synthesize",
    usage="cnnviz synthesize [TECHNIQUE] MODEL (--layer LAYER --channels 0:64 | --target CLASS) [IMAGES] [--out FILE]",
    about=f"Make the inputs that excite channels or classes most; without TECHNIQUE, by {DEFAULT}.",
    words="the model, and images where the technique works on them",
    default_technique=DEFAULT,
    options=(
        *MODEL_OPTIONS,
        Common("layer", "LAYER", "the layer, as `cnnviz layers MODEL` lists it; several by commas"),
        Common("channels", "LIST", "its channels, such as 0:64, 3,7,40 or : for all"),
        Common("target", "CLASS", "class indices joined by commas, or a label, in place of a layer"),
        Common("exemplars", "FOLDER", "images of a data set: what units reach on them, side by side"),
        Common("best", "INT", "show only so many in the grid: those of highest activation, best first"),
        Common("snapshots", "INT", "images of the ascent in the GIF; 0 for none, 24 if left out"),
        *RUN_OPTIONS,
    ),
)
_SNAPSHOTS = 24


def run(words: list[str], settings: Settings) -> int:
    """Make the inputs that excite channels or classes most and write the figure."""
    request = Request.read(VERB, words, settings)
    given, out = request.given, request.out
    files = _images(request)
    _check_units(request)
    suffix = out.suffix.lower()
    best, snapshots = (
        None if given[name] is None else whole_number(given[name], name, least=0) for name in ("best", "snapshots")
    )
    exemplars = image_files([given["exemplars"]]) if given["exemplars"] else []
    layers = [None] if given["layer"] is None else [layer.strip() for layer in given["layer"].split(",")]
    has_files_beside = suffix == ".png" and given["renderer"] in (None, "grid")
    # What only the grid can show is stitched without labels; all else is a figure that says what it shows.
    is_grid = has_files_beside and bool(given["renderer"] or best or exemplars or len(layers) > 1)
    renderer = "grid" if is_grid else given["renderer"]
    request.check_output("Synthesis", renderer=renderer)

    import cnnviz_jax as cv

    model = request.load()
    if snapshots is None:
        snapshots = _SNAPSHOTS if has_files_beside or suffix == ".gif" else 0
    options: dict[str, Any] = {"snapshots": snapshots, **request.options, "key": request.key, "chunk": request.chunk}
    options |= {"images": stacked(files, model)} if files else {}
    options |= {"exemplars": stacked(exemplars, model)} if exemplars else {}
    options |= {"target": request.target(model)} if given["target"] is not None else {}
    options |= {"folder": folder_beside(out) / "finished"} if has_files_beside else {}
    results = []
    with request.progress() as progress:
        for layer in layers:
            named: dict[str, Any] = {} if layer is None else {"layer": layer}
            if given["channels"] is not None:
                whole = named.get("layer", options.get("layer"))
                count = model.layers[whole].channels if whole else None
                named["channels"] = indices(given["channels"], "channels", count)
            results.append(cv.synthesize(request.name, model, progress=progress, **options, **named))
    result = joined(results)
    if not has_files_beside:
        return request.write(result)
    block = len(results[0].status) if len(results) > 1 else None
    display: dict[str, Any] = {"best": best} if best else {}
    display |= {"block": block} if block else {}
    display |= {"exemplars": 4} if "exemplar_crops" in result.extras else {}
    if is_grid:
        cv.render(result, out, renderer="grid", **display)
    else:
        request.rendered(result)
    written = write_beside(result, out, block=block)
    code = request.finish(result, out, *written)
    request.say(f"beside it: {', '.join(str(path) for path in written)}")
    return code


def _images(request: Request) -> list[ImageFile]:
    if request.technique is None or request.technique.subject != "images":
        request.refuse_words("synthesize takes a model and no images")
        return []
    if not request.words:
        raise UsageError(f"{request.name} works on images and none is named; write {VERB.usage}")
    return request.image_files()


def _check_units(request: Request) -> None:
    """Refuse a line that does not say what to excite, or says it twice, unless its technique has its own options."""
    layer, target = request.given["layer"], request.given["target"]
    if not request.options.keys() & {"layer", "target", "channels"} and (layer is None) == (target is None):
        found = "both are given" if layer is not None else "neither is given"
        raise UsageError(f"say what to excite, either --layer LAYER or --target CLASS; {found}.")
    if layer is None and request.given["channels"] is not None and "layer" not in request.options:
        raise UsageError("--channels needs --layer LAYER, the layer whose channels they are")
