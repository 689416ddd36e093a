"""Smooth Grad-CAM++: Grad-CAM++ with derivatives averaged over noisy copies of the image (Omeiza et al. 2019)."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Noise, noisy_image
from cnnviz_plugins.explain.cam.layer_maps import LayerMaps, Map, quotient, values_and_gradients, values_of
from cnnviz_plugins.explain.cam.plugin import SmoothGradCamPlusPlusConfig


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
        return Noise.of(self.config.noise).sigma(case.image), values_of(case.model, case.image, self.layers)

    def evaluate(self, case: Case) -> Any:
        """Return g, g^2 and g^3 of every layer at one noisy copy."""
        noisy = noisy_image(case.image, case.context[0], case.key)
        found = values_and_gradients(case.model, noisy, case.target, self.layers)
        return {name: tuple(gradient**power for power in (1, 2, 3)) for name, (_, gradient) in found.items()}

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the maps, weighted."""
        means = jax.tree.map(lambda total: total / self.config.samples, gathered)
        return self.result(
            case.image, tuple(self._weighed(case.context[1][name], *means[name]) for name in self.layers)
        )

    def _weighed(self, activation: Map, first: Map, second: Map, third: Map) -> Float[Array, "rows cols"]:
        if self.config.convention == "torchcam":
            spread = (activation * third).sum((0, 1))
        else:
            spread = activation.sum((0, 1)) * third
        alpha = quotient(second if self.config.numerator == "second" else first, 2 * second + spread)
        return activation @ (alpha * jax.nn.relu(first)).sum((0, 1))
