"""`cnnviz explain TECHNIQUE MODEL IMAGES...`: where a model looks in images."""

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.request import Request, Verb, stacked
from cnnviz_jax.cli.technique_options import MODEL_OPTIONS, RUN_OPTIONS, TARGET_OPTION, Common

_PLAN = Common("plan", "", "print what would be computed, its memory and its time, and stop there")
VERB = Verb(
    name="explain",
    kind="explain",
    usage="cnnviz explain TECHNIQUE MODEL IMAGES... [--target CLASS] [--out FILE] [--plan] [options]",
    about="Show where a model looks in images.",
    options=(*MODEL_OPTIONS, TARGET_OPTION, *RUN_OPTIONS, _PLAN),
)


def run(words: list[str], settings: Settings) -> int:
    """Explain images by one technique and write the figure."""
    request = Request.read(VERB, words, settings)
    files = request.image_files()
    is_plan = request.given["plan"] is not None
    if not is_plan:
        request.check_output("Attribution")

    import cnnviz_jax as cv

    model = request.load()
    images = stacked(files, model)
    options = {"target": request.target(model), "key": request.key, "chunk": request.chunk, **request.options}
    if is_plan:
        from cnnviz_jax.verbs.explain_plan import explain_plan

        rows = explain_plan(request.name, model, images, **options)
        width = max(len(name) for name, _ in rows)
        print("\n".join(f"{name:<{width}}  {text}" for name, text in rows))
        return 0
    unfinished = request.out.with_name(f"{request.out.stem}-unfinished")
    with request.progress() as progress:
        result = cv.explain(request.name, model, images, progress=progress, folder=unfinished, **options)
    if not settings.quiet:
        for file, what, score in zip(files, result.provenance.targets, result.scores, strict=True):
            print(f"{file.name}: {what}, score {float(score):.4g}")
    return request.write(result)
