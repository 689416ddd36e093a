"""What targets reach on the images of a data set, and the parts of those images that excite them most."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax import targets
from cnnviz_jax.compiling import in_batches
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.synthesis import Status, Synthesis
from cnnviz_jax.targets.combining import terms_of
from cnnviz_jax.verbs.capture import capture

_CROPS = 4
"""Images per unit; fewer if the data set has fewer."""


def measured(made: Synthesis, model: Model, target: targets.Target, images: np.ndarray) -> Synthesis:
    """Return the result with what each target reaches on a data set at most, where, and the ratio of the two.

    For a unit or a channel it also has the parts of the images that excite it most.

    Args:
        made: The synthesis.
        model: At its own size.
        target: As it was read, batched, at the model's own size.
        images: The data set, in [0, 1].
    """
    scores = exemplar_scores(model, target, images)
    copies = len(made.activation) // scores.shape[1]
    most, which = np.repeat(scores.max(0), copies), np.repeat(scores.argmax(0), copies)
    ratio = np.where(most > 0, made.activation / np.where(most > 0, most, 1), 0).astype(np.float32)
    extras = {**made.extras, "exemplar_maximum": most, "exemplar_index": which.astype(np.int32), "ratio": ratio}
    # What fires on an image of the data set is not dead, wherever the ascent came to rest.
    status: tuple[Status, ...] = tuple(
        "not_reached" if word == "dead" and above > 0 else word for word, above in zip(made.status, most, strict=True)
    )
    live = np.asarray(most > 0) & (np.asarray(status) == "ok")
    (plain, *others) = terms_of(target)
    if not others and isinstance(plain, targets.Channel | targets.Neuron):
        crops = exemplar_crops(model, plain, images, scores)
        extras["exemplar_crops"] = np.repeat(crops, copies, axis=0)
    facts = (("exemplars", len(images)), ("live", int(live.sum())), ("live_above", int((ratio[live] > 1).sum())))
    provenance = dataclasses.replace(made.provenance, notes=(*made.provenance.notes, *facts))
    return dataclasses.replace(made, extras=extras, provenance=provenance, status=status)


def exemplar_scores(
    model: Model, target: targets.Target, images: Float[np.ndarray, "n h w c"]
) -> Float[np.ndarray, "n targets"]:
    """Return the score of every target on every image, at the model's own size.

    Args:
        model: At its own size.
        target: Batched: one entry per target in every leaf.
        images: Images in [0, 1].
    """
    return np.asarray(in_batches(_scored, _scored, (model, target), images))


def _scored(model: Model, target: targets.Target, images: Array) -> Array:
    def one(image: Array) -> Array:
        outputs, activations = model.run(image, read=target.layers, need_outputs=target.needs_outputs)
        return jax.vmap(lambda each: each.score(outputs, activations))(target)

    return jax.vmap(one)(images)


def exemplar_crops(
    model: Model,
    target: targets.Channel | targets.Neuron,
    images: Float[np.ndarray, "n h w c"],
    scores: Float[np.ndarray, "n targets"],
) -> Float[np.ndarray, "targets crops rows columns c"]:
    """Return, for each unit, the receptive field of its most excited place in each of its best images.

    Crops are as large as the nominal field, at most the image, and are moved inside it.

    Args:
        model: At its own size.
        target: A channel or a neuron, batched.
        images: The data set, in [0, 1].
        scores: Of every target on every image.
    """
    best = np.argsort(-scores, axis=0, kind="stable")[:_CROPS].T  # targets crops
    layer, channels = model.layers[target.layer], np.broadcast_to(np.asarray(target.channel), len(best))
    field = layer.receptive_field
    assert field is not None  # only the image itself has none
    height, width = (min(int(np.ceil(size)), own) for size, own in zip(field.size, images.shape[1:3], strict=True))
    places: dict[int, np.ndarray] = {}
    crops = np.zeros((*best.shape, height, width, images.shape[3]), np.float32)
    for i, row in enumerate(best):
        for j, number in enumerate(row):
            top = left = 0
            if layer.is_map:
                if number not in places:
                    places[int(number)] = capture(model, images[number], [target.layer])[target.layer][0]
                values = places[int(number)]
                unit = np.unravel_index(values[..., channels[i]].argmax(), values.shape[:2])
                if isinstance(target, targets.Neuron):
                    unit = (np.asarray(target.row)[i], np.asarray(target.col)[i])
                middle = field.centre(int(unit[0]), int(unit[1]))
                top = int(np.clip(round(float(middle[0]) - (height - 1) / 2), 0, images.shape[1] - height))
                left = int(np.clip(round(float(middle[1]) - (width - 1) / 2), 0, images.shape[2] - width))
            crops[i, j] = images[number, top : top + height, left : left + width]
    return crops
