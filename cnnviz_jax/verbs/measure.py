"""`cv.measure`: how faithful a map is, or how much a map says about the score, in numbers."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax import targets
from cnnviz_jax.data.given import Images, check_images
from cnnviz_jax.engine import (
    Chunk,
    Progress,
    as_callable,
    image_ids,
    key_of,
    key_text,
    keys_for,
    root_key,
    run_fold,
)
from cnnviz_jax.engine.measure import EvaluatedMap, HostCase, MetricFold, map_of
from cnnviz_jax.engine.techniques import build, running
from cnnviz_jax.errors import ModelError, PluginError, UsageError, in_few
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.building import technique_and_config
from cnnviz_jax.plugins.configs import MeasureConfig
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.attribution import Attribution
from cnnviz_jax.results.measurement import Measured, Measurement
from cnnviz_jax.results.provenance import Call, Provenance
from cnnviz_jax.verbs.explain import explain, ids_of
from cnnviz_jax.verbs.outermost import verb


@verb
def measure(
    metric: str | TechniqueSpec | MeasureConfig,
    model: Model,
    images: Images | None,
    attribution: Attribution | Array | np.ndarray,
    target: Any = None,
    *,
    mask: Array | np.ndarray | None = None,
    reduction: str = "max_abs",
    key: Any = None,
    ids: Sequence[int] | None = None,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Measurement:
    """Return how faithful maps are by one measure: a number per image, and the curve behind it.

    Args:
        metric: Name of a technique of kind measure, as `cnnviz techniques --kind measure` lists them, its record, or
            its config, such as `cv.techniques.Deletion(...)`.
        model: The model that was explained.
        images: The images that were explained; `None` for those in `attribution`.
        attribution: What `cv.explain` returned, or maps of your own, (n, h, w) or (n, h, w, c).
        target: What was explained, if not what `attribution` says.
        mask: True on the object, (n, h, w), for measures that compare with the truth.
        reduction: How the channels of a pixel map become one number: `max_abs`, `sum` or `sum_abs`.
        key: Seed or key of everything random.
        ids: One number per image that, with `key`, decides its noise; from its pixels when not given.
        chunk: Evaluations at once; results do not depend on it.
        memory_budget: Bytes one compiled program may need; `None` for a share of what is free.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.
        **options: The measure's own; see `cnnviz measure METRIC --help`.

    Raises:
        CnnvizError: A subclass says which of name, option, image, map, target or mask does not fit.

    Cost: the measure's number of evaluations per image.
    """
    spec, config = technique_and_config(metric, "measure", options)
    made = attribution if isinstance(attribution, Attribution) else None
    if images is None and made is None:
        raise UsageError("images is None, but these maps bring no images; pass them")
    space = model.structure.space
    given = made.images if images is None and made is not None else images
    images = check_images(given, model.input_shape, space=space)
    what = made.provenance.technique if made is not None else "the attribution"
    if made is not None and made.view in ("maps", "layer"):
        raise UsageError(f"{what} gives values of a layer, not a map of the image; there is nothing to measure")
    maps = made.values if made is not None else attribution
    maps = maps if space is None else space.held_map(np.asarray(maps))
    heat, raw = map_of(maps, images, reduction, what)
    asked = made.target if target is None and made is not None else target
    inner = targets.resolve(asked, model, images)
    shown = _mask_of(mask, images)
    seed = root_key(key)
    numbers = image_ids(images) if ids is None else ids
    keys = keys_for(seed, numbers)
    if len(keys) != len(images):
        raise UsageError(f"ids names {len(keys)} numbers for {len(images)} images")
    built = build(spec, config, model)
    seen = None if shown is None else jnp.asarray(shown, jnp.float32)
    whole = EvaluatedMap(inner=inner, heat=jnp.asarray(heat), raw=jnp.asarray(raw), mask=seen)
    tell = as_callable(progress)
    labels: tuple[str, ...] = ()
    pooled = False
    found: Any  # a `Measured`: `run_fold` hands on what the fold finishes with

    def folded(fold: MetricFold) -> tuple[Any, np.ndarray]:
        return run_fold(fold, model, images, whole, keys, chunk=chunk, memory_budget=memory_budget, progress=tell)

    if isinstance(built, MetricFold):
        if built.needs_mask and shown is None:
            raise UsageError(f"{spec.name} compares with the object's mask; pass mask=, (n, h, w), true on the object")
        with running(spec):
            built.check(whole)
            found, scores = folded(built)
    else:
        labels, pooled = built.labels, built.pooled
        again = _again(made, spec.name, model, images, inner, reduction, chunk=chunk, memory_budget=memory_budget)
        case = HostCase(
            model=model, images=images, target=whole, keys=keys, again=again,
            folded=lambda fold: folded(fold)[0], progress=tell,
        )  # fmt: skip
        with running(spec):
            found = built.run(case)
        scores = np.asarray(made.scores) if made is not None else np.zeros(len(images), np.float32)
    if not isinstance(found, Measured) or np.shape(found.values) != (len(images),):
        what_came = f"values of shape {np.shape(found.values)}" if isinstance(found, Measured) else type(found).__name__
        raise PluginError(f"technique {spec.name!r} gave {what_came}; a measure gives one number for each image")
    values = np.asarray(found.values, np.float32)
    curve = None if found.curve is None else np.asarray(found.curve)
    if not (np.isfinite(values) | (np.isnan(values) & bool(built.undefined))).all():
        raise ModelError(f"{spec.name} is not finite for image {int(np.argmin(np.isfinite(values)))}")
    return Measurement(
        values=values,
        curve=curve,
        scores=scores,
        images=images,
        extras={name: np.asarray(extra) for name, extra in found.extras.items()},
        at=built.at,
        axis=built.axis,
        labels=labels,
        better=built.better,
        pooled=pooled,
        explained_by=what if made is not None else "",
        provenance=Provenance.of(
            spec.name,
            model,
            config,
            inner,
            seed=key_text(seed),
            notes=(("explained by", what), ("reduction", reduction), *built.notes),
            call=_call(inner, ids, reduction, made, mask),
        ),
        warnings=(*model.warnings, *built.warnings, *_undefined(spec.name, values, built.undefined)),
    )


def _undefined(metric: str, values: Float[np.ndarray, " n"], reason: str) -> tuple[str, ...]:
    """Return a warning that names the images without a number, or none."""
    which = np.flatnonzero(np.isnan(values))
    if not which.size:
        return ()
    return (f"{metric} is undefined for image {in_few(which)}: {reason}",)


def _call(
    target: targets.Target, ids: Sequence[int] | None, reduction: str, made: Attribution | None, mask: Any
) -> Call:
    """Return what a measurement was called with; an explanation is kept by its provenance, which makes it again."""
    kept = {"target": target, "ids": ids_of(ids), "reduction": reduction}
    if made is not None and made.provenance.call is not None:
        return Call.of({**kept, "explained": made.provenance}, {"images": made.images, "mask": mask})
    return Call.of(kept, {"images": True, "attribution": True, "mask": mask})


def _mask_of(mask: Any, images: Float[np.ndarray, "n h w c"]) -> np.ndarray | None:
    if mask is None:
        return None
    array = np.asarray(mask)
    array = array[None] if array.ndim == 2 else array
    if array.shape != images.shape[:3]:
        raise UsageError(f"mask is true on the object, {images.shape[:3]} for these images; got {array.shape}")
    return array.astype(bool)


def _again(
    made: Attribution | None,
    metric: str,
    model: Model,
    images: Float[np.ndarray, "n h w c"],
    target: targets.Target,
    reduction: str,
    **options: Any,
) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Return the technique to be run once more as it was, with the same options, seed and noise; see `HostCase`."""
    if made is None:

        def refuse(**changed: Any) -> tuple[np.ndarray, np.ndarray]:
            raise UsageError(f"{metric} explains again, which needs what cv.explain returned, not an array of maps")

        return refuse
    technique, config = made.provenance.technique, made.provenance.config
    options |= {"key": key_of(made.provenance.seed), "ids": image_ids(images).tolist()}
    options |= {each.name: getattr(config, each.name) for each in dataclasses.fields(config) if each.init}
    kept = {} if made.provenance.call is None else made.provenance.call.arguments
    options |= {name: value for name, value in kept.items() if name.startswith("noise")}

    def again(
        *, model: Model = model, images: Any = images, target: Any = target, progress: Progress | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        result = explain(technique, model, images, target, progress=progress, **options)
        return map_of(result.values, images, reduction, technique)

    return again
