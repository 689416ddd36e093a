"""Grad-CAM++: channels weighted by positive gradients that count each place of evidence once (Chattopadhay 2018)."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float

from cnnviz_plugins.explain.cam.layer_maps import LayerMaps, Map, quotient
from cnnviz_plugins.explain.cam.plugin import GradCamPlusPlusConfig


@dataclass(frozen=True, kw_only=True)
class GradCamPlusPlus(LayerMaps):
    """ReLU of the sum over channels k of w_k A_k, with w_k = sum over places of alpha * ReLU(g).

    g is d score / d A_k and alpha = g^2 / (2 g^2 + g^3 * sum over places of A_k): the paper's second and third
    derivatives, in closed form because it explains exp(score). The factor exp(score), common to the whole map, is
    left out, as all peers do: it overflows.

    Cost: one forward and one backward pass per image.
    Source: Chattopadhay, Sarkar, Howlader, Balasubramanian 2018, equations 5 to 7 and 19. Variants:
    torchcam/methods/gradient.py, xplique/attributions/grad_cam_pp.py.
    """

    config: GradCamPlusPlusConfig

    def weigh(self, activation: Map, gradient: Map) -> Float[Array, "rows cols"]:
        """Return the map before the ReLU."""
        square = gradient**2
        if self.config.convention == "torchcam":
            alpha = quotient(square, 2 * square + (square * gradient * activation).sum((0, 1)))
            weights = (alpha * jax.nn.relu(gradient)).sum((0, 1))
        elif self.config.convention == "xplique":
            alpha = quotient(square, 2 * square + square * gradient * activation.mean((0, 1)))
            weights = (alpha * jax.nn.relu(gradient)).mean((0, 1))
        else:  # divided by g^2, which underflows where g does not
            weights = quotient(jax.nn.relu(gradient), 2 + gradient * activation.sum((0, 1))).sum((0, 1))
        return activation @ weights
