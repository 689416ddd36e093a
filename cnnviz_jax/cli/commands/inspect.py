"""`cnnviz inspect TECHNIQUE MODEL`: what a model itself holds."""

from __future__ import annotations

import time
from pathlib import Path

from cnnviz_jax.cli.commands.survey import with_units_apart
from cnnviz_jax.cli.finish import write_result
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.output import check_form
from cnnviz_jax.cli.positionals import take_model, take_technique
from cnnviz_jax.cli.technique_help import verb_help
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, OUTPUT_OPTIONS, Common, read_line
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.references import look_in_current_folder
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.verbs.render import check_writable

USAGE = "cnnviz inspect TECHNIQUE MODEL [--layer LAYER] [--out FILE] [options]"
_LAYER = Common(name="layer", metavar="LAYER", help="the layer, as `cnnviz layers MODEL` lists it")


def run(words: list[str], settings: Settings) -> int:
    """Inspect a model by one technique and write the figure."""
    started_s = time.monotonic()
    registry = settings.plugins()
    if words and words[0] in ("-h", "--help"):
        print(verb_help("inspect", USAGE, "Show what a model itself holds.", registry))
        return 0
    spec, rest = take_technique(words, registry, "inspect")
    if spec.takes != "model":
        return _run_without_model(spec, rest, registry, settings, started_s)
    line = read_line(spec, rest, common=(*MODEL_OPTIONS, _LAYER, *OUTPUT_OPTIONS), words_help="the model")
    word, others = take_model(line.words, registry, line.common["model"], usage=USAGE)
    check_model(word, line.common["weights"], registry)
    if others:
        raise UsageError(f"inspect {spec.name} takes a model only, got {' '.join(map(repr, others))}; write {USAGE}")
    out = Path(line.common["out"] or f"{spec.name}.png")
    check_form(out, registry, None, line.common["renderer"])
    check_writable(out)

    import cnnviz_jax as cv

    model = load(word, line.common["weights"], precision=line.common["precision"], quiet=settings.quiet)
    options = {"layer": line.common["layer"], **line.options}
    result = cv.inspect(spec.name, model, **options)
    write_result(result, out, renderer=line.common["renderer"], started_s=started_s, settings=settings)
    return 0


def _run_without_model(
    spec: TechniqueSpec, rest: list[str], registry: Plugins, settings: Settings, started_s: float
) -> int:
    """Run a technique that looks at an image or at a recorded training."""
    what = "an image file" if spec.takes == "image" else "the folder of a recorder"
    line = read_line(spec, with_units_apart(rest), common=OUTPUT_OPTIONS, words_help=what)
    if len(line.words) != 1:
        raise UsageError(f"inspect {spec.name} takes {what}, got {' '.join(map(repr, line.words)) or 'nothing'}")
    out = Path(line.common["out"] or f"{spec.name}.png")
    check_form(out, registry, None, line.common["renderer"])
    check_writable(out)

    import cnnviz_jax as cv

    look_in_current_folder()
    result = cv.inspect(spec.name, line.words[0], **line.options)
    write_result(result, out, renderer=line.common["renderer"], started_s=started_s, settings=settings)
    return 0
