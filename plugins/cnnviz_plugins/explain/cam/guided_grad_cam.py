"""Guided Grad-CAM: guided backpropagation, seen through the Grad-CAM map (Selvaraju et al. 2017, section 3.2)."""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, RuleError, View
from cnnviz_plugins.explain.cam.layer_maps import values_and_gradients
from cnnviz_plugins.explain.cam.plugin import GuidedGradCamConfig
from cnnviz_plugins.explain.cam.postprocess import CONVENTIONS, resized

_RULES = {"relu": "guided"}


@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(Fold):
    """The guided gradient (h, w, c) times the enlarged Grad-CAM map; `low_res` is that map.

    Raises (when built):
        RuleError: The program has no true ReLU, so that the guided rule would change nothing.
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no map.

    Cost: two forward and two backward passes per image.
    Source: Selvaraju et al. 2017, section 3.2; captum/attr/_core/guided_grad_cam.py enlarges by nearest.
    """

    config: GuidedGradCamConfig
    layer: str
    view: View = "pixels"

    @classmethod
    def build(cls, config: GuidedGradCamConfig, model: Model) -> "GuidedGradCam":
        """Return the fold for `model`, with the ReLUs that the guided rule rewrites."""
        rewritten = model.program.rewritten(_RULES)
        others = model.program.unruled_activations()
        if not rewritten:
            met = f" (it has {', '.join(others)})" if others else ""
            raise RuleError(f"guided-grad-cam rewrites ReLUs, and {model.name} has none{met}; grad-cam needs none")
        left = (
            f"guided-grad-cam has no agreed rule for these activations and leaves them as they are: {', '.join(others)}"
        )
        warnings = (left,) if others else ()
        layer = model.map_layer(config.layer).name
        return cls(config=config, layer=layer, notes=(("rewritten", tuple(rewritten)),), warnings=warnings)

    def evaluate(self, case: Case) -> tuple[Float[Array, "h w c"], Float[Array, "rows cols"]]:
        """Return the guided gradient and the Grad-CAM map before its ReLU."""
        guided = jax.grad(lambda pixels: case.model.score(pixels, case.target, rules=_RULES)[0])(case.image)
        activation, gradient = values_and_gradients(case.model, case.image, case.target, (self.layer,))[self.layer]
        return guided, activation @ gradient.mean((0, 1))

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return their product."""
        guided, raw = gathered[0][0], gathered[1][0]
        kept = jax.nn.relu(raw)
        seen = resized(kept, (case.image.shape[0], case.image.shape[1]), CONVENTIONS[self.config.convention].resize)
        return Heatmap(values=guided * seen[:, :, None], low_res=kept, extras={"before_relu": raw, "guided": guided})
