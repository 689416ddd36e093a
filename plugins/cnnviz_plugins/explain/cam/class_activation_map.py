"""CAM: a layer's channels, weighted by the linear layer behind their global average (Zhou et al. 2016)."""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, TargetError
from cnnviz_plugins.explain.cam.layer_maps import values_of
from cnnviz_plugins.explain.cam.linear_head import linear_head
from cnnviz_plugins.explain.cam.plugin import CamConfig
from cnnviz_plugins.explain.cam.postprocess import resized


@dataclass(frozen=True, kw_only=True)
class ClassActivationMap(Fold):
    """The sum over channels of (weight of the class for the channel) * channel, read off the network.

    The mean of the map plus the class's bias is the class's logit; the map is rows * cols times Grad-CAM's before
    its ReLU. Another score of the logits is explained through its gradient with respect to them.

    Raises (when built):
        LayerKindError: Something else than a global average and one linear layer stands before the scores.

    Raises (when traced):
        TargetError: The target is no score of the network's outputs.

    Cost: one forward pass per image.
    Source: Zhou, Khosla, Lapedriza, Oliva, Torralba 2016, section 2, equation 2.
    """

    config: CamConfig
    layer: str
    dense: str
    """The linear layer whose weights are used."""

    @classmethod
    def build(cls, config: CamConfig, model: Model) -> "ClassActivationMap":
        """Return the fold for `model`, its layer and its linear layer found."""
        head = linear_head(model)
        return cls(config=config, layer=head.layer, dense=head.dense, notes=(("weights", head.dense),))

    def evaluate(self, case: Case) -> Float[Array, "rows cols"]:
        """Return the map before any ReLU."""
        if not case.target.needs_outputs or case.target.layers:
            raise TargetError("cam explains a score of the network's outputs; grad-cam explains any target")
        logits = case.model.run(case.image)[0]
        toward = jax.grad(lambda outputs: case.target.score(outputs, {}))(logits)
        kernel = case.model.program.kernel(self.dense, case.model.params)  # channels classes
        weights: Array = kernel @ toward
        return values_of(case.model, case.image, (self.layer,))[self.layer] @ weights

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the map at both sizes."""
        raw = gathered[0]
        kept = jax.nn.relu(raw) if self.config.relu else raw
        values = resized(kept, (case.image.shape[0], case.image.shape[1]), "linear")
        return Heatmap(values=values, low_res=kept, extras={"before_relu": raw})
