"""Features removed from a layer, and the network's scores then: how sets of features are found that decide a class."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.compiling import in_batches_on_host
from cnnviz_jax.model.codes import CodeLayer
from cnnviz_jax.model.model import Model

_AT_ONCE = 32
Images = Float[np.ndarray, "n h w ch"]


class Pass(NamedTuple):
    """What the network makes of images."""

    logits: Float[Any, "*n classes"]
    values: Float[Any, "*n c"]
    """Of the layer."""


class Looked(NamedTuple):
    """What the network makes of images, and which features its answers rest on by their gradients."""

    own: Pass
    erased: Pass
    """With the object painted out; the same where it is not."""
    shares: Float[Any, "*n k"]
    """Code times slope of the label's margin, summed over places: of the part of the code that counts."""

    def part(self, rows: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> "Looked":
        """Return the same of some of the images."""
        found: Looked = jax.tree.map(lambda each: each[rows], self)
        return found


class Shown(NamedTuple):
    """Images of known objects."""

    images: Images
    """In [0, 1]."""
    labels: Int[np.ndarray, " n"]
    """A class for each."""
    outside: Bool[np.ndarray, "n ..."] | None
    """Places of the layer that are no object's; `None` where nothing says which, and all count."""
    erased: Images
    """The same images with the object painted out."""


def looked(place: CodeLayer, model: Model, shown: Shown) -> Looked:
    """Return what the network makes of images.

    Args:
        place: The codec and the layer that it stands for.
        model: The model.
        shown: The images; each is looked at as of the class that its label says.

    Cost: two forward passes and one backward pass per image.
    """
    layer, (images, labels, outside, erased) = place.layer, shown
    counts = np.ones((len(images), *model.layers[layer].shape[:-1]), bool) if outside is None else outside
    given = (images, erased, labels, counts)
    found: Looked = in_batches_on_host(
        partial(_looked, layer), ("looked", layer), (model, place.codec), given, most=_AT_ONCE
    )
    return found


def _looked(layer: str, model: Model, codec: Any, images: Array, erased: Array, labels: Array, counts: Array) -> Looked:
    def one(image: Array, other: Array, label: Array, own: Array) -> Looked:
        def margin_of(delta: Array) -> Any:
            outputs, values = model.run(image, read=(layer,), add={layer: delta})
            return margins(outputs[None], label[None])[0], (outputs, values[layer])

        slope, (outputs, value) = jax.grad(margin_of, has_aux=True)(jnp.zeros(model.layers[layer].shape))
        empty_outputs, found = model.run(other, read=(layer,))
        empty = found[layer]
        codes = _counted(codec.encode(value.astype(jnp.float32)), codec.encode(empty.astype(jnp.float32)), own)
        by_code = jnp.einsum("...c,kc->...k", slope, jnp.asarray(codec.directions), precision="highest")
        shares = (codes * by_code).sum(tuple(range(codes.ndim - 1)))
        return Looked(Pass(outputs, value), Pass(empty_outputs, empty), shares)

    return jax.vmap(one)(images, erased, labels, counts)


def _counted(codes: Any, empty: Any, counts: Any) -> Any:
    """Return the part of codes that is no object's: outside of it, and no more than where it is painted out."""
    # A unit outside of the object may see it all the same. 0.9 with the object and 0.2 without: 0.2 is not the
    # object's. 0.2 with it and 0.9 without: what the object hid was not in the image, and 0.2 count again.
    return jnp.where(counts[..., None], jnp.minimum(codes, empty), 0.0)


def margins(logits: Any, labels: Any) -> Any:
    """Return by how much each label's logit lies above all others together: the log-odds of the label."""
    # log p - log(1 - p) of the label's probability p = e**z / (e**z + sum of the others' e**z'): at p = 0.9999 it still
    # falls as a logit does, where p stays as it is, and it falls when another class rises, where z does not.
    is_own = jnp.arange(logits.shape[-1]) == labels[..., None]
    own = jnp.where(is_own, logits, 0.0).sum(-1)
    return own - jax.nn.logsumexp(jnp.where(is_own, -jnp.inf, logits), axis=-1)


def margins_on_host(
    logits: Float[np.ndarray, "*sets n classes"], labels: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "*sets n"]:
    """Return `margins` of arrays in memory."""
    return np.asarray(margins(jnp.asarray(logits), jnp.asarray(labels)))


def without(
    layer: str,
    model: Model,
    images: Images,
    values: Float[np.ndarray, "n ... c"],
    codes: Float[np.ndarray, "n ... m"],
    directions: Float[np.ndarray, "m c"],
    removed: Bool[np.ndarray, "sets m"],
) -> Float[np.ndarray, "sets n classes"]:
    """Return the logits of images without each set of features; what they leave of the layer's value stays.

    Args:
        layer: The layer.
        model: The model.
        images: Images in [0, 1]; only what does not pass through the layer is computed of them.
        values: Of the layer.
        codes: Of those features that are removed in some set, as much of them as is removed.
        directions: Of the same features.
        removed: Which of them each set removes.

    Cost: a forward pass from the layer on for each image and set.
    """
    step = partial(_without, layer)
    found = np.zeros((len(removed), len(images), model.class_count), np.float32)
    for number, gone in enumerate(removed):
        # Which features go is an argument, so that one program serves all sets.
        fixed = (model, directions, gone.astype(np.float32))
        given = (images, values, codes)
        found[number] = in_batches_on_host(step, ("without features", layer), fixed, given, most=_AT_ONCE)
    return found


def _without(
    layer: str, model: Model, directions: Array, gone: Array, images: Array, values: Array, codes: Array
) -> Array:
    taken = jnp.einsum("n...m,mc->n...c", codes * gone, directions, precision="highest")

    def one(image: Array, value: Array) -> Array:
        return model.run(image, replace={layer: value})[0]

    return jax.vmap(one)(images, (values - taken).astype(values.dtype))


def deciding(
    place: CodeLayer,
    model: Model,
    images: Images,
    label: int,
    seen: Looked,
    outside: Bool[np.ndarray, "n ..."] | None,
    *,
    candidates: int,
    most: int,
) -> Int[np.ndarray, " most"]:
    """Return features of one class, in the order in which their removal lowers the class's margin most.

    Of the `candidates` with the largest gradient shares, the one whose removal costs most is taken first, then the one
    that costs most beside it, and so on: a set of features may stand for one thing.

    Args:
        place: The codec and the layer that it stands for.
        model: The model.
        images: Of the class.
        label: The class.
        seen: What `looked` says of them.
        outside: Places of the layer at which features are removed, as far as they are no object's; all of them,
            everywhere, where `None`.
        candidates: Features that are removed at all.
        most: How many are taken.

    Cost: `candidates` x `most` forward passes from the layer on, for each image.
    """
    order = np.argsort(-seen.shares.mean(0), kind="stable")[:candidates]
    codes = codes_of(place.codec, seen, order, outside)
    directions = np.asarray(place.codec.directions)[order]
    labels = np.full(len(images), label)
    # Greedy: 3 of 12 candidates take 12 + 11 + 10 = 33 sets, where the best three of all would take 220. And the sets
    # grow one out of another, so that the loss can be told after each feature.
    taken: list[int] = []
    for _ in range(min(most, len(order))):
        rest = [k for k in range(len(order)) if k not in taken]
        removed = np.zeros((len(rest), len(order)), bool)
        removed[:, taken] = True
        removed[np.arange(len(rest)), rest] = True
        logits = without(place.layer, model, images, seen.own.values, codes, directions, removed)
        left = margins_on_host(logits, labels).mean(1)
        taken.append(rest[int(left.argmin())])
    return order[taken]


def codes_of(
    codec: Any, seen: Looked, features: Int[np.ndarray, " m"], outside: Bool[np.ndarray, "n ..."] | None
) -> Float[np.ndarray, "n ... m"]:
    """Return the codes of some features in all images; with `outside`, the part of them that is no object's."""
    own = seen.own.values
    everywhere = np.ones(own.shape[:-1], bool)
    # Without `outside` the least of a code and itself, everywhere, is the code: one program serves both.
    given = (own, own, everywhere) if outside is None else (own, seen.erased.values, outside)
    fixed = (codec, features.astype(np.int32))
    found: np.ndarray = in_batches_on_host(_encoded, ("codes of features",), fixed, given, most=_AT_ONCE)
    return found


def _encoded(codec: Any, features: Array, values: Array, erased: Array, counts: Array) -> Array:
    own, empty = (codec.encode(each.astype(jnp.float32))[..., features] for each in (values, erased))
    found: Array = _counted(own, empty, counts)
    return found
