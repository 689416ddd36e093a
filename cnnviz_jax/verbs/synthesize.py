"""`cv.synthesize`: images that excite units most."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax import targets
from cnnviz_jax.data.given import Images, check_images
from cnnviz_jax.engine import (
    Chunk,
    Progress,
    as_callable,
    image_ids,
    key_text,
    keys_for,
    root_key,
    run_iteration,
    word_id,
)
from cnnviz_jax.engine.spatial_axes import check_axes
from cnnviz_jax.engine.techniques import build, running
from cnnviz_jax.errors import ImageError, TargetError, UsageError
from cnnviz_jax.model.digests import arrays_digest
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.building import options_in, technique_and_config
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.configs import SynthesizeConfig
from cnnviz_jax.plugins.specs import TechniqueSpec
from cnnviz_jax.results.provenance import Call, Provenance
from cnnviz_jax.results.synthesis import Synthesis
from cnnviz_jax.targets.combining import TargetWithInputs, count_of, resolved_layers
from cnnviz_jax.targets.layers import WholeLayer
from cnnviz_jax.verbs.exemplars import measured
from cnnviz_jax.verbs.outermost import verb
from cnnviz_jax.verbs.resume_cache import ResumeFolder


@verb
def synthesize(
    technique: str | TechniqueSpec | SynthesizeConfig,
    model: Model,
    *,
    layer: str | None = None,
    channels: Sequence[int] | None = None,
    target: Any = None,
    images: Images | None = None,
    exemplars: Images | None = None,
    key: Any = None,
    snapshots: int = 0,
    folder: str | Path | None = None,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Synthesis:
    """Return images made to raise a score: a channel's mean activation, a class, a neuron, any sum of such.

    Args:
        technique: Name of a synthesize technique, as `cnnviz techniques` lists them, its record, or its config, such as
            `cv.techniques.DeepDream(...)`.
        model: From `cv.adapt` or `cv.load_model`.
        layer: Layer whose channels are maximised; for techniques that look at a whole layer, that layer.
        channels: Which of them, one image each; `None` for all.
        target: Instead of a layer: class indices, or one of `cv.targets` or `cnnviz_jax.targets.combining`.
        images: Images to start from or to be met again, one per target or one for all; in [0, 1]. Series and volumes
            have their own axes.
        exemplars: Images of a data set: the result says what each target reaches on them at most. In [0, 1].
        key: Seed or key of the start; a channel's image is the same alone or among others.
        snapshots: How many images of the ascent are kept for a video, the first and the last among them.
        folder: Finished targets are kept there, and the same call finds them again.
        chunk: Targets at once; results do not depend on it.
        memory_budget: Bytes one compiled program may need; `None` for a share of what is free.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.
        **options: The technique's own; see `cnnviz synthesize TECHNIQUE --help`.

    Raises:
        CnnvizError: A subclass says which of name, option, layer, target or image does not fit, and what would.

    Cost: steps x targets forward and backward passes.
    """
    told = {"layer": layer, "channels": channels, "target": target, "snapshots": snapshots}
    call = Call.of(told, {"images": images, "exemplars": exemplars})
    spec, config, layer = _technique(technique, layer, model, options)
    if snapshots < 0 or snapshots == 1:
        raise UsageError(f"snapshots is 0 for none, or 2 and more, the first and the last image; got {snapshots}")
    resolved, ids = _targets(model, layer, channels, target, config)
    if images is not None:
        resolved, ids = _with_images(resolved, ids, _held(np.asarray(images, np.float32), model), model)
    elif spec.subject == "images":
        raise ImageError(f"{spec.name} works on images; say images=")
    dataset = None if exemplars is None else check_images(exemplars, model.input_shape, space=model.structure.space)
    iteration = build(spec, config, model, resolved)
    check_axes(spec.name, iteration.axes, model, "which activation-maximization makes")
    with running(spec):
        sized, placed = iteration.prepare(model, resolved, dataset)
    seed = root_key(key)
    moments = tuple(sorted({round(k) for k in np.linspace(0, iteration.steps, snapshots)})) if snapshots else ()
    cache = None
    if folder is not None:
        rows = zip(resolved.describe(model), ids, _rows(placed, len(ids)), strict=True)
        each = [(words, str(number), arrays_digest(row)) for words, number, row in rows]
        parts = {"technique": spec.name, "config": repr(config), "iteration": repr(iteration)}
        cache = ResumeFolder(folder, model, each, **parts, key=key_text(seed), snapshots=moments)
    with running(spec):
        outcome, curves, frames = run_iteration(
            iteration, sized, placed, keys_for(seed, ids), snapshots=moments, cache=cache, chunk=chunk,
            memory_budget=memory_budget, progress=as_callable(progress),
        )  # fmt: skip
    notes = (*iteration.notes, *((("frame_steps", moments),) if moments else ()))
    provenance = Provenance.of(
        spec.name, model, config, resolved, layer=iteration.layer or layer, seed=key_text(seed), notes=notes, call=call
    )
    with running(spec):
        made: Synthesis = iteration.result(outcome, curves, frames, provenance, (*model.warnings, *iteration.warnings))
    if dataset is None:
        return made
    return measured(made, model, iteration.compared(model, resolved), dataset)


def _technique(
    technique: str | TechniqueSpec | SynthesizeConfig, layer: str | None, model: Model, options: dict[str, Any]
) -> tuple[Any, Any, str | None]:
    """The technique's record and config; a layer that is the technique's own option goes there."""
    if isinstance(technique, SynthesizeConfig):
        options = {**options_in(technique), **options}
        technique = type(technique).__technique__
    spec = technique if isinstance(technique, TechniqueSpec) else plugins().technique(technique, "synthesize")
    if "layer" in {field.name for field in dataclasses.fields(spec.config)}:
        if (asked := options.get("layer") if layer is None else layer) is None:
            maps = [each.name for each in model.layers.values() if each.is_map]
            some = (maps or list(model.layers))[len(maps) // 2]
            raise UsageError(f"{spec.name} looks at one layer; say layer=, such as {some!r}")
        layer, options = None, {**options, "layer": model.layers.resolve(asked)}
    return *technique_and_config(spec, "synthesize", options), layer


def _targets(model: Model, layer: str | None, channels: Any, target: Any, config: Any) -> tuple[targets.Target, Any]:
    own = getattr(config, "layer", None)
    if own is not None and target is None:
        if channels is not None:
            raise TargetError(f"channels mean nothing here: the technique looks at all of {own!r}")
        whole = WholeLayer(layer=own).batched(1)
        return whole, np.asarray([word_id(own)], np.uint32)
    if (layer is None) == (target is None):
        raise TargetError("say what to excite: layer= (with channels=) or target=, one of the two")
    if layer is None:
        if channels is not None:
            raise TargetError("channels belong to a layer; say layer=")
        target = targets.as_target(target, model)
        resolved = resolved_layers(target, model).batched(count_of(target))
        if isinstance(resolved, targets.ClassScore):
            return resolved, np.asarray(resolved.index)
        if isinstance(resolved, targets.Channel):
            return resolved, _channel_ids(resolved.layer, np.asarray(resolved.channel))
        words, rows = resolved.describe(model), _rows(resolved, count_of(target))
        texts = (f"{word} {arrays_digest(row)}" for word, row in zip(words, rows, strict=True))
        return resolved, np.asarray([word_id(text) for text in texts], np.uint32)
    name = model.layers.resolve(layer)
    chosen = np.arange(model.layers[name].channels) if channels is None else np.atleast_1d(np.asarray(channels))
    if chosen.size == 0 or chosen.dtype.kind not in "iu":
        raise TargetError(f"channels are whole numbers, got {channels!r}")
    resolved = targets.resolve_layers(targets.Channel(layer=name, channel=jnp.asarray(chosen)), model).batched(
        len(chosen)
    )
    return resolved, _channel_ids(name, chosen)


def _rows(batched: targets.Target, count: int) -> list[Any]:
    return [jax.tree.map(lambda leaf, i=i: leaf[i], batched) for i in range(count)]


def _channel_ids(layer: str, channels: Any) -> np.ndarray:
    return np.asarray(_bits_of(root_key(word_id(layer)), jnp.asarray(channels)), np.uint32)


# Compiled: traced anew operation by operation in every call, this took longer than a small network's step.
_bits_of = jax.jit(jax.vmap(lambda root, channel: jax.random.bits(jax.random.fold_in(root, channel)), (None, 0)))


def _held(images: np.ndarray, model: Model) -> np.ndarray:
    """Images as the model holds them: series and volumes have their own axes, and are those of its size alone."""
    space = model.structure.space
    if space is None:
        return images
    return check_images(images, model.input_shape, space=space)


def _with_images(
    target: targets.Target, ids: np.ndarray, images: np.ndarray, model: Model
) -> tuple[targets.Target, np.ndarray]:
    """Each target with an image of its own; one of either serves all of the other."""
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] != model.input_shape[2] or not np.isfinite(images).all():
        raise ImageError(f"images are finite and (n, h, w, {model.input_shape[2]}), got shape {images.shape}")
    count = max(len(ids), len(images))
    if len(ids) not in (1, count) or len(images) not in (1, count):
        raise TargetError(f"{len(ids)} targets and {len(images)} images; give one for each, or one for all")
    own = image_ids(images)
    if len(ids) < count:
        target = jax.tree.map(lambda leaf: jnp.repeat(leaf, count, axis=0), target)
        ids = np.repeat(ids, count)
    images, own = np.broadcast_to(images, (count, *images.shape[1:])), np.broadcast_to(own, count)
    mixed = [word_id(f"{a} {b}") for a, b in zip(ids, own, strict=True)]
    return TargetWithInputs(target, {"image": jnp.asarray(images)}), np.asarray(mixed, np.uint32)
