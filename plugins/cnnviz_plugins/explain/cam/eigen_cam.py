"""Eigen-CAM: channels along their first principal direction, whatever the class (Muhammad, Yeasin 2020)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case
from cnnviz_plugins.explain.cam.layer_maps import LayerMaps
from cnnviz_plugins.explain.cam.plugin import EigenCamConfig
from cnnviz_plugins.explain.layer_values import Map, values_of


@dataclass(frozen=True, kw_only=True)
class EigenCam(LayerMaps):
    """ReLU of the activations, one row per place, times their first right singular vector.

    A singular vector has no sign: it is turned so that the map agrees with the sum over channels.

    Cost: one forward pass up to the layer, and the eigenvectors of a channels x channels (or places x places) matrix.
    Source: Muhammad, Yeasin 2020, section III; centred: pytorch_grad_cam/utils/svd_on_activations.py.
    """

    config: EigenCamConfig

    def evaluate(self, case: Case) -> tuple[Float[Array, "_ _"], ...]:
        """Return the projection of every layer."""
        values = values_of(case.model, case.image, *self.layers)
        return tuple(self.projected(values[name]) for name in self.layers)

    def projected(self, activation: Map) -> Float[Array, "rows cols"]:
        """Return the activations along their first principal direction."""
        rows = activation.astype(jnp.float32).reshape(-1, activation.shape[-1])
        total = rows.sum(-1)
        if self.config.convention == "pytorch-grad-cam":
            rows = rows - rows.mean(0)
        line = rows @ first_direction(rows)
        return jnp.where(line @ total < 0, -line, line).reshape(activation.shape[:2])


def first_direction(rows: Float[Array, "places channels"]) -> Float[Array, " channels"]:
    """Return the first right singular vector, from the smaller of the two Gram matrices; 0 for rows of zeros."""
    top = jnp.abs(rows).max()
    unit = rows / jnp.where(top > 0, top, 1)  # squares neither overflow nor vanish
    if rows.shape[0] < rows.shape[1]:
        vector = jnp.linalg.eigh(unit @ unit.T)[1][:, -1] @ unit
    else:
        vector = jnp.linalg.eigh(unit.T @ unit)[1][:, -1]
    length = jnp.sqrt(jax.lax.dot(vector, vector))
    return jnp.where(top > 0, vector / jnp.where(length > 0, length, 1), 0)
