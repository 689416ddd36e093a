"""KPCA-CAM: channels along their first kernel principal component (Karmani et al. 2024)."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case
from cnnviz_plugins.explain.cam.layer_maps import LayerMaps
from cnnviz_plugins.explain.cam.plugin import KpcaCamConfig
from cnnviz_plugins.explain.layer_values import Map, values_of

Rows = Float[Array, "places channels"]
_EPS = 2.0**-23


@dataclass(frozen=True, kw_only=True)
class KpcaCam(LayerMaps):
    """ReLU of the first kernel principal component of the places, whatever the class.

    Cost: one forward pass up to the layer, and the eigenvectors of a places x places matrix.
    Source: Karmani et al. 2024, section 3; scikit-learn's KernelPCA in pytorch_grad_cam/utils/svd_on_activations.py.
    """

    config: KpcaCamConfig

    def evaluate(self, case: Case) -> tuple[Float[Array, "_ _"], ...]:
        """Return the component of every layer."""
        values = values_of(case.model, case.image, *self.layers)
        return tuple(self.joined(values[name]) for name in self.layers)

    def joined(self, weighted: Map) -> Float[Array, "rows cols"]:
        """Return the places along their first kernel principal component."""
        rows = weighted.astype(jnp.float32).reshape(-1, weighted.shape[-1])
        gamma = self.config.gamma or 1 / rows.shape[-1]
        line = _first_component(_alike(rows - rows.mean(0), self.config.kernel, gamma))
        # As of a singular vector, the sign says nothing: turned so that the map agrees with the sum over channels.
        return jnp.where(line @ rows.sum(-1) < 0, -line, line).reshape(weighted.shape[:2])


def _alike(rows: Rows, kernel: str, gamma: float) -> Float[Array, "places places"]:
    """How alike every two places are."""
    products = jnp.matmul(rows, rows.T, precision="highest")
    if kernel == "rbf":
        lengths = jnp.diagonal(products)
        return jnp.exp(-gamma * jnp.maximum(lengths[:, None] + lengths - 2 * products, 0))
    if kernel == "sigmoid":
        return jnp.tanh(gamma * products + 1)
    return (gamma * products + 1) ** 3 if kernel == "polynomial" else products


def _first_component(alike: Float[Array, "places places"]) -> Float[Array, " places"]:
    """The eigenvector of the largest eigenvalue of the centred matrix, times its root; 0 where all places are alike."""
    scale = jnp.abs(alike).max()
    unit = alike / jnp.where(scale > 0, scale, 1)
    centred = unit - unit.mean(0) - unit.mean(1)[:, None] + unit.mean()
    values, vectors = jnp.linalg.eigh(centred)
    # Places that are all alike leave rounding alone: some eps (1.2e-7 in float32) for each of them.
    told_apart = values[-1] > len(unit) * _EPS
    return jnp.where(told_apart, vectors[:, -1] * jnp.sqrt(jnp.maximum(values[-1], 0) * scale), 0)
