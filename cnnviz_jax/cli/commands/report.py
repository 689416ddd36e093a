"""`cnnviz report [MODEL] [IMAGES...]`: one offline page about a model and a few images."""

import dataclasses
from pathlib import Path

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb, images_and_names
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, OUTPUT_OPTIONS, SEED_OPTION, TARGET_OPTION, Common
from cnnviz_jax.errors import UsageError

DEFAULT_OUT = "cnnviz-report.html"
"""Where the page goes if `--out` does not say."""
_EXAMPLES = 4
"""How many of a network's own images are shown."""
VERB = Verb(
    name="report",
    usage="cnnviz report [MODEL] [IMAGES...] [--out FILE]",
    about="Write one offline page: predictions, every explanation side by side, filters, feature maps, synthesised"
    " inputs, receptive fields. Without a model it shows the bundled network; without images, those that come with"
    " the network.",
    default_model="shapes",
    options=(
        *MODEL_OPTIONS[:2],
        TARGET_OPTION,
        Common("techniques", "NAMES", "names joined by commas, in place of the usual ones"),
        SEED_OPTION,
        dataclasses.replace(OUTPUT_OPTIONS[0], default=DEFAULT_OUT, help=f"the page (default: {DEFAULT_OUT})"),
        Common("run", "DIR", "show what `cnnviz sweep` left in its run folder instead"),
    ),
)


def run(words: list[str], settings: Settings) -> int:
    """Write the page and say where it is and how long it took."""
    request = Request.read(VERB, words, settings)
    request = dataclasses.replace(request, out=page_path(request.out))
    of_run = request.given["run"]
    named = {name: text for name, text in request.given.items() if name not in ("out", "run") and text is not None}
    if of_run is not None and (named or request.words):
        raise UsageError("--run shows what a sweep found, model and images included: name only --out")
    files = [] if of_run is not None else request.image_files(examples=True)
    request.check_output("Report")
    techniques = request.techniques("techniques")

    import cnnviz_jax as cv

    left_out: dict[str, str] = {}
    if of_run is not None:
        cv.open_run(of_run).report(request.out)
    else:
        model = request.load()
        images, names = images_and_names(request, files, model, examples=_EXAMPLES)
        with request.progress() as progress:
            page = cv.report(
                model,
                images,
                request.out,
                target=request.target(model),
                techniques=techniques,
                names=names,
                key=request.key,
                progress=progress,
            )
        left_out = page.refused
    request.announce(f"{name} is left out: {reason}" for name, reason in left_out.items())
    return 0


def page_path(path: Path) -> Path:
    """Return the file for `--out`: in a folder the page has its usual name, a name without a suffix gets `.html`."""
    if path.is_dir():
        return path / DEFAULT_OUT
    return path if path.suffix else path.with_name(f"{path.name}.html")
