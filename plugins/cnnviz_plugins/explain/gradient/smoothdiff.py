"""SmoothDiff: one gradient through the mean Jacobians of noisy copies (Hill et al. 2025)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp

from cnnviz_jax.plugin import Case, Heatmap, Model, noisy_image, of_one_class
from cnnviz_plugins.explain.gradient.mean_jacobians import Step, gradient_through, observed, steps_of
from cnnviz_plugins.explain.gradient.plugin import SmoothdiffConfig
from cnnviz_plugins.explain.gradient.saliency import PixelSum


@dataclass(frozen=True, kw_only=True)
class Smoothdiff(PixelSum):
    """The gradient with every non-linear step's Jacobian replaced by its mean over noisy copies, (h, w, c).

    SmoothGrad is the mean of a product of Jacobians, E[J_1 J_2 ... J_L]; this is the product of their means,
    E[J_1] E[J_2] ... E[J_L]: what different layers do together on one copy is dropped. Linear layers are exact. One
    copy gives what SmoothGrad gives for it.

    `extras` has the `mean_score` of the copies and `switching`, (n, gates): of each gate (ReLU, maximum, selection)
    the share of its units that are open for some copies and shut for others; NaN where the score does not depend on
    the gate, and of units of the explained class alone where a layer makes all classes at every position. The
    provenance names the `gates`, and as `mean_field` the products of two values that both see the image: of each factor
    the mean is taken, as if the two were independent.

    Randomness: copy i of an image is that of `smoothgrad` with the same key and noise.
    Cost: `samples` forward passes and one backward per image, and two forward ones; memory of one chunk of copies and
    one number per unit of every non-linear step, one per place of a max pool's window.
    Source: Hill et al. 2025, "Smoothed Differentiation Efficiently Mitigates Shattered Gradients in Explanations".
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    config: SmoothdiffConfig

    @classmethod
    def build(cls, config: SmoothdiffConfig, model: Model) -> Self:
        """Return the fold for `model`."""
        steps = steps_of(model)
        gates, products = _names(steps, "is_gate"), _names(steps, "is_product")
        notes = (("samples", config.samples), ("noise", str(config.used_noise)), ("gates", gates))
        return cls(config=config, count=config.samples, notes=notes + ((("mean_field", products),) if products else ()))

    def prepare(self, case: Case) -> Any:
        """Return the noise's standard deviation."""
        return self.config.used_noise.sigma(case.image)

    def evaluate(self, case: Case) -> Any:
        """Return the score of one noisy copy and the numbers of all Jacobians there."""
        noisy = noisy_image(case.image, case.context, case.key)
        model, target = of_one_class(case.model, case.target)
        return observed(model, noisy, target, steps_of(model, target))

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the gradient through the means."""
        score, slopes, score_slopes = jax.tree.map(lambda total: total / self.count, gathered)
        model, target = of_one_class(case.model, case.target)
        steps = steps_of(model, target)
        values = gradient_through(model, case.image, target, steps, slopes, score_slopes)
        # Means of 0 and 1 over `count` copies: exact in float32, so strictly between is neither.
        shares = {step.value: jnp.mean((mean[0] > 0) & (mean[0] < 1)) for step, mean in zip(steps, slopes, strict=True)}
        every = [shares.get(step.value, jnp.nan) for step in steps_of(model) if step.is_gate]
        return Heatmap(values=values, extras={"mean_score": score, "switching": jnp.asarray(every, jnp.float32)})


def _names(steps: Sequence[Step], claim: str) -> tuple[str, ...]:
    return tuple(step.name for step in steps if getattr(step, claim))
