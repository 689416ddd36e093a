"""How much each feature of an image matters for a score: by its gradient, by its removal, by Sobol indices."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.compiling import compiled
from cnnviz_jax.engine.sobol_design import sobol_indices, sobol_points, sobol_strengths
from cnnviz_jax.model.codes import CodeLayer
from cnnviz_jax.model.model import Model
from cnnviz_jax.progress.bars import Progress, silent
from cnnviz_jax.targets import Target

_AT_ONCE = 16
"""Evaluations of one image at once."""


class Shares(NamedTuple):
    """What each feature of an image has to do with its score; all with the images' axis in front."""

    score: Any
    gradient: Any
    offset: Any
    error: Any
    removal: Any
    sobol: Any


def shares_of(
    place: CodeLayer,
    model: Model,
    images: Float[np.ndarray, "n h w c"],
    target: Target,
    *,
    designs: int,
    features: int,
    progress: Progress = silent,
) -> Shares:
    """Return the shares of every image, one image a call of one compiled program.

    Args:
        place: The codec and the layer that it stands for.
        model: The model.
        images: Images in [0, 1].
        target: Batched: every leaf has one entry per image.
        designs: Rows of the Sobol design, a power of two; 0 for no such indices.
        features: Features that get one: those with the largest gradient shares.
        progress: Called as `progress(done, total, what)`.

    Cost: for each image, one forward and one backward pass, one forward pass from the layer on for each feature, and
        `designs` x (`features` + 2) more.
    """
    layer = place.layer
    step = partial(_shares, layer, designs, features)
    found = []
    for number, image in enumerate(images):
        own = jax.tree.map(lambda leaf, number=number: leaf[number], target)
        args = (model, place.codec, jnp.asarray(image), own)
        program = compiled(step, ("shares", layer, designs, features), args)
        found.append(jax.device_get(program(*args)))
        progress(number + 1, len(images), "images")
    return Shares(*(np.stack(each) for each in zip(*found, strict=True)))


def _shares(
    layer: str, designs: int, features: int, model: Model, codec: Any, image: Float[Array, "h w c"], target: Target
) -> Shares:
    directions = jnp.asarray(codec.directions)
    shape = model.layers[layer].shape

    def scored(delta: Array) -> tuple[Array, Array]:
        score, values = model.score(image, target, read=(layer,), add={layer: delta})
        return score, values[layer]

    (score, value), slope = jax.value_and_grad(scored, has_aux=True)(jnp.zeros(shape))
    # value = codes @ directions + offset + error, so that slope * value, summed, is a sum of shares: one of each code,
    # whose slope is the layer's along its direction, one of the offset and one of the error. In full precision, as
    # accelerators multiply float32 with 10 bits of fraction or fewer unless they are told otherwise.
    codes = codec.encode(value.astype(jnp.float32))
    by_code = jnp.einsum("...c,kc->...k", slope, directions, precision="highest")
    places = tuple(range(codes.ndim - 1))
    gradient = (codes * by_code).sum(places)

    def put(more: Array) -> Array:
        # A fixed value in the layer's place: nothing below it is evaluated again.
        return model.score(image, target, replace={layer: value + more.astype(value.dtype)})[0]

    def removed(feature: Array) -> Array:
        return score - put(-codes[..., feature, None] * directions[feature])

    removal = jax.lax.map(removed, jnp.arange(len(directions)), batch_size=_AT_ONCE)
    sobol = jnp.zeros_like(gradient)
    if designs:
        count = min(features, len(directions))
        chosen = jax.lax.top_k(jnp.abs(gradient), count)[1]
        design = sobol_points(designs, 2 * count)

        def faded(index: Array) -> Array:
            # What fades is taken from the value: decoded anew, faded codes would lack the error as well.
            lost = 1 - sobol_strengths(design, index)
            return put(-codec.added(jnp.zeros_like(codes).at[..., chosen].set(codes[..., chosen] * lost)))

        scores = jax.lax.map(faded, jnp.arange(designs * (count + 2)), batch_size=_AT_ONCE)
        sobol = sobol.at[chosen].set(sobol_indices(scores, designs)[0])
    error = value.astype(jnp.float32) - codec.decode(codes)
    return Shares(score, gradient, (slope * codec.offset).sum(), (slope * error).sum(), removal, sobol)
