"""`cnnviz diff A B IMAGES`: how two networks, or the checkpoints of one training, differ on the same images."""

import dataclasses
from pathlib import Path
from typing import Any

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.model import check_model, load
from cnnviz_jax.cli.positionals import take_model
from cnnviz_jax.cli.request import Request, Verb, images_and_names
from cnnviz_jax.cli.tables import show
from cnnviz_jax.cli.technique_options import LABELS_OPTION, MODEL_OPTIONS, SURVEY_OPTIONS, Common
from cnnviz_jax.cli.values import evaluations_at_once, whole_number
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins.references import is_reference

_EXAMPLES = 64
"""How many of a network's own images are compared on where none are given."""
VERB = Verb(
    name="diff",
    usage="cnnviz diff A B IMAGES... [--labels folders|CSV] [--layers a,b] [--out FILE]",
    about="Compare two networks on the same images: CKA of all layers, matched units, churn, calibration, and the"
    " images whose predictions changed most. Without images it takes those that come with the first network."
    " With --training RUN, the network and IMAGES: the checkpoints that a cv.Recorder kept, step by step.",
    words="the two models, then images or one folder, .npz, .zarr or package.module:factory of them",
    options=(
        MODEL_OPTIONS[0],
        Common("weights", "FILE|URL", "weights of the first model, as for other commands"),
        Common("other-weights", "FILE|URL", "weights of the second model"),
        Common("training", "RUN", "the folder of a cv.Recorder, whose checkpoints are compared"),
        Common("layers", "A,B", "layers of both; every convolution and dense layer if left out"),
        Common("other-layers", "A,B", "layers of the second model, where they are called otherwise"),
        LABELS_OPTION,
        Common("form", "NAME", "of CKA: auto (default), debiased, biased, minibatch", "auto"),
        Common("swap", "", "also run B on from A's value at each layer: where answers are A's, the change has acted"),
        Common("concepts", "INT", "take each layer apart into so many concepts, to tell which one network has alone"),
        *SURVEY_OPTIONS,
    ),
)


def run(words: list[str], settings: Settings) -> int:
    """Compare, print the table and write the figure."""
    request = Request.read(VERB, words, settings)
    given, training = request.given, request.given["training"]
    rest: list[str] = list(request.words)
    other = ""
    if training is not None:
        if not Path(training).is_dir():
            raise UsageError(f"no folder {training!r}; --training takes the folder of a cv.Recorder")
    else:
        other, rest = take_model(rest, request.registry, None, usage=VERB.usage)
        check_model(other, given["other_weights"], request.registry)
    is_source = len(rest) == 1 and (Path(rest[0]).is_dir() or Path(rest[0]).suffix == ".npz" or is_reference(rest[0]))
    if given["labels"] is not None and not is_source:
        raise UsageError(f"--labels needs one folder, .npz or .zarr of images, got {len(rest)}; write {VERB.usage}")
    files = [] if is_source else dataclasses.replace(request, words=tuple(rest)).image_files(examples=True)
    own = _names(given["layers"])
    theirs = _names(given["other_layers"]) or own
    if own is None and theirs is not None:
        raise UsageError("--other-layers are compared with --layers of the first model; give both")
    request.check_output("Difference" if training is None else "Drift")
    batch = evaluations_at_once(given["batch"])
    concepts = 0 if given["concepts"] is None else whole_number(given["concepts"], "concepts")

    import cnnviz_jax as cv

    first = request.load()
    images, names = (rest[0], None) if is_source else images_and_names(request, files, first, examples=_EXAMPLES)
    options: dict[str, Any] = {"labels": given["labels"], "names": names, "form": given["form"], "key": request.key}
    options |= {"swap": given["swap"] is not None, "concepts": concepts}
    with request.progress() as progress:
        options |= {"batch": batch, "progress": progress}
        if training is not None:
            result: Any = cv.diff(cv.Recorder(training), first, images, own, **options)
        else:
            second = load(other, given["other_weights"], quiet=settings.quiet)
            layers = (own, theirs) if own is not None and theirs is not None else None
            result = cv.diff(first, second, images, layers, **options)
    if not (request.as_json or settings.quiet):
        show([_cells(row) for row in result.table()], as_json=False, empty="no layers", title=_title(result))
    return request.write(result, **_answers(result))


def _names(text: str | None) -> list[str] | None:
    """Return the layers that an option joins by commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _title(result: Any) -> str:
    answers = getattr(result, "answers", None)
    if answers is None:
        return f"{result.provenance.model}, {result.image_count} images"
    words = f"{result.model_a} (a) against {result.model_b} (b), {result.image_count} images: churn {answers.churn:.4f}"
    return words + (
        f", accuracy {answers.flips.accuracy[0]:.4f} and {answers.flips.accuracy[1]:.4f}" if answers.flips else ""
    )


def _answers(result: Any) -> dict[str, Any]:
    """Return what JSON has beside the table."""
    answers = getattr(result, "answers", None)
    if answers is None:
        return {}
    found = {"churn": answers.churn, "images": answers.images.tolist()}
    if answers.flips is not None and answers.calibration is not None:
        flips = dataclasses.asdict(answers.flips)
        found |= {"flips": flips, "ece": [each.ece for each in answers.calibration]}
    return found


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as shown, four digits behind the point."""
    return {head: f"{value:.4f}" if isinstance(value, float) else value for head, value in row.items()}
