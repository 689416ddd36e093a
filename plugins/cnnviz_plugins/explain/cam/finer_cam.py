"""FinerCAM: maps of what sets a class apart from those that score alike (Zhang et al. 2025)."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Heatmap, Target, TargetError
from cnnviz_plugins.explain.cam.grad_cam import GradCam, GradCamPlusPlus, HiresCam, LayerCam, XGradCam
from cnnviz_plugins.explain.cam.layer_maps import LayerMaps
from cnnviz_plugins.explain.cam.plugin import FinerCamConfig
from cnnviz_plugins.explain.layer_values import Map

_WEIGHTED: dict[str, type[LayerMaps]] = {
    "grad-cam": GradCam, "grad-cam++": GradCamPlusPlus, "xgrad-cam": XGradCam, "hires-cam": HiresCam,
    "layer-cam": LayerCam,
}  # fmt: skip


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Contrast(Target):
    """A score set against that of other classes, weighted by their probability."""

    inner: Target
    others: Int[Array, " others"]
    alpha: Float[Array, ""]

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return sum over others j of p_j (score - alpha z_j) / sum of p_j."""
        weights = jax.nn.softmax(outputs)[self.others]
        apart = self.inner.score(outputs, activations) - self.alpha * outputs[self.others]
        return weights @ apart / (weights.sum() + 1e-9)


@dataclass(frozen=True, kw_only=True)
class FinerCam(LayerMaps):
    """The map that `weights` makes of s = sum_j p_j (z - alpha z_j) / (sum_j p_j + 1e-9) in place of the score z.

    j are the classes compared with, p the softmax, through which the gradient flows too. When none are named they are
    the three whose logits come nearest to z, the class itself left out. `extras["contrast"]` is s and
    `extras["against"]` the classes.

    Raises (when built or traced):
        TargetError: The target is no score of a classifier's outputs, or a class does not exist.

    Cost: two forward passes and one backward pass per image.
    Source: Zhang, Gu, et al. 2025, section 3.3; pytorch_grad_cam/utils/model_targets.py.
    """

    config: FinerCamConfig

    def evaluate(self, case: Case) -> Any:
        """Return the weighted maps, s and the classes."""
        contrast = self._contrast(case)
        raws = super().evaluate(replace(case, target=contrast))
        return raws, case.model.score(case.image, contrast)[0], contrast.others

    def weigh(self, activation: Map, gradient: Map) -> Map:
        """Return each channel as `weights` has it."""
        kind: Any = _WEIGHTED[self.config.method]
        return kind.weigh(self, activation, gradient)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the maps, fused where there are several, at both sizes."""
        raws, contrast, against = gathered
        found = super().finish(case, raws)
        return replace(found, extras={**found.extras, "contrast": contrast[0], "against": against[0]})

    def _contrast(self, case: Case) -> Contrast:
        if not case.target.needs_outputs or case.target.layers:
            raise TargetError("finer-cam sets a class against others; the target is a score of the network's outputs")
        logits = case.model.run(case.image)[0]
        if getattr(logits, "ndim", None) != 1 or logits.shape[0] < 2:
            raise TargetError(f"finer-cam needs logits of two classes or more, {case.model.name} gives others")
        for number in self.config.against:
            if not 0 <= number < logits.shape[0]:
                raise TargetError(
                    f"finer-cam compares with class {number}; {case.model.name} has classes 0 to {logits.shape[0] - 1}"
                )
        if self.config.against:
            others = jnp.asarray(self.config.against, jnp.int32)
        else:
            value, slope = jax.value_and_grad(lambda outputs: case.target.score(outputs, {}))(logits)
            # The class explained is the logit that its score moves with; it stands nearest to itself and is left out.
            apart = jnp.abs(logits - value).at[jnp.argmax(jnp.abs(slope))].set(-1)
            others = jnp.argsort(apart, stable=True)[1:4].astype(jnp.int32)
        return Contrast(case.target, others, jnp.float32(self.config.alpha))
