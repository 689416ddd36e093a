"""`cv.compare`: techniques side by side, and which one is most faithful for this network."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Array

from cnnviz_jax import targets
from cnnviz_jax.data.given import Images, check_images, image_names
from cnnviz_jax.engine import Chunk, Progress, as_callable, key_text, root_key, stage
from cnnviz_jax.errors import CnnvizError, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.plugins import plugins
from cnnviz_jax.results.attribution import Attribution
from cnnviz_jax.results.measurement import Comparison, Measurement
from cnnviz_jax.results.provenance import Call, Provenance
from cnnviz_jax.verbs.explain import explain
from cnnviz_jax.verbs.measure import measure
from cnnviz_jax.verbs.outermost import verb


@verb
def compare(
    model: Model,
    images: Images,
    techniques: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    target: Any = None,
    *,
    mask: Array | np.ndarray | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    reduction: str = "max_abs",
    names: Sequence[str] | None = None,
    key: Any = None,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Return several techniques by several measures on the same images, ranked.

    One that refuses this model is listed with its reason; the others run.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        images: Images in [0, 1].
        techniques: Names of explain techniques, third parties' too; all that are installed when not given.
        metrics: Names of measures; deletion and insertion, and the pointing game with a mask, when not given.
        target: What is explained; each image's top class when not given.
        mask: True on the object, (n, h, w), for measures that compare with the truth.
        options: Options by name of a technique or measure, in place of defaults.
        reduction: How the channels of a pixel map become one number.
        names: One name per image.
        key: Seed or key of everything random.
        chunk: Evaluations at once; results do not depend on it.
        memory_budget: Bytes one compiled program may need.
        progress: Called as `progress(done, total, what)`, in thousandths of a technique or measure.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        CnnvizError: A name does not exist, the images do not fit, or no technique could be measured.
    """
    images = check_images(images, model.input_shape, space=model.structure.space)
    titles = image_names(names, len(images))
    asked = chosen_names(techniques, "explain")
    measures = chosen_names(
        metrics, "measure", ("deletion", "insertion", *(("pointing-game",) if mask is not None else ()))
    )
    chosen = options or {}
    for name in chosen:
        if name not in (*asked, *measures):
            raise UsageError(f"options are given for {name!r}, which is neither among the techniques nor the measures")
    resolved = targets.resolve(target, model, images)
    shared: dict[str, Any] = {"key": key, "chunk": chunk, "memory_budget": memory_budget}

    def explained(name: str, tick: Progress) -> Attribution:
        return explain(name, model, images, resolved, progress=tick, **shared, **chosen.get(name, {}))

    def measured(metric: str, heat: Attribution, tick: Progress) -> Measurement:
        return measure(
            metric, model, images, heat, resolved, mask=mask, reduction=reduction, progress=tick,
            **shared, **chosen.get(metric, {}),
        )  # fmt: skip

    found = _found(asked, measures, explained, measured, as_callable(progress))
    if not any(found["measurements"].values()):
        reasons = "; ".join(f"{name}: {why}" for name, why in found["refused"].items())
        raise UsageError(f"nothing could be measured: {reasons}")
    call = Call.of(
        {"techniques": asked, "metrics": measures, "target": resolved, "names": titles, "reduction": reduction},
        {"images": images, "mask": mask},
    )
    config = {name: dict(each) for name, each in chosen.items()}
    seed, notes = key_text(root_key(key)), (("reduction", reduction),)
    return Comparison(
        model=model.name,
        techniques=tuple(found["attributions"]),
        metrics=measures,
        **found,
        images=images,
        names=titles,
        targets=resolved.describe(model),
        provenance=Provenance.of("compare", model, config, resolved, seed=seed, notes=notes, call=call),
        warnings=model.warnings,
    )


class _Found(TypedDict):
    measurements: dict[str, dict[str, Measurement]]
    attributions: dict[str, Attribution]
    refused: dict[str, str]
    elapsed_s: dict[str, float]


def _found(
    asked: Sequence[str],
    measures: Sequence[str],
    explained: Callable[[str, Progress], Attribution],
    measured: Callable[[str, Attribution, Progress], Measurement],
    tell: Progress,
) -> _Found:
    """Return the fields of a `Comparison` that techniques and measures give, and why some are refused."""
    measurements: dict[str, dict[str, Measurement]] = {}
    made: dict[str, Attribution] = {}
    refused: dict[str, str] = {}
    elapsed_s: dict[str, float] = {}
    stages = len(asked) * (1 + len(measures))
    for place, name in enumerate(asked):
        begun = time.monotonic()
        tick = stage(tell, place * (1 + len(measures)), stages, name)
        try:
            result = explained(name, tick)
            if result.view in ("maps", "layer"):
                raise UsageError(f"{name} gives values of a layer, not a map of the image")
        except CnnvizError as reason:
            refused[name] = str(reason)
            continue
        elapsed_s[name] = time.monotonic() - begun
        made[name], measurements[name] = result, {}
        for number, metric in enumerate(measures):
            tick = stage(tell, place * (1 + len(measures)) + 1 + number, stages, f"{metric} of {name}")
            try:
                measurements[name][metric] = measured(metric, result, tick)
            except CnnvizError as reason:
                refused[f"{name} / {metric}"] = str(reason)
    tell(1000 * stages, 1000 * stages, "done")
    return {"measurements": measurements, "attributions": made, "refused": refused, "elapsed_s": elapsed_s}


def chosen_names(given: Sequence[str] | None, kind: Any, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the techniques of a kind that are named, each once; `default`, or all, where none are.

    Raises:
        UsageError: The names are a string, or none.
        UnknownNameError: One does not exist.
    """
    if isinstance(given, str):
        raise UsageError(f"names come as a list, got the string {given!r}; write [{given!r}]")
    if given is None:
        every = tuple(name for name, spec in plugins().techniques.items() if spec.kind == kind)
        return default or every
    if not given:
        raise UsageError(f"no techniques of kind {kind} are named")
    return tuple(plugins().technique(name, kind).name for name in dict.fromkeys(given))
