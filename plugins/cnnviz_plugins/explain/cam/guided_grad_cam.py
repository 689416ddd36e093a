"""Guided Grad-CAM: guided backpropagation, seen through the Grad-CAM map (Selvaraju et al. 2017, section 3.2)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, View
from cnnviz_plugins.explain.cam.layer_maps import volumes_of
from cnnviz_plugins.explain.cam.plugin import GuidedGradCamConfig
from cnnviz_plugins.explain.cam.postprocess import CONVENTIONS, Volumes, resized
from cnnviz_plugins.explain.input_gradient import input_gradient, relu_rule
from cnnviz_plugins.explain.layer_values import values_and_gradients


@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(Fold):
    """The guided gradient (h, w, c) times the enlarged Grad-CAM map; `low_res` is that map.

    Raises (when built):
        RuleError: The program has no true ReLU, so that the guided rule would change nothing.
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no map.

    Cost: two forward and two backward passes per image.
    Source: Selvaraju et al. 2017, section 3.2; captum/attr/_core/guided_grad_cam.py enlarges by PyTorch's nearest.
    """

    config: GuidedGradCamConfig
    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    volumes: Volumes | None = None
    layer: str
    view: View = "pixels"

    @classmethod
    def build(cls, config: GuidedGradCamConfig, model: Model) -> "GuidedGradCam":
        """Return the fold for `model`, with the ReLUs that the guided rule rewrites."""
        notes, warnings = relu_rule(model, "guided-grad-cam", instead="grad-cam")
        layer = model.map_layer(config.layer).name
        volumes = volumes_of(model, (layer,))
        notes += (("unit", "guided gradient times Grad-CAM"),)
        return cls(config=config, layer=layer, notes=notes, warnings=warnings, volumes=volumes)

    def evaluate(self, case: Case) -> tuple[Float[Array, "h w c"], Float[Array, "rows cols"]]:
        """Return the guided gradient and the Grad-CAM map before its ReLU."""
        guided = input_gradient(case.model, case.image, case.target, "guided-grad-cam")
        activation, gradient = values_and_gradients(case, self.layer)[self.layer]
        return guided, activation @ gradient.mean((0, 1))

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return their product."""
        guided, raw = gathered[0][0], gathered[1][0]
        kept = jax.nn.relu(raw)
        seen = resized(kept, case.image.shape[:2], CONVENTIONS[self.config.convention].resize, self.volumes)
        return Heatmap(values=guided * seen[:, :, None], low_res=kept, extras={"before_relu": raw, "guided": guided})
