"""`cnnviz synthesize [TECHNIQUE] MODEL --layer L --channels 0:64`: inputs that excite units most."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cnnviz_jax.cli.finish import write_result
from cnnviz_jax.cli.model_choice import check_model, load
from cnnviz_jax.cli.output import check_form
from cnnviz_jax.cli.parsing import channel_indices, evaluations_at_once, seed_number, target_classes
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.settings import Settings
from cnnviz_jax.cli.technique_help import verb_help
from cnnviz_jax.cli.technique_options import CHUNK_OPTION, MODEL_OPTIONS, OUTPUT_OPTIONS, SEED_OPTION, Common, read_line
from cnnviz_jax.cli.words import take_model, take_technique
from cnnviz_jax.errors import UsageError
from cnnviz_jax.verbs.render import check_writable

DEFAULT = "activation-maximization"
"""The technique of a line that names none."""
USAGE = "cnnviz synthesize [TECHNIQUE] MODEL (--layer LAYER --channels 0:64 | --target CLASS) [--out FILE] [options]"
_UNITS = (
    Common(name="layer", metavar="LAYER", help="the layer, as `cnnviz layers MODEL` lists it"),
    Common(name="channels", metavar="LIST", help="its channels, such as 0:64, 3,7,40 or : for all"),
    Common(name="target", metavar="CLASS", help="class indices joined by commas, or a label, in place of a layer"),
)


def run(words: list[str], settings: Settings) -> int:
    """Make the inputs that excite channels or classes most and write the figure."""
    started_s = time.monotonic()
    registry = settings.plugins()
    if words and words[0] in ("-h", "--help"):
        description = f"Make the inputs that excite channels or classes most; without TECHNIQUE, by {DEFAULT}."
        print(verb_help("synthesize", USAGE, description, registry))
        return 0
    spec, rest = take_technique(words, registry, "synthesize", default=DEFAULT)
    common = (*MODEL_OPTIONS, *_UNITS, *OUTPUT_OPTIONS, SEED_OPTION, CHUNK_OPTION)
    line = read_line(spec, rest, common=common, words_help="the model")
    word, others = take_model(line.words, registry, line.common["model"], usage=USAGE)
    check_model(word, line.common["weights"], registry)
    if others:
        raise UsageError(f"synthesize takes a model and no pictures, got {' '.join(map(repr, others))}; write {USAGE}")
    layer, target = line.common["layer"], line.common["target"]
    own = line.options.keys() & {"layer", "target", "channels"}
    if not own and (layer is None) == (target is None):
        given = "both are given" if layer is not None else "neither is given"
        raise UsageError(f"say what to excite, either --layer LAYER or --target CLASS; {given}.")
    if layer is None and line.common["channels"] is not None and "layer" not in own:
        raise UsageError("--channels needs --layer LAYER, the layer whose channels they are")
    out = Path(line.common["out"] or f"{spec.name}.png")
    check_form(out, registry, "Synthesis", line.common["renderer"])
    check_writable(out)
    chunk = evaluations_at_once(line.common["chunk"])
    key = seed_number(line.common["seed"])

    import cnnviz_jax as cv

    model = load(word, line.common["weights"])
    options: dict[str, Any] = dict(line.options)
    if layer is not None:
        options["layer"] = layer
    if line.common["channels"] is not None:
        count = model.layers[options["layer"]].channels if options.get("layer") else None
        options["channels"] = channel_indices(line.common["channels"], count)
    if target is not None:
        options["target"] = target_classes(target, model.labels)
    with progress_on_stderr(quiet=settings.quiet) as progress:
        result = cv.synthesize(spec.name, model, key=key, chunk=chunk, progress=progress, **options)
    write_result(result, out, renderer=line.common["renderer"], started_s=started_s, settings=settings)
    return 0
