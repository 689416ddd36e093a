"""`cv.explain`: which parts of each image a score rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt32

from cnnviz_jax import targets
from cnnviz_jax.data.given import Images, check_images, image_names, scale_note
from cnnviz_jax.engine import (
    Chunk,
    Progress,
    as_callable,
    compiled,
    image_ids,
    key_text,
    keys_for,
    root_key,
    run_fold,
)
from cnnviz_jax.engine.given_arrays import GivenArrays, given_arrays
from cnnviz_jax.engine.smoothing import NoiseKind, Smoothed
from cnnviz_jax.engine.spatial_axes import check_axes
from cnnviz_jax.engine.spreading import devices_to_use
from cnnviz_jax.engine.techniques import Technique, layer_note, resolve_technique, running
from cnnviz_jax.errors import ModelError, PluginError, UsageError
from cnnviz_jax.model.digests import arrays_digest
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.model.several_inputs import SeveralInputs
from cnnviz_jax.model.spaces import Space, own_axes
from cnnviz_jax.options.arrays import arrays_in
from cnnviz_jax.options.building import names_of_options
from cnnviz_jax.plugins.configs import ExplainConfig
from cnnviz_jax.plugins.references import import_reference
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.attribution import Attribution, Heatmap
from cnnviz_jax.results.provenance import Call, Provenance
from cnnviz_jax.verbs.explain_inputs import explained_apart, looks_at_one
from cnnviz_jax.verbs.findings import findings
from cnnviz_jax.verbs.outermost import verb
from cnnviz_jax.verbs.resume_cache import ResumeFolder

_WORTH_RESUMING = 64
"""An image of fewer evaluations is done again."""


@verb
def explain(
    technique: str | TechniqueSpec | ExplainConfig,
    model: Model,
    images: Images,
    target: Any = None,
    *,
    key: Any = None,
    ids: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    devices: int | None = None,
    progress: Progress | bool | None = None,
    folder: str | Path | None = None,
    noise: str | None = None,
    noise_samples: int | None = None,
    noise_kind: NoiseKind | None = None,
    **options: Any,
) -> Attribution:
    """Return which parts of each image the target's score rests on.

    Args:
        technique: Name of an explain technique, as `cnnviz techniques` lists them, its record, or its config, such as
            `cv.techniques.Occlusion(window=16)`.
        model: From `cv.adapt` or `cv.load_model`.
        images: Images in [0, 1], or one image; bytes (uint8) are divided by 255. Those on a device stay there.
        target: Class index, one per image, or one of `cv.targets`; `None` for each image's top class.
        key: Seed or key of everything random; the same key gives the same numbers.
        ids: One number per image that, with `key`, decides its noise; from its pixels when not given, which are read
            on the host for it.
        names: One name per image, such as its file's, for figures.
        chunk: Evaluations at once on each device; results do not depend on it.
        memory_budget: Bytes one compiled program may need on a device; `None` for a share of what is free.
        devices: How many devices of this process share the images and, where there are more devices than images, the
            evaluations of each; all of an accelerator and one of a CPU when not given. Where images alone are shared,
            the numbers are those of one device to the last bit.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.
        folder: Evaluations of unfinished images are kept there, on Ctrl-C too, and the same call resumes from them.
        noise: Gaussian noise, `relative(share)` of each image's max - min or `absolute(value)`: the technique explains
            noisy copies of each image in its place. A technique with an option of this name takes it as its own.
        noise_samples: How many copies; 50 when not given.
        noise_kind: What becomes of their maps: `mean`, `square` (their mean square) or `variance`; `mean` when not
            given.
        **options: The technique's own; see `cnnviz explain TECHNIQUE --help`.

    Raises:
        CnnvizError: A subclass says which of name, option, image, target or model does not fit, and what would.
        Interrupted: Ctrl-C, with a `folder`: what was done is kept there.

    Cost: the technique's number of evaluations per image, plus one forward pass.
    """
    around = {"noise": noise, "noise_samples": noise_samples, "noise_kind": noise_kind}
    if looks_at_one(technique, model):
        every = {
            "key": key, "chunk": chunk, "memory_budget": memory_budget, "devices": devices, "progress": progress,
            "folder": folder, **_present(around), **options,
        }  # fmt: skip
        return explained_apart(explain, technique, model, images, target, ids=ids, names=names, options=every)
    prepared = Prepared.of(technique, model, images, target, key, ids, {**options, **_present(around)})
    spec, config, fold = prepared.technique.spec, prepared.technique.config, prepared.technique.built
    scaled, used = scale_note(images), devices_to_use(devices)
    images, resolved, keys, given = prepared.images, prepared.target, prepared.keys, prepared.given
    cache = None
    if folder is not None and fold.evaluations >= _WORTH_RESUMING:
        rows = [
            jax.tree.map(lambda leaf, i=i: leaf[i], (images, resolved, keys, given.own)) for i in range(len(images))
        ]
        each = [(arrays_digest((row[0], row[1], jax.random.key_data(row[2]), row[3], given.shared)),) for row in rows]
        # In groups: they decide the order of an image's evaluations, and how many images there are decides them.
        run = fold.in_groups(model, resolved, len(images))
        cache = ResumeFolder(folder, model, each, technique=spec.name, fold=repr(run))
    with running(spec):
        heatmap, scores = run_fold(
            fold, model, images, resolved, keys, chunk=chunk, memory_budget=memory_budget,
            progress=as_callable(progress), cache=cache, given=given.own, shared=given.shared,
            devices=used,
        )  # fmt: skip
    if cache is not None:
        cache.forget()
    _check_map(heatmap, spec.name, 2 if fold.view == "layer" else 3)
    if not np.isfinite(scores).all():
        raise ModelError(
            f"{model.name} gives scores that are not finite for image {int(np.argmin(np.isfinite(scores)))}"
        )
    is_plain = isinstance(resolved, targets.ClassScore) and resolved.of == "logit"
    plain = np.asarray(resolved.index, np.int32) if is_plain else resolved  # type: ignore[attr-defined]
    provenance = Provenance.of(
        spec.name,
        model,
        config,
        resolved,
        layer=fold.layer,
        seed=key_text(prepared.seed),
        notes=(
            *fold.notes,
            *scaled,
            *layer_note(model, config, fold.layer),
            *_rounding(model, images, resolved, scores),
        ),
        # What was asked, not what it came to: each image's own top class stays the question for other images too.
        call=Call.of(
            {
                "target": None if target is None else plain,
                "ids": ids_of(ids),
                "names": names,
                **{name: each.array for name, each in arrays_in(config).items()},
                **prepared.around,
            },
            {"images": images},
        ),
    )
    space, volume = model.structure.space, _volume(model, fold.layer)
    return _class_of(spec)(
        values=own_axes(heatmap.values, space, volume),
        low_res=own_axes(heatmap.low_res, space, volume),
        scores=scores,
        target=plain,
        images=images if space is None else space.flat(images),
        axes=space.inputs if isinstance(space, SeveralInputs) else (),
        extras=own_axes(heatmap.extras, space, volume),
        probabilities=prepared.probabilities,
        names=() if names is None else image_names(names, len(images)),
        view="pixels" if fold.view == "heatmap" and heatmap.values.ndim == 4 else fold.view,
        provenance=provenance,
        warnings=(
            *model.warnings,
            *fold.warnings,
            *resolved.findings(scores),
            *findings(heatmap, model, images, resolved, fold.layer, spec.name, scores),
        ),
    )


def _class_of(spec: TechniqueSpec) -> type[Attribution]:
    """Return the class of what a technique returns.

    Raises:
        PluginError: Its record names one that is no `Attribution`.
    """
    if not spec.result:
        return Attribution
    found = import_reference(spec.result, f"result of technique {spec.name!r}", error=PluginError)
    if not (isinstance(found, type) and issubclass(found, Attribution)):
        raise PluginError(f"technique {spec.name!r} says that it returns a {spec.result}, which is no Attribution")
    return found


def _held_options(options: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """Options that are inputs themselves, such as a baseline, as the model's inputs are held."""
    space = model.structure.space

    def held(value: Any) -> Any:
        if isinstance(space, SeveralInputs) and isinstance(value, Mapping):
            found = space.packed(value)
            return found[0] if len(found) == 1 else found
        if isinstance(space, Space) and isinstance(value, np.ndarray | jax.Array):
            if value.shape == space.shape:
                return value.reshape(space.image)
            return space.held(value)
        return value

    return dict(options) if space is None else {name: held(value) for name, value in options.items()}


def _volume(model: Model, layer: str | None) -> tuple[int, int, int] | None:
    """Depth, height and width of a layer's map, in a model of volumes."""
    if layer is None or layer not in model.program.layers:
        return None
    return model.program.layers[layer].volume


def ids_of(ids: Sequence[int] | None) -> UInt32[np.ndarray, " n"] | None:
    """Return the numbers that the user gave the images, as the provenance keeps them."""
    return None if ids is None else np.asarray(ids, np.uint32)


def _check_map(found: Any, technique: str, least: int) -> None:
    """Refuse what a technique gave where it is no map of real numbers, of `least` axes with that of the images.

    Raises:
        PluginError: It is none.
    """
    values = found.values if isinstance(found, Heatmap) else found
    if not isinstance(found, Heatmap) or not hasattr(values, "dtype"):
        raise PluginError(f"technique {technique!r} gave a {type(values).__name__}; a map is (h, w) or (h, w, c)")
    if not least <= values.ndim <= 4 or 0 in values.shape:
        raise PluginError(
            f"technique {technique!r} gave an array of shape {values.shape[1:]} for one image; "
            f"a map is (h, w) or (h, w, c)"
        )
    if not any(jnp.issubdtype(values.dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        raise PluginError(f"technique {technique!r} gave a map of {values.dtype}; a map has real numbers")


def _rounding(
    model: Model, images: Float[Array | np.ndarray, "n h w c"], target: targets.Target, scores: Float[np.ndarray, " n"]
) -> tuple[tuple[str, Any], ...]:
    """By how much the scores differ from those in float32, where the model multiplies rounded numbers."""
    if model.structure.exact is None:
        return ()
    exact = model.with_precision("float32")
    gaps = []
    for number, image in enumerate(images):
        args = (exact, image, jax.tree.map(lambda leaf, number=number: leaf[number], target))
        gaps.append(abs(float(compiled(_score, _score, args)(*args)) - float(scores[number])))
    return ((f"{model.structure.precision}_score_error", max(gaps)),)


def _score(model: Model, image: Float[Array, "h w c"], target: targets.Target) -> Float[Array, ""]:
    return model.score(image, target)[0]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything that is resolved before a technique runs."""

    technique: Technique
    images: Float[Array | np.ndarray, "n h w c"]
    target: targets.Target
    probabilities: Float[np.ndarray, " n"] | None
    """Of the top classes, where those are explained."""
    seed: Key[Array, ""]
    keys: Key[Array, " n"]
    given: GivenArrays
    """The arrays among the options."""
    around: dict[str, Any]
    """What was asked of noisy copies, where the technique runs on such."""

    @classmethod
    def of(
        cls,
        technique: str | TechniqueSpec | ExplainConfig,
        model: Model,
        images: Images,
        target: Any,
        key: Any,
        ids: Sequence[int] | None,
        options: Mapping[str, Any],
    ) -> "Prepared":
        """Return the arguments of `explain` checked, looked up and resolved."""
        require_model(model)
        own, around = _apart(technique, _held_options(options, model))
        chosen = resolve_technique(technique, "explain", own, model)
        others = "which saliency, integrated-gradients, grad-cam and occlusion explain"
        check_axes(chosen.spec.name, chosen.built.axes, model, others)
        images = check_images(images, model.input_shape, on_device=True, space=model.structure.space)
        probabilities = None
        if target is None:
            target, probabilities = targets.top_classes(model, images)
        resolved = targets.resolve(target, model, images)
        seed = root_key(key)
        keys = keys_for(seed, image_ids(images) if ids is None else ids)
        if len(keys) != len(images):
            raise UsageError(f"ids names {len(keys)} numbers for {len(images)} images")
        given = given_arrays(chosen.built, chosen.config, model, images, chosen.spec.name, seed)
        if around:
            chosen = replace(chosen, built=_smoothed(chosen, around))
        return cls(
            technique=chosen, images=images, target=resolved, probabilities=probabilities, seed=seed, keys=keys,
            given=given, around=around,
        )  # fmt: skip


def _present(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _apart(technique: Any, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the technique's own options, and those of noisy copies that it has none of."""
    asked = {name: value for name, value in options.items() if name in ("noise", "noise_samples", "noise_kind")}
    if not asked:
        return dict(options), {}
    known = names_of_options(technique, "explain")
    around = {name: value for name, value in asked.items() if name not in known}
    return {name: value for name, value in options.items() if name not in around}, around


def _smoothed(technique: Technique, around: Mapping[str, Any]) -> Smoothed:
    name = technique.spec.name
    if "noise" not in around:
        raise UsageError(f"{' and '.join(around)} of {name} asks for noise=, such as 'relative(0.15)', too")
    samples, kind = around.get("noise_samples", 50), around.get("noise_kind", "mean")
    return Smoothed.of(technique.built, around["noise"], samples, kind, name)
