"""`cnnviz recommend MODEL IMAGES...`: which technique to use on these images, and why."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb, images_and_names, on_the_bundled
from cnnviz_jax.cli.technique_options import (
    OUTPUT_OPTIONS,
    SEED_OPTION,
    TARGET_OPTION,
    Common,
)
from cnnviz_jax.errors import UsageError

_EXAMPLES = 12
"""How many of a network's own images are taken where none are given."""
VERB = on_the_bundled(
    Verb(
        name="recommend",
        usage="cnnviz recommend [MODEL] [IMAGES...] [--techniques a,b] [--budget SECONDS] [--out FILE]",
        about="Say which technique to use on these images, in words, with the evidence, or why none is recommended.",
        options=(
            Common("techniques", "A,B", "names of explain techniques; a dozen, the cheap ones first, if left out"),
            Common("budget", "SECONDS", "after which no further technique is begun (60)", "60"),
            TARGET_OPTION,
            *OUTPUT_OPTIONS,
            SEED_OPTION,
        ),
        result="Comparison",
    )
)


def run(words: list[str], settings: Settings) -> int:
    """Run the panel, print the answer and write the figure of the comparison behind it."""
    request = Request.read(VERB, words, settings)
    techniques = request.techniques("techniques", "explain")
    files = request.image_files(examples=True)
    budget_s = _seconds(request.given["budget"])
    request.check_output("Comparison")

    import cnnviz_jax as cv

    model = request.load()
    images, names = images_and_names(request, files, model, examples=_EXAMPLES)
    with request.progress() as progress:
        result = cv.recommend(
            model, images, techniques, request.target(model), budget_s=budget_s, names=names, key=request.key,
            progress=progress,
        )  # fmt: skip
    request.say(str(result))
    kept = ("technique", "reasons", "alike", "insensitive", "faithfulness", "control", "weights", "untried")
    told = {name: getattr(result, name) for name in kept}
    return request.finish([], **told) if result.comparison is None else request.write(result.comparison, **told)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"--budget is a number of seconds above 0, got {text!r}")
    return value
