"""What targets reach on the images of a data set, and the parts of those images that excite them most."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax import targets
from cnnviz_jax.compiling import in_batches
from cnnviz_jax.engine.survey import grid_of
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
) -> Float[np.ndarray, "targets crops *sides c"]:
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
    space, grid = model.structure.one_space, grid_of(layer, model.structure.one_space)
    own = images if space is None else images.reshape(len(images), *space.axes)
    extents = own.shape[1:-1]
    # A series is held as one row: its field has an axis for that too, which comes first.
    before = len(field.size) - len(extents)
    sides = tuple(min(int(np.ceil(size)), length) for size, length in zip(field.size[before:], extents, strict=True))
    places: dict[int, np.ndarray] = {}
    crops = np.zeros((*best.shape, *sides, own.shape[-1]), np.float32)
    for i, row in enumerate(best):
        for j, number in enumerate(row):
            corner = [0] * len(extents)
            if layer.is_map:
                if number not in places:
                    places[int(number)] = capture(model, images[number][None], [target.layer])[target.layer][0]
                values = places[int(number)]
                position = int(values[..., channels[i]].argmax())
                if isinstance(target, targets.Neuron):
                    position = int(np.asarray(target.row)[i]) * layer.shape[1] + int(np.asarray(target.col)[i])
                unit = np.unravel_index(position, grid)
                middle = field.centre(*(0,) * before, *map(int, unit))[before:]
                corner = [
                    int(np.clip(round(float(at) - (side - 1) / 2), 0, length - side))
                    for at, side, length in zip(middle, sides, extents, strict=True)
                ]
            inside = tuple(slice(first, first + side) for first, side in zip(corner, sides, strict=True))
            crops[i, j] = own[(number, *inside)]
    return crops
