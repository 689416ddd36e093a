"""`cnnviz synthesize [TECHNIQUE] MODEL --layer L --channels 0:64`: inputs that excite units most."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cnnviz_jax.cli.commands.synthesis_files import folder_beside, joined, write_beside
from cnnviz_jax.cli.finish import announce, write_result
from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.output import check_form
from cnnviz_jax.cli.positionals import image_files, take_model, take_technique
from cnnviz_jax.cli.progress import progress_on_stderr
from cnnviz_jax.cli.technique_help import verb_help
from cnnviz_jax.cli.technique_options import CHUNK_OPTION, MODEL_OPTIONS, OUTPUT_OPTIONS, SEED_OPTION, Common, read_line
from cnnviz_jax.cli.values import channel_indices, evaluations_at_once, seed_number, target_classes
from cnnviz_jax.errors import UsageError
from cnnviz_jax.verbs.render import check_writable

DEFAULT = "activation-maximization"
"""The technique of a line that names none."""
USAGE = "cnnviz synthesize [TECHNIQUE] MODEL (--layer LAYER --channels 0:64 | --target CLASS) [IMAGES] [--out FILE]"
_UNITS = (
    Common(
        name="layer", metavar="LAYER", help="the layer, as `cnnviz layers MODEL` lists it; several joined by commas"
    ),
    Common(name="channels", metavar="LIST", help="its channels, such as 0:64, 3,7,40 or : for all"),
    Common(name="target", metavar="CLASS", help="class indices joined by commas, or a label, in place of a layer"),
    Common(name="exemplars", metavar="FOLDER", help="images of a data set: what units reach on them, side by side"),
    Common(name="best", metavar="INT", help="show only so many in the grid: those of highest activation, best first"),
    Common(name="snapshots", metavar="INT", help="images of the ascent in the GIF; 0 for none, 24 if left out"),
)
_SNAPSHOTS = 24


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
    line = read_line(spec, rest, common=common, words_help="the model, and images where the technique works on them")
    word, others = take_model(line.words, registry, line.common["model"], usage=USAGE)
    check_model(word, line.common["weights"], registry)
    files = _images(spec, others)
    layer, target = line.common["layer"], line.common["target"]
    own = line.options.keys() & {"layer", "target", "channels"}
    if not own and (layer is None) == (target is None):
        given = "both are given" if layer is not None else "neither is given"
        raise UsageError(f"say what to excite, either --layer LAYER or --target CLASS; {given}.")
    if layer is None and line.common["channels"] is not None and "layer" not in own:
        raise UsageError("--channels needs --layer LAYER, the layer whose channels they are")
    out = Path(line.common["out"] or f"{spec.name}.png")
    renderer = line.common["renderer"] or ("grid" if out.suffix.lower() == ".png" else None)
    check_form(out, registry, "Synthesis", renderer)
    check_writable(out)
    chunk, key = evaluations_at_once(line.common["chunk"]), seed_number(line.common["seed"])
    best, snapshots = _count(line.common["best"], "best"), _count(line.common["snapshots"], "snapshots")
    exemplars = image_files([line.common["exemplars"]]) if line.common["exemplars"] else []

    import numpy as np

    import cnnviz_jax as cv

    model = load(word, line.common["weights"], precision=line.common["precision"], quiet=settings.quiet)
    beside = renderer == "grid" or out.suffix.lower() == ".gif"
    options: dict[str, Any] = {"snapshots": (_SNAPSHOTS if beside else 0) if snapshots is None else snapshots}
    options |= line.options
    if files:
        options["images"] = np.stack([cv.load_image(file, model) for file in files])
    if exemplars:
        options["exemplars"] = np.stack([cv.load_image(file, model) for file in exemplars])
    if target is not None:
        options["target"] = target_classes(target, model.labels)
    if renderer == "grid":
        options["folder"] = folder_beside(out) / "finished"
    results = []
    with progress_on_stderr(quiet=settings.quiet) as progress:
        for each in [None] if layer is None else layer.split(","):
            named: dict[str, Any] = {} if each is None else {"layer": each.strip()}
            if line.common["channels"] is not None:
                whole = named.get("layer", options.get("layer"))
                count = model.layers[whole].channels if whole else None
                named["channels"] = channel_indices(line.common["channels"], count)
            results.append(cv.synthesize(spec.name, model, key=key, chunk=chunk, progress=progress, **options, **named))
    result = joined(results)
    if renderer != "grid":
        write_result(result, out, renderer=renderer, started_s=started_s, settings=settings)
        return 0
    block = len(results[0].status) if len(results) > 1 else None
    display: dict[str, Any] = {"best": best} if best else {}
    display |= {"block": block} if block else {}
    display |= {"exemplars": 4} if "exemplar_crops" in result.extras else {}
    cv.render(result, out, renderer="grid", **display)
    written = write_beside(result, out, block=block)
    announce(out, result.warnings, started_s=started_s, settings=settings)
    if not settings.quiet:
        print(f"beside it: {', '.join(str(path) for path in written)}")
    return 0


def _images(spec: Any, words: list[str] | tuple[str, ...]) -> list[Path]:
    if spec.subject != "images":
        if words:
            named = " ".join(map(repr, words))
            raise UsageError(f"synthesize takes a model and no images, got {named}; write {USAGE}")
        return []
    if not words:
        raise UsageError(f"{spec.name} works on images and none is named; write {USAGE}")
    return image_files(words)


def _count(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    if not text.isdigit():
        raise UsageError(f"{option} {text!r} is not a whole number")
    return int(text)
