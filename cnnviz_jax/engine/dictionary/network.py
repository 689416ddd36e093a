"""What becomes of a network's predictions where a layer is what its dictionary makes of it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.compiling import in_batches
from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model

Images = Float[np.ndarray, "n h w c"]


def network_with(layer: str, codec: Any, model: Model, images: Images) -> dict[str, float]:
    """Return `agreement` and `score_kept`; nothing of a model that gives no (n, classes) scores.

    `agreement`: share of images whose top class stays. `score_kept`: how much of the cross-entropy with the model's own
    top class is kept, between the layer set to zero (0) and left as it is (1).

    Cost: three forward passes per image.
    """
    if not _has_scores(model):
        return {}
    function = partial(_scored, layer)
    own, rebuilt, zeroed = np.moveaxis(
        np.asarray(in_batches(function, ("rebuilt", layer), (model, codec), images)), 1, 0
    )
    if own.ndim != 2:
        return {}
    top = own.argmax(1)
    found = {"agreement": float((rebuilt.argmax(1) == top).mean())}
    losses = [float(_cross_entropy(logits, top)) for logits in (own, rebuilt, zeroed)]
    # Where the network loses nothing without the layer, nothing can be kept: a share would be divided by 0, or by less.
    if losses[2] > losses[0]:
        found["score_kept"] = (losses[2] - losses[1]) / (losses[2] - losses[0])
    return found


def _has_scores(model: Model) -> bool:
    try:
        return model.class_count > 0
    except TargetError:
        return False


def _cross_entropy(logits: Float[np.ndarray, "n classes"], top: np.ndarray) -> float:
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(top)), top]).mean())


def _scored(layer: str, model: Model, codec: Any, images: Float[Array, "n h w c"]) -> Float[Array, "n 3 ..."]:
    def one(image: Array) -> Array:
        changes: Any = ({}, {layer: lambda x: codec.decode(codec.encode(x))}, {layer: jnp.zeros_like})
        return jnp.stack([model.run(image, replace=change)[0] for change in changes])

    return jax.vmap(one)(images)
