"""Maps weighted by gradients: Grad-CAM and those that differ from it in how a channel is weighted."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, Noise, View, noisy_image
from cnnviz_plugins.explain.cam.layer_maps import LayerMaps, quotient
from cnnviz_plugins.explain.cam.plugin import (
    GradCamConfig,
    GradCamPlusPlusConfig,
    HiresCamConfig,
    LayerCamConfig,
    SmoothGradCamPlusPlusConfig,
    XGradCamConfig,
)
from cnnviz_plugins.explain.layer_values import Map, values_and_gradients, values_of


@dataclass(frozen=True, kw_only=True)
class GradCam(LayerMaps):
    """ReLU of the sum over channels of (spatial mean of d score / d channel) * channel; nothing is normalised.

    Cost: one forward and one backward pass per image.
    Source: Selvaraju et al. 2017, section 3, equations 1 and 2. `tf-explain`: its `core/grad_cam.py`, which
    averages positive gradients of active units only.
    """

    config: GradCamConfig
    takes_vectors: ClassVar[bool] = True

    @classmethod
    def laid_out(cls, config: GradCamConfig, model: Model) -> Self:
        """Return the fold for `model`, its layers resolved."""
        view: View = "heatmap" if config.channels == "sum" else "maps"
        return replace(super().laid_out(config, model), view=view)

    def weigh(self, activation: Map, gradient: Map) -> Map:
        """Return each channel times its mean gradient."""
        if self.config.convention == "tf-explain":
            gradient = jnp.where((activation > 0) & (gradient > 0), gradient, 0)
        return activation * gradient.mean((0, 1))

    def joined(self, weighted: Map) -> Float[Array, "rows cols *c"]:
        """Return the channels as one map, or as they are where each is asked for."""
        return super().joined(weighted) if self.config.channels == "sum" else weighted


@dataclass(frozen=True, kw_only=True)
class GradCamPlusPlus(LayerMaps):
    """ReLU of the sum over channels k of w_k A_k, with w_k = sum over places of alpha * ReLU(g).

    g is d score / d A_k and alpha = g^2 / (2 g^2 + g^3 * sum over places of A_k): the paper's second and third
    derivatives, in closed form because it explains exp(score). The factor exp(score), common to the whole map, is
    left out, as all peers do: it overflows. `pytorch-grad-cam` adds 1e-6 to alpha's denominator, which decides where
    gradients are below some 1e-3. `torchcam` is the formula of its documentation: release 0.5 itself never divides, so
    that its alpha is g^2.

    Cost: one forward and one backward pass per image.
    Source: Chattopadhay, Sarkar, Howlader, Balasubramanian 2018, equations 5 to 7 and 19. Variants:
    torchcam/methods/gradient.py, xplique/attributions/grad_cam_pp.py.
    """

    config: GradCamPlusPlusConfig

    def weigh(self, activation: Map, gradient: Map) -> Map:
        """Return each channel times its weight."""
        square = gradient**2
        if self.config.convention == "torchcam":
            alpha = quotient(square, 2 * square + (square * gradient * activation).sum((0, 1)))
            weights = (alpha * jax.nn.relu(gradient)).sum((0, 1))
        elif self.config.convention == "xplique":
            alpha = quotient(square, 2 * square + square * gradient * activation.mean((0, 1)))
            weights = (alpha * jax.nn.relu(gradient)).mean((0, 1))
        elif self.config.convention == "pytorch-grad-cam":
            alpha = square / (2 * square + square * gradient * activation.sum((0, 1)) + 1e-6)
            weights = (alpha * jax.nn.relu(gradient)).sum((0, 1))
        else:  # divided by g^2, which underflows where g does not
            weights = quotient(jax.nn.relu(gradient), 2 + gradient * activation.sum((0, 1))).sum((0, 1))
        return activation * weights


@dataclass(frozen=True, kw_only=True)
class XGradCam(LayerMaps):
    """ReLU of the sum over channels k of w_k A_k, with w_k = sum over places of (A_k / sum of A_k) * gradient.

    A channel that sums to 0 has weight 0. Before the ReLU the map sums to the sum of activation * gradient.

    Cost: one forward and one backward pass per image.
    Source: Fu, Hu, Dong, Guo, Gao, Li 2020, section 3.3, equation 8.
    """

    config: XGradCamConfig

    def weigh(self, activation: Map, gradient: Map) -> Map:
        """Return each channel times its weight."""
        total = activation.sum((0, 1))
        if self.config.convention == "pytorch-grad-cam":
            total = total + 1e-7  # pytorch_grad_cam/xgrad_cam.py
        return activation * quotient((activation * gradient).sum((0, 1)), total)


@dataclass(frozen=True, kw_only=True)
class HiresCam(LayerMaps):
    """ReLU of the sum over channels of gradient * activation, nothing averaged over places.

    Where the network above the layer is linear, the map before the ReLU sums to the score less its bias.

    Cost: one forward and one backward pass per image.
    Source: Draelos, Carin 2020, section 3.2, equation 6.
    """

    config: HiresCamConfig

    def weigh(self, activation: Map, gradient: Map) -> Map:
        """Return activation times gradient."""
        return activation * gradient


@dataclass(frozen=True, kw_only=True)
class LayerCam(LayerMaps):
    """ReLU of the sum over channels of ReLU(gradient) * activation.

    Several layers are scaled by tanh(2 map / its maximum) and fused by their maximum, as the paper does.

    Cost: one forward and one backward pass per image, whatever the number of layers.
    Source: Jiang, Zhang, Hou, Cheng, Wei 2021, equations 6 to 9.
    """

    config: LayerCamConfig

    def weigh(self, activation: Map, gradient: Map) -> Map:
        """Return activation times positive gradient."""
        return jax.nn.relu(gradient) * activation


@dataclass(frozen=True, kw_only=True)
class SmoothGradCamPlusPlus(LayerMaps):
    """Grad-CAM++ of the image's own activations, with g, g^2 and g^3 averaged over noisy copies.

    Without noise it is Grad-CAM++.

    Randomness: copy i of an image is image + sigma * normal(fold_in(image's key, i)).
    Cost: `samples` forward and backward passes and one forward pass per image.
    Source: Omeiza, Speakman, Cintas, Weldermariam 2019, section 3; torchcam/methods/gradient.py, whose documentation
    says where the printed numerator differs. torch-cam itself applies the last copy's gradient, we the mean one.
    """

    config: SmoothGradCamPlusPlusConfig
    gather: Literal["sum", "stack"] = "sum"

    @property
    def evaluations(self) -> int:
        """One per noisy copy."""
        return self.config.samples

    def prepare(self, case: Case) -> tuple[Float[Array, ""], dict[str, Map]]:
        """Return the noise's standard deviation and the layers' values at the image itself."""
        return Noise.of(self.config.noise).sigma(case.image), values_of(case.model, case.image, *self.layers)

    def evaluate(self, case: Case) -> Any:
        """Return g, g^2 and g^3 of every layer at one noisy copy."""
        noisy = noisy_image(case.image, case.context[0], case.key)
        found = values_and_gradients(replace(case, image=noisy), *self.layers)
        return {name: tuple(gradient**power for power in (1, 2, 3)) for name, (_, gradient) in found.items()}

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the maps, weighted."""
        means = jax.tree.map(lambda total: total / self.config.samples, gathered)
        return self.result(
            case.image, tuple(self.joined(self._weighed(case.context[1][name], *means[name])) for name in self.layers)
        )

    def _weighed(self, activation: Map, first: Map, second: Map, third: Map) -> Map:
        if self.config.convention == "torchcam":
            spread = (activation * third).sum((0, 1))
        else:
            spread = activation.sum((0, 1)) * third
        alpha = quotient(second if self.config.numerator == "second" else first, 2 * second + spread)
        return activation * (alpha * jax.nn.relu(first)).sum((0, 1))
