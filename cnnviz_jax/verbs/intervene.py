"""`cv.intervene`: what scores do when values inside the model are replaced, scaled, removed or patched."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cnnviz_jax import targets
from cnnviz_jax.data.given import Images, check_images, image_names
from cnnviz_jax.engine import Chunk, Progress, as_callable, image_ids, keys_for, root_key, run_fold
from cnnviz_jax.engine.interventions import Each, EditedTarget, EditFold, EditNumbers, EditOf
from cnnviz_jax.errors import ModelError, TargetError, UsageError
from cnnviz_jax.model.edits import Edit, edits_of, reference_mean
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.results.intervention import Intervention
from cnnviz_jax.results.provenance import Call, Provenance
from cnnviz_jax.verbs.capture import capture
from cnnviz_jax.verbs.outermost import verb

_REFERENCES_AT_ONCE = 32


@verb
def intervene(
    model: Model,
    images: Images,
    edits: Mapping[str, Any],
    target: Any = None,
    *,
    each: Each = "all",
    source: Images | None = None,
    reference: Images | None = None,
    names: Sequence[str] | None = None,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
    progress: Progress | bool | None = None,
) -> Intervention:
    """Return how scores change when values of layers are changed on the way to them.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        images: Images in [0, 1], or one image.
        edits: From places to changes, made one after the other. A place is `conv3`, `conv3:31,5` (channels),
            `conv3@4,5` (row 4, column 5 of its map), `conv3@4,5,2x3` (2 rows, 3 columns from there), `conv3:31@4,5`;
            `*` in a name stands for anything, and `input` is the image. A change is `"zero"`; `"scale(0.5)"`;
            `"mean"`, each channel's mean over the `reference` images and all positions; `"patch"`, the value of the
            `source` image; a number; an array of the layer's shape, for all images or one each; or a traceable function
            of the layer's value.
        target: What is scored beside all classes; as for `explain`.
        each: What is changed at once: `all`; one `edit` after the other, each alone; one `channel` of one edit; or one
            `position` of one edit, which gives maps.
        source: For `patch`: one image, or one for each of `images`.
        reference: For `mean`; the `images` themselves when not given.
        names: One name per image, for figures and tables.
        chunk: Variants at once; results do not depend on it.
        memory_budget: Bytes one compiled program may need; `None` for a share of what is free.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        CnnvizError: A subclass says which of place, change, image, layer or target does not fit, and what would.

    Cost: one forward pass per image and variant, from the lowest edited layer up, and one for the image and its source.
    """
    require_model(model)
    images = check_images(images, model.input_shape)
    found = edits_of(edits, model, len(images))
    if each not in ("all", "edit", "channel", "position"):
        raise UsageError(f"each is all, edit, channel or position, got {each!r}")
    resolved = targets.resolve(target, model, images)
    patching = _source_of(found, source, images, model)
    means = _means(found, model, images if reference is None else check_images(reference, model.input_shape))
    number, item = _variants(found, each)
    classes = _class_names(model)
    count = len(images)
    wrapped = EditedTarget(
        inner=resolved,
        edits=tuple(_numbers(edit, model, count, means) for edit in found),
        source=None if patching is None else jnp.asarray(patching),
        number=jnp.tile(jnp.asarray(number, jnp.int32), (count, 1)),
        item=jnp.tile(jnp.asarray(item, jnp.int32), (count, 1)),
    )
    fold = EditFold(
        edits=tuple(EditOf(layer=edit.layer, kind=edit.kind, function=edit.function) for edit in found),
        each=each,
        variants=len(number),
        has_classes=classes is not None,
    )
    keys = keys_for(root_key(0), image_ids(images))  # nothing is drawn
    gathered, before = run_fold(
        fold, model, images, wrapped, keys, chunk=chunk, memory_budget=memory_budget, progress=as_callable(progress)
    )
    for name in ("target", "scores"):
        if name in gathered and not np.isfinite(gathered[name]).all():
            raise ModelError(f"{model.name} gives scores that are not finite once edited")
    return Intervention(
        edits=tuple(edit.label for edit in found),
        each=each,
        number=number,
        item=item,
        grids=tuple(edit.grid for edit in found),
        before=np.asarray(before, np.float32),
        after=gathered["target"],
        source=gathered.get("source"),
        scores_before=gathered.get("scores_before"),
        scores_after=gathered.get("scores"),
        class_names=classes or (),
        images=images,
        names=() if names is None else image_names(names, count),
        provenance=Provenance.of(
            "intervene",
            model,
            {"edits": tuple(edit.label for edit in found), "each": each},
            resolved,
            call=Call.of(
                {"edits": dict(edits), "target": target if target is None else resolved, "each": each, "names": names},
                {"images": images, "source": source, "reference": reference},
            ),
        ),
        warnings=(*model.warnings, *_findings(found, gathered["target"], np.asarray(before))),
    )


def _source_of(
    edits: Sequence[Edit], source: Images | None, images: Float[np.ndarray, "n h w c"], model: Model
) -> Float[np.ndarray, "n h w c"] | None:
    if all(edit.kind != "patch" for edit in edits):
        if source is not None:
            raise UsageError("source is the image that 'patch' takes values from, and no edit is 'patch'")
        return None
    if source is None:
        raise UsageError("'patch' takes values from another image: give source=, one image or one for each")
    found = check_images(source, model.input_shape)
    if len(found) not in (1, len(images)):
        raise UsageError(f"source is one image or one for each of {len(images)}, got {len(found)}")
    return np.broadcast_to(found, images.shape)


def _means(
    edits: Sequence[Edit], model: Model, reference: Float[np.ndarray, "n h w c"]
) -> dict[str, Float[np.ndarray, "..."]]:
    """Return what `mean` puts into each layer that asks for it."""
    layers = list(dict.fromkeys(edit.layer for edit in edits if edit.kind == "mean"))
    if not layers:
        return {}
    parts: list[dict[str, np.ndarray]] = []
    counts: list[int] = []
    for first in range(0, len(reference), _REFERENCES_AT_ONCE):
        values = capture(model, reference[first : first + _REFERENCES_AT_ONCE], layers)
        parts.append({layer: reference_mean(each) for layer, each in values.items()})
        counts.append(min(_REFERENCES_AT_ONCE, len(reference) - first))
    return {
        layer: np.average([part[layer] for part in parts], axis=0, weights=counts).astype(np.float32)
        for layer in layers
    }


def _numbers(edit: Edit, model: Model, count: int, means: Mapping[str, np.ndarray]) -> EditNumbers:
    shape = model.layers[edit.layer].shape
    value = np.asarray(means[edit.layer] if edit.kind == "mean" else edit.value, np.float32)
    if value.ndim <= len(shape):
        value = np.broadcast_to(value, (count, *value.shape))
    where = np.broadcast_to(edit.mask(shape), (count, *shape))
    return EditNumbers(jnp.asarray(where), jnp.full(count, edit.factor, jnp.float32), jnp.asarray(value))


def _variants(edits: Sequence[Edit], each: Each) -> tuple[np.ndarray, np.ndarray]:
    """Return which edit each variant makes, and which channel or position of it."""
    if each == "all":
        return np.zeros(1, np.int64), np.full(1, -1)
    items = [{"edit": np.array([-1]), "channel": edit.channels, "position": edit.positions}[each] for edit in edits]
    return np.repeat(np.arange(len(edits)), [len(own) for own in items]), np.concatenate(items).astype(np.int64)


def _class_names(model: Model) -> tuple[str, ...] | None:
    try:
        return tuple(model.class_name(index) for index in range(model.class_count))
    except TargetError:
        return None


def _findings(
    edits: Sequence[Edit], after: Float[np.ndarray, "n v"], before: Float[np.ndarray, " n"]
) -> tuple[str, ...]:
    if after.size and (after == before[:, None]).all():
        what = "; ".join(edit.label for edit in edits[:3])
        return (f"no score changed by {what}: the target does not depend on it, or it had that value already",)
    return ()
