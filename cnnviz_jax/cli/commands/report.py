"""`cnnviz report [MODEL] [IMAGES...]`: one offline page about a model and a few images."""

import dataclasses
from pathlib import Path

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb, images_and_names, on_the_bundled
from cnnviz_jax.cli.technique_options import OUTPUT_OPTIONS, SEED_OPTION, TARGET_OPTION, Common
from cnnviz_jax.compiling import compiling_quickly
from cnnviz_jax.errors import UsageError

DEFAULT_OUT = "cnnviz-report.html"
"""Where the page goes if `--out` does not say."""
_EXAMPLES = 4
"""How many of a network's own images are shown."""
_OF_A_RUN = ("out", "run", "model", "weights", "source", "trust")
VERB = on_the_bundled(
    Verb(
        name="report",
        usage="cnnviz report [MODEL] [IMAGES...] [--out FILE]",
        about="Write one offline page: predictions, every explanation side by side, filters, feature maps, synthesised"
        " inputs, receptive fields.",
        options=(
            TARGET_OPTION,
            Common("techniques", "NAMES", "names joined by commas, in place of the usual ones"),
            Common("site", "FOLDER", "a site that `cnnviz explore` made of the same network, for links to its units"),
            SEED_OPTION,
            dataclasses.replace(OUTPUT_OPTIONS[0], default=DEFAULT_OUT, help=f"the page (default: {DEFAULT_OUT})"),
            Common("run", "DIR", "show what `cnnviz sweep` left in its run folder instead"),
            Common("source", "SOURCE", "with --run: the images that were swept, in place of what the folder says"),
            Common("trust", "", "with --run: import the factories that the folder names, and fetch its weights"),
        ),
    ),
    does="shows",
)


def run(words: list[str], settings: Settings) -> int:
    """Write the page and say where it is and how long it took."""
    request = Request.read(VERB, words, settings)
    request = dataclasses.replace(request, out=page_path(request.out))
    of_run = request.given["run"]
    named = {name for name, text in request.given.items() if name not in _OF_A_RUN and text is not None}
    by_option = any(word.partition("=")[0] == "--model" for word in words)
    if of_run is not None and (named or request.words or (request.given["model"] and not by_option)):
        raise UsageError(
            "--run shows what a sweep found, model and images included: name only --out, and --model, --weights,"
            " --source or --trust where the folder is not to say which"
        )
    if of_run is not None and request.given["weights"] and not request.given["model"]:
        raise UsageError("--weights are those of --model: name both")
    if of_run is None and (request.given["source"] or request.given["trust"]):
        raise UsageError("--source and --trust are for --run; images are named on the line")
    files = [] if of_run is not None else request.image_files(examples=True)
    request.check_output("Report")
    techniques = request.techniques("techniques")

    import cnnviz_jax as cv

    left_out: dict[str, str] = {}
    if of_run is not None:
        own = request.load() if request.given["model"] else None
        source, trust = request.given["source"], bool(request.given["trust"])
        cv.open_run(of_run, own, source=source, trust=trust).report(request.out)
    else:
        model = request.load()
        images, names = images_and_names(request, files, model, examples=_EXAMPLES)
        with request.progress() as progress, compiling_quickly():
            page = cv.report(
                model,
                images,
                request.out,
                target=request.target(model),
                techniques=techniques,
                names=names,
                site=request.given["site"],
                key=request.key,
                progress=progress,
            )
        left_out = page.refused
    warnings = [f"{name} is left out: {reason}" for name, reason in left_out.items()]
    return request.finish([], request.out, warnings=warnings, refused=left_out)


def page_path(path: Path) -> Path:
    """Return the file for `--out`: in a folder the page has its usual name, a name without a suffix gets `.html`."""
    if path.is_dir():
        return path / DEFAULT_OUT
    return path if path.suffix else path.with_name(f"{path.name}.html")
