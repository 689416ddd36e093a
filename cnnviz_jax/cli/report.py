"""`cnnviz report [MODEL] [PICTURES...]`: one offline page about a model and a few pictures."""

from __future__ import annotations

import time
from pathlib import Path

from cnnviz_jax.cli.finish import announce
from cnnviz_jax.cli.model_choice import check_model, load
from cnnviz_jax.cli.parsing import Parser, model_arguments
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.settings import Settings
from cnnviz_jax.cli.words import picture_files, take_model
from cnnviz_jax.verbs.render import check_writable

USAGE = "cnnviz report [MODEL] [PICTURES...] [--out FILE]"
DEFAULT_MODEL = "shapes"
"""The bundled network, for a line that names no model."""
DEFAULT_OUT = "cnnviz-report.html"
"""Where the page goes if `--out` does not say."""


def run(words: list[str], settings: Settings) -> int:
    """Write the page and say where it is and how long it took."""
    started_s = time.monotonic()
    parser = Parser(
        prog="cnnviz report",
        description="Write one offline page: predictions, every explanation side by side, filters, feature maps,"
        " synthesised inputs, receptive fields. Without a model it shows the bundled network, and that without"
        " pictures on bundled pictures.",
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", metavar="WORDS", help="the model, then pictures or folders of pictures")
    model_arguments(parser)
    parser.add_argument("--out", metavar="FILE", default=DEFAULT_OUT, help="the page (default: %(default)s)")
    found = parser.parse_intermixed_args(words)
    registry = settings.plugins()
    word, pictures = take_model(found.words, registry, found.model, usage=USAGE, default=DEFAULT_MODEL)
    check_model(word, found.weights, registry)
    files = picture_files(pictures)
    out = page_path(found.out)
    check_writable(out)

    import cnnviz_jax as cv

    model = load(word, found.weights)
    with progress_on_stderr(quiet=settings.quiet) as progress:
        if files:
            import numpy as np

            images = np.stack([cv.load_image(file, model) for file in files])
            cv.report(model, images, out, names=[file.name for file in files], progress=progress)
        else:
            cv.report(model, None, out, progress=progress)
    announce(out, (), started_s=started_s, settings=settings)
    return 0


def page_path(text: str) -> Path:
    """Return the file for `--out`: a folder gets the page by its usual name, a bare name gets `.html`."""
    path = Path(text)
    if path.is_dir():
        return path / DEFAULT_OUT
    return path if path.suffix.lower() in (".html", ".htm") else path.with_name(f"{path.name}.html")
